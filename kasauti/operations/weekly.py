"""The week's research as data: what was tried, found and judged, and what may still be traded.

Read from register, vault and ledger of a state folder. How it looks stands in `weekly_page`.
"""

import os
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np

from kasauti.evolution.register import TrialRegister
from kasauti.evolution.trials import Trial
from kasauti.execution.custom_limits import profile_name
from kasauti.execution.model import Scope
from kasauti.execution.trial_report import report_of
from kasauti.health.accounts import DEFAULT_MARKET
from kasauti.home import Home
from kasauti.noise.published import published, sentence_of
from kasauti.operations.account_bars import desk_of
from kasauti.operations.unread import Unread, attempt
from kasauti.plain import plain
from kasauti.validation.approvals import Approval, Approvals
from kasauti.validation.approvals import Scope as ApprovalScope
from kasauti.validation.reference_strategy import reference_strategy
from kasauti.validation.seal import Vault

DAYS = 7
MEASURE = "sharpe"
MOST_CAUSES = 8


@dataclass(frozen=True)
class Best:
    """The strategy with the highest Sharpe ratio among those of the week that are alive."""

    genome: str
    genes: dict[str, Any]
    figures: dict[str, float | None]


@dataclass(frozen=True)
class Tried:
    """What the register took in.

    Attributes
    ----------
    trials, distinct, searches : int
        A strategy that was tried at two stages is two trials.
    deaths : dict of str to int
        By cause, the commonest first.
    best : Best or None
        By the search's own figures: it says nothing about the future.
    """

    trials: int
    distinct: int
    searches: int
    deaths: dict[str, int]
    best: Best | None


@dataclass(frozen=True)
class Judged:
    """One verdict; the cause is empty where it approved."""

    genome: str
    at: datetime
    approved: bool
    reference: bool
    cause: str


@dataclass(frozen=True)
class Standing:
    """One approval that has not run out, and whether it counts on these bars with this code."""

    genome: str
    tier: str
    expires: date
    counts: bool
    label: str


@dataclass(frozen=True)
class TrialProgress:
    """How far the paper trial is."""

    passed: int
    needed: int


@dataclass(frozen=True)
class WeeklySummary:
    """Seven days of research.

    Attributes
    ----------
    first, last : date
    made_at : datetime
        Exchange time.
    tried : Tried or Unread
    judged : tuple of Judged or Unread
    standing : tuple of Standing or Unread
    trial : TrialProgress, None or Unread
        None before there is a paper ledger.
    certificate : str or Unread
        What the whole pipeline approves on markets without an edge.
    """

    first: date
    last: date
    made_at: datetime
    tried: Tried | Unread
    judged: tuple[Judged, ...] | Unread
    standing: tuple[Standing, ...] | Unread
    trial: TrialProgress | Unread | None
    certificate: str | Unread

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        found: dict[str, Any] = plain(asdict(self))
        return found


def weekly_summary(home: Home, now: datetime) -> WeeklySummary:
    """Return the summary of the seven days that end with the day of `now`, exchange time."""
    last = now.date()
    first = last - timedelta(days=DAYS - 1)
    begin = datetime.combine(first, time(0), tzinfo=now.tzinfo)
    until = begin + timedelta(days=DAYS)
    return WeeklySummary(
        first,
        last,
        now,
        tried=attempt(lambda: tried_in(home, begin, until)),
        judged=attempt(lambda: judged_in(home, begin, until)),
        standing=attempt(lambda: standing_on(home, now)),
        trial=attempt(lambda: _trial(home, now)),
        certificate=attempt(lambda: sentence_of(published())),
    )


def tried_in(home: Home, begin: datetime, until: datetime) -> Tried:
    """Return what was tried from `begin` to before `until`."""
    if not home.register.exists():
        return Tried(0, 0, 0, {}, None)
    register = TrialRegister(home.register)
    died = list(register.died_between(begin, until))
    dead, causes = {one.genome for one in died}, Counter(one.cause.split(":")[0] for one in died)
    count, names, searches = 0, set[str](), set[str]()
    best, most = None, -np.inf
    for batch in register.tried_between(begin, until):
        count += len(batch.genomes)
        names.update(batch.genomes)
        searches |= {batch.search} if batch.search else set()
        column = batch.column(MEASURE)
        if column is None:
            continue
        alive = np.array([name not in dead for name in batch.genomes])
        known = np.where(alive & np.isfinite(column), column, -np.inf)
        if known.max() > most:
            best, most = batch[int(known.argmax())], float(known.max())
    told = dict(causes.most_common(MOST_CAUSES))
    return Tried(count, len(names), len(searches), told, None if best is None else _best(best))


def judged_in(home: Home, begin: datetime, until: datetime) -> tuple[Judged, ...]:
    """Return the verdicts that were given from `begin` to before `until`, oldest first."""
    if not home.vault.exists():
        return ()
    reference = reference_strategy().hash
    found = []
    for record in Vault(home.vault).records.find("verdict"):
        body = record.body
        at = datetime.fromisoformat(body["when"]) if "when" in body else None
        if at is not None and begin <= at < until:
            genome, approved = str(body["genome"]), bool(body["approved"])
            cause = "" if approved else _cause(home, genome)
            found.append(Judged(genome, at, approved, genome == reference, cause))
    return tuple(found)


def standing_on(home: Home, now: datetime) -> tuple[Standing, ...]:
    """Return the approvals for paper trading that have not run out, soonest to end first."""
    if not home.vault.exists():
        return ()
    vault = Vault(home.vault)
    approvals = Approvals(vault)
    genomes = dict.fromkeys(str(one.body["genome"]) for one in vault.records.find("approval"))
    newest = [approvals.ever(genome) for genome in genomes if approvals.granted_until(genome, now)]
    standing = [
        one
        for one in newest
        if one is not None
        and one.scope is ApprovalScope.PAPER
        and one.expires >= now.date().isoformat()
    ]
    if not standing:
        return ()
    desk = desk_of(home, Scope.PAPER, DEFAULT_MARKET, profile_name(os.environ), now)
    found = [
        _standing(one, desk is not None and desk.approval(one.genome) == one) for one in standing
    ]
    return tuple(sorted(found, key=lambda one: one.expires))


def _standing(one: Approval, counts: bool) -> Standing:
    return Standing(one.genome, one.tier, date.fromisoformat(one.expires), counts, one.label)


def _trial(home: Home, now: datetime) -> TrialProgress | None:
    trial = report_of(home, now).trial
    return None if trial is None else TrialProgress(trial.passed, trial.needed)


def _best(trial: Trial) -> Best:
    return Best(trial.genome, dict(trial.genes), dict(trial.figures))


def _cause(home: Home, genome: str) -> str:
    if not home.register.exists():
        return ""
    deaths = TrialRegister(home.register).deaths(genome=genome)
    return deaths[-1].cause if deaths else ""
