"""The paper trial: which sessions of a ledger count towards going live, and why the others do not.

Counted from the events alone, so nobody can add a session or take one away. Each strategy has its
own count, of sessions that it stood in since it was last demoted: they are what goes live.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from kasauti.errors import UsageError
from kasauti.execution.decided import Decided, decided_for
from kasauti.execution.events import (
    OPEN_TO_ALL,
    EpochRaised,
    Genesis,
    LimitsSealed,
    Reconciled,
    Record,
    SelfTested,
    SessionClosed,
    StrategyDemoted,
    TwinCompared,
)
from kasauti.execution.hosts import DESK_PROCESS
from kasauti.execution.model import Scope
from kasauti.execution.twin_rows import Leg

SESSIONS = 30  # that have to pass before anything is traded live; a setting may ask for more
RECENT = timedelta(days=90)  # an approval's life: what was longer ago shows another market and code
FAULTS = frozenset(
    f"K{number:02d}" for number in (1, 2, 3, 5, 6, 9, 18, 25, 26, 27, 28, 29, 31, 33, 34)
)
"""Controls that refuse because something of ours is wrong or stopped, not because a limit is used.

A session in which one of them refused an entry did not show what the strategies would have traded.
"""


@dataclass(frozen=True)
class TrialSession:
    """One closed session and what speaks against it.

    Attributes
    ----------
    day : date
    hosts : tuple of str
        Who hosted the desk in it.
    orders, differences : int
        Rows of the twin's table, and those that are not the same.
    problems : tuple of str
        Why it does not count, in plain words; none if it passed.
    genomes : tuple of str
        The strategies that stood in it.
    legs : frozenset of (str, Leg)
        What they traded on paper: the strategy, and whether it went in or out.
    """

    day: date
    hosts: tuple[str, ...]
    orders: int
    differences: int
    problems: tuple[str, ...]
    genomes: tuple[str, ...] = ()
    legs: frozenset[tuple[str, Leg]] = frozenset()

    @property
    def passed(self) -> bool:
        """Whether it counts."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "day": self.day.isoformat(),
            "passed": self.passed,
            "hosts": list(self.hosts),
            "rows": self.orders,
            "differences": self.differences,
            "problems": list(self.problems),
        }


@dataclass(frozen=True)
class Trial:
    """The trial of one ledger.

    Attributes
    ----------
    scope : Scope
    needed : int
        Sessions that have to pass.
    sessions : tuple of TrialSession
        Every closed one, oldest first.
    demoted : mapping of str to date
        The last session by which a strategy was demoted.
    """

    scope: Scope
    needed: int
    sessions: tuple[TrialSession, ...]
    demoted: Mapping[str, date] = field(default_factory=dict)

    @property
    def passed(self) -> int:
        """The number of sessions that count."""
        return sum(1 for session in self.sessions if session.passed)

    @property
    def strategies(self) -> dict[str, int]:
        """The sessions that each strategy passed since it was demoted, within `RECENT`."""
        return {genome: len(self._of(genome)) for genome in self._genomes}

    @property
    def ready(self) -> tuple[str, ...]:
        """The strategies that have passed: sessions enough, and both a way in and a way out.

        One that never traded has shown nothing of what an order of it becomes.
        """
        return tuple(
            genome
            for genome in sorted(self._genomes)
            if len(mine := self._of(genome)) >= self.needed
            and all(any((genome, leg) in one.legs for one in mine) for leg in Leg)
        )

    @property
    def _genomes(self) -> frozenset[str]:
        return frozenset(genome for session in self.sessions for genome in session.genomes)

    def _of(self, genome: str) -> list[TrialSession]:
        """Return the sessions that count for a strategy."""
        since = self.demoted.get(genome, date.min)
        since = max(since, self.sessions[-1].day - RECENT)
        return [s for s in self.sessions if s.passed and genome in s.genomes and s.day > since]

    @property
    def is_passed(self) -> bool:
        """Whether the trial is over and well for at least one strategy."""
        return bool(self.ready)


