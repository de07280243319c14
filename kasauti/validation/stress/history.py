"""The real sessions of one symbol, from which worlds are put together; no world is made here."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kasauti.backtest.tape import filled_closes
from kasauti.errors import VerdictRefused
from kasauti.market.bars import Bars, Floats, Times
from kasauti.regimes.online import market_closes

Places = NDArray[np.int64]

FEWEST_SESSIONS = 250
"""A year: fewer sessions are no sample of what a market does."""

WARM_BARS = 630
"""Real bars before a world: the longest window of the language, 500, and half a year of trading."""


@dataclass(frozen=True, eq=False)
class History:
    """The whole sessions of the symbol in `row`: all four prices on as many bars as most have.

    Attributes
    ----------
    bars : Bars
    row : int
    codes : ndarray of shape (T,), int8
        The market's regime on every bar, as it was known on it.
    places : ndarray of shape (D, k), int64
        Positions of the k bars of each of D whole sessions.
    """

    bars: Bars
    row: int
    codes: NDArray[np.int8]
    places: Places

    @classmethod
    def of(cls, bars: Bars, row: int, codes: NDArray[np.int8]) -> "History":
        """Return the history of the symbol in `row`.

        Raises
        ------
        VerdictRefused
            Under `FEWEST_SESSIONS` whole sessions, or a price that never moves.
        """
        symbol = bars.symbols[row]
        history = cls(bars, row, codes, _whole_sessions(bars, row))
        found = len(history.places)
        if found < FEWEST_SESSIONS:
            raise VerdictRefused(
                f"{symbol} has {found} sessions with all four prices, a stress test needs "
                f"{FEWEST_SESSIONS}: bring a longer history with traded opens"
            )
        if not np.ptp(history.returns) > 0.0:
            raise VerdictRefused(
                f"the price of {symbol} never moves: these bars cannot say what a crash would do"
            )
        return history

    @property
    def symbol(self) -> str:
        """Name of the symbol."""
        return self.bars.symbols[self.row]

    @cached_property
    def closes(self) -> Floats:
        """Closes of the symbol, filled where there is none, shape (T,)."""
        return filled_closes(self.bars.close[self.row])

    @cached_property
    def market(self) -> Floats:
        """Closes of the market that regimes are read from, filled, shape (T,)."""
        return filled_closes(market_closes(self.bars))

    @cached_property
    def before(self) -> Places:
        """Position of the close before each whole session, shape (D,)."""
        return self.places[:, 0] - 1

    @cached_property
    def returns(self) -> Floats:
        """Log return of each whole session over the close before it, shape (D,)."""
        return np.log(self.closes[self.places[:, -1]] / self.closes[self.before])

    @property
    def bars_a_session(self) -> int:
        """Bars of a whole session."""
        return int(self.places.shape[1])

    @property
    def warm_sessions(self) -> int:
        """Whole sessions that go before a world."""
        return min(-(-WARM_BARS // self.bars_a_session), len(self.places))

    def times_after(self, last: np.datetime64, sessions: int) -> Times:
        """Return the bar times of that many sessions on the business days after `last`."""
        days = np.busday_offset(
            last.astype("M8[D]"), np.arange(1, sessions + 1), roll="backward"
        ).astype("M8[D]")
        if self.bars.is_daily:
            return days
        usual = self.bars.times[self.places[-1]]
        clock = usual - usual[0].astype("M8[D]").astype("M8[s]")
        times: Times = (days.astype("M8[s]")[:, None] + clock).ravel()
        return times


def _whole_sessions(bars: Bars, row: int) -> Places:
    whole = np.isfinite(bars.close[row])
    for prices in (bars.open, bars.high, bars.low):
        whole = whole & np.isfinite(prices[row])
    firsts = np.flatnonzero(np.r_[True, bars.sessions[1:] != bars.sessions[:-1]])
    lengths = np.diff(np.r_[firsts, len(whole)])
    usual = int(np.bincount(lengths).argmax())
    firsts = firsts[lengths == usual]
    places = firsts[:, None] + np.arange(usual)
    known = np.flatnonzero(np.isfinite(bars.close[row]))
    after_a_close = firsts > (known[0] if len(known) else len(whole))
    chosen: Places = places[whole[places].all(axis=1) & after_a_close].astype(np.int64)
    return chosen
