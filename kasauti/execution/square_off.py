"""When intraday positions are closed; no position and no order is looked at."""

from datetime import datetime, time, timedelta

from kasauti.market.calendar import Session
from kasauti.market.markets import Market

AUCTION_LEAD = timedelta(minutes=5)  # intraday positions are closed before continuous trading ends


def square_off(session: Session, market: Market, end: datetime) -> datetime | None:
    """Return when intraday positions are closed, None where the market has no such time.

    As long before the close as on an ordinary day, and before a closing auction begins.

    Parameters
    ----------
    session : Session
    market : Market
    end : datetime
        Of continuous trading.
    """
    usual = market.square_off
    if usual is None:
        return None
    return min(session.close - _between(usual, market.closes), end - AUCTION_LEAD)


def _between(start: time, end: time) -> timedelta:
    return timedelta(hours=end.hour - start.hour, minutes=end.minute - start.minute)
