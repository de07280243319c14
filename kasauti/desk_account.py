"""The paper account on own bars, as the desk process sees it: quick to make, loaded when asked.

A desk that takes over must not wait for what only its next entry needs, so the bars and approvals
come in by imports inside the functions.
"""

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kasauti.errors import KasautiError
from kasauti.execution.account import Arrived
from kasauti.execution.approvals import Permit
from kasauti.execution.clock import Clock
from kasauti.execution.custom_limits import chosen
from kasauti.execution.ledger import Ledger
from kasauti.execution.limits import Limits
from kasauti.execution.model import Scope
from kasauti.execution.place import paper_place
from kasauti.home import Home
from kasauti.market.calendar import Calendar
from kasauti.market.markets import Market, get_market

if TYPE_CHECKING:
    from kasauti.own_bars import ForwardDesk


class OwnAccount:
    """The paper account of one state folder.

    Parameters
    ----------
    home : Home
    market : str
        Name of the ledger's market.
    profile : str
        Capital profile.
    clock : Clock
    """

    def __init__(self, home: Home, market: str, profile: str, clock: Clock) -> None:
        self._home = home
        self._market = market
        self._profile = profile
        self._clock = clock
        self._desk: ForwardDesk | None = None

    @property
    def market(self) -> Market:
        """The ledger's market."""
        return get_market(self._market)

    @property
    def calendar(self) -> Calendar:
        """The market's sessions."""
        return self.market.calendar

    @property
    def limits(self) -> Limits:
        """What the profile allows."""
        return chosen(self._profile, self._home.limits, os.environ)

    def version(self) -> str:
        """Return what bars and approvals are at."""
        return "|".join(_text(path) for path in _manifests(self._home))

    def arrived(self, now: datetime) -> Arrived | None:
        """Return the bars of the sessions that are over, None before any were taken in."""
        self._desk = forward_desk(self._home, self._market, self._profile, now)
        return None if self._desk is None else self._desk.traded()

    def permit(self, genome_hash: str) -> Permit | None:
        """Return what lets a genome trade now; the approvals are read anew each time."""
        from dataclasses import replace

        if self._desk is None:
            return None
        return replace(self._desk, at=self._clock.now()).permit(genome_hash)


def open_ledger(home: Home, market: str, at: datetime) -> Ledger:
    """Open the paper ledger of the state folder, made if missing."""
    place = paper_place(home)
    return Ledger(place.path, scope=Scope.PAPER, market=market, at=at, url=place.url)


def market_of(home: Home) -> str | None:
    """Return the market of the bars that were taken in, None if none were."""
    if not _manifests(home)[0].exists():
        return None
    from kasauti.market.lake import Lake
    from kasauti.workspace import STORED

    return Lake(home.ingested).read_bars(STORED).market


def _manifests(home: Home) -> tuple[Path, Path]:
    """Return the files that name the versions of the ingested bars and of the approvals."""
    return (
        home.ingested / "market" / "bars" / "current.json",
        home.lake / "validation" / "approvals" / "current.json",
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def forward_desk(home: Home, market: str, profile: str, now: datetime) -> "ForwardDesk | None":
    """Return the desk of the bars that were taken in, None before any were.

    Raises
    ------
    KasautiError
        If they are of another market than the ledger.
    """
    if not _manifests(home)[0].exists():
        return None
    from kasauti.market.lake import Lake
    from kasauti.own_bars import ForwardDesk
    from kasauti.workspace import STORED, Source, Workspace

    space = Workspace(home, Source((home.ingested,), market))
    bars = Lake(home.ingested).read_bars(STORED)
    if bars.market != market:
        raise KasautiError(
            f"the bars in {home.ingested} are of {bars.market}, the ledger is of {market}: "
            "use another state folder for one of them"
        )
    return ForwardDesk(space, space.admit(bars, now), profile, now)