@dataclass
class _Seen:
    """What the events say about one session."""

    hosts: set[str] = field(default_factory=set)
    sealed: bool = False
    tested: bool = False
    closed: bool = False
    differences: tuple[str, ...] | None = None
    twin: TwinCompared | None = None


def trial_of(records: Iterable[Record], needed: int = SESSIONS) -> Trial:
    """Return the trial that a ledger's records amount to.

    Parameters
    ----------
    records : iterable of Record
        All of them, in order.
    needed : int
        Sessions that have to pass, 30 at least.

    Raises
    ------
    UsageError
        If fewer are asked for.
    """
    if needed < SESSIONS:
        raise UsageError(f"the paper trial takes {SESSIONS} sessions at least, not {needed}")
    scope, hosts = Scope.REPLAY, {0: ""}
    records = list(records)
    decided = decided_for(records)
    demoted: dict[str, date] = {}
    compared: tuple[str, ...] | None = None
    running: date | None = None
    days: dict[date, _Seen] = {}
    for record in records:
        event = record.event
        match event:
            case Genesis():
                scope = event.scope
            case EpochRaised(host):
                hosts[record.epoch] = host
            case SelfTested(day):
                running = day
                days.setdefault(day, _Seen()).tested = True
            case LimitsSealed(day):
                running = day
                days.setdefault(day, _Seen()).sealed = True
            case Reconciled(found):
                compared = found
            case TwinCompared(day):
                days.setdefault(day, _Seen()).twin = event
            case StrategyDemoted(genome, day):
                demoted[genome] = max(day, demoted.get(genome, day))
        if running is not None and not isinstance(event, OPEN_TO_ALL):
            days[running].hosts.add(hosts[record.epoch])
        if isinstance(event, SessionClosed):
            seen = days.setdefault(event.day, _Seen())
            seen.closed, seen.differences, running = True, compared, None
    closed = [(day, seen) for day, seen in sorted(days.items()) if seen.closed]
    sessions = tuple(_session(day, seen, decided.get(day), scope) for day, seen in closed)
    return Trial(scope, needed, sessions, demoted)


def _session(day: date, seen: _Seen, decided: Decided | None, scope: Scope) -> TrialSession:
    rows = () if seen.twin is None else seen.twin.rows
    different = sum(1 for row in rows if row.kind.value != "same")
    problems = tuple(_problems(seen, decided, scope))
    genomes = () if seen.twin is None else seen.twin.genomes
    legs = frozenset((row.genome_hash, row.leg) for row in rows if row.paper_quantity)
    hosts = tuple(sorted(seen.hosts))
    return TrialSession(day, hosts, len(rows), different, problems, genomes, legs)


def _problems(seen: _Seen, decided: Decided | None, scope: Scope) -> Iterable[str]:
    if scope is not Scope.PAPER:
        yield f"a {scope.value} never counts"
    others = sorted(seen.hosts - {DESK_PROCESS})
    if others or not seen.hosts:
        yield f"hosted by {', '.join(others) or 'nobody'}, not by the {DESK_PROCESS}"
    if decided is None:
        yield "nobody decided what to trade in it"
    elif not decided.in_time:
        yield "what to trade in it was decided after its open: hindsight"
    if not seen.sealed:
        yield "no limits were sealed"
    if not seen.tested:
        yield "the controls were not tested"
    if seen.differences is None:
        yield "never reconciled"
    elif seen.differences:
        yield f"ledger and broker differed at its end: {'; '.join(seen.differences)}"
    if seen.twin is None:
        yield "not compared with the engine yet"
        return
    if not seen.twin.genomes:
        yield "no strategy was approved"
    over = sum(1 for row in seen.twin.rows if not row.within)
    if over:
        yield f"{over} differences from the engine are over tolerance"
    faults = sorted({row.control for row in seen.twin.rows if row.control[:3] in FAULTS})
    if faults:
        yield f"entries were refused by {', '.join(faults)}: something was wrong or stopped"
