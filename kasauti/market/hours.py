"""Which intraday bars start inside a market's trading hours; daily bars have no business here."""

from datetime import date, datetime, time

import numpy as np

from kasauti.market.bars import Booleans, Times
from kasauti.market.markets import Market


def inside_hours(times: Times, market: Market, *, allow_special: bool = True) -> Booleans:
    """Return whether each bar starts while the market trades.

    On days that the market's calendar knows, its session counts, evening sessions included. On
    older days the ordinary hours count, except where a day has no bar in them at all: such a day
    is taken for a special session and left alone.

    Parameters
    ----------
    times : ndarray of shape (n,), datetime64[s]
        Bar starts in exchange time.
    allow_special : bool
        Whether to take such an older day for a special session, as above.

    Returns
    -------
    ndarray of shape (n,), bool
    """
    if len(times) == 0:
        return np.zeros(0, dtype=bool)
    days = times.astype("datetime64[D]")
    unique, inverse = np.unique(days, return_inverse=True)
    seconds = (times - days).astype("timedelta64[s]").astype(np.int64)
    ordinary = (_seconds(market.opens) <= seconds) & (seconds < _seconds(market.closes))
    special = (np.bincount(inverse, weights=ordinary) == 0) & allow_special
    known = np.zeros(len(unique), dtype=bool)
    opens, closes = np.zeros((2, len(unique)), dtype=np.int64)
    for position, day in enumerate(unique.astype(date)):
        if market.calendar.knows(day):
            known[position] = True
            session = market.calendar.session(day)
            if session is not None:
                opens[position], closes[position] = map(_clock, (session.open, session.close))
    in_session = (opens[inverse] <= seconds) & (seconds < closes[inverse])
    result: Booleans = np.where(known[inverse], in_session, ordinary | special[inverse])
    return result


def _seconds(clock: time) -> int:
    return clock.hour * 3600 + clock.minute * 60 + clock.second


def _clock(moment: datetime) -> int:
    return _seconds(moment.time())
