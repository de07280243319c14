"""What an account's own bars and approvals say: the desk of a state folder, the market's regime."""

from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from kasauti.desk_account import forward_desk
from kasauti.execution.model import Scope
from kasauti.home import Home
from kasauti.market.bars import Bars
from kasauti.own_bars import ForwardDesk
from kasauti.regimes.model import REGIMES, UNKNOWN, Regime
from kasauti.regimes.online import WARM_UP, label_online
from kasauti.trading import ReplayDesk
from kasauti.workspace import Workspace


@dataclass(frozen=True)
class RegimeSpan:
    """The market's regime as it was known at a close.

    Attributes
    ----------
    regime : Regime or None
        None where too few bars may be read to tell.
    since : date or None
        First session of it in a row.
    last : date or None
        Session of the last bar.
    """

    regime: Regime | None
    since: date | None
    last: date | None


def desk_of(
    home: Home, scope: Scope, market: str, profile: str, now: datetime
) -> ReplayDesk | None:
    """Return the desk as it trades the ledger of `scope`; None before any bars were taken in."""
    if scope is Scope.PAPER:
        return forward_desk(home, market, profile, now)
    space = Workspace(home)
    return ReplayDesk(space, space.admit(space.gather().bars, now), profile)


def known_bars(desk: ReplayDesk) -> Bars:
    """Return the bars that the desk trades on.

    Sealed ones are among them only for a strategy that may trade and so was read out before.
    """
    if isinstance(desk, ForwardDesk):
        return desk.traded().bars
    permitted = desk.candidates()
    return desk.history(permitted[0][1]) if permitted else desk.arrived()


def regime_on(bars: Bars, day: date) -> RegimeSpan:
    """Return the regime at the close of `day`, from the bars up to then."""
    known = bars.between(0, int((bars.sessions <= np.datetime64(day)).sum()))
    if not known.shape[1]:
        return RegimeSpan(None, None, None)
    codes = label_online(known).codes
    days: list[date] = known.sessions.astype(object).tolist()
    if codes[-1] == UNKNOWN:
        return RegimeSpan(None, None, days[-1])
    others = np.flatnonzero(codes != codes[-1])
    first = int(others[-1]) + 1 if len(others) else 0
    return RegimeSpan(REGIMES[int(codes[-1])], days[first], days[-1])


def sentence_of(span: RegimeSpan) -> str:
    """Return the regime in words."""
    if span.last is None:
        return "No bar has arrived yet."
    if span.regime is None or span.since is None:
        return (
            f"Unknown: a label takes {WARM_UP + 1} sessions, and fewer may be read here. Sealed "
            "bars are read only for a strategy that may trade."
        )
    return f"{span.regime.value.capitalize()} since {span.since:%d %b %Y}."
