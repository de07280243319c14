"""Runs the closed sessions of an account again, each once, and ends approvals by what comes out.

Whose bars, approvals and ledger they are is the desk's business, what differs that of `twin`.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import numpy as np

from kasauti.execution.decided import Decided, decided_for
from kasauti.execution.events import TwinCompared
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Purpose
from kasauti.execution.nightly import compared_days, end_approvals, record
from kasauti.execution.signals import Candidate
from kasauti.execution.twin import TOLERANCE, compare
from kasauti.execution.twin_engine import Stood, stood_before
from kasauti.execution.twin_rows import Tolerance, TwinRow
from kasauti.market.bars import Bars
from kasauti.trading import ReplayDesk
from kasauti.validation.approvals import Approval, Approvals


@dataclass(frozen=True)
class Night:
    """What one run found.

    Attributes
    ----------
    compared : tuple of TwinCompared
        The sessions that were compared now, oldest first.
    demoted : tuple of str
        Genomes whose approval ended now.
    """

    compared: tuple[TwinCompared, ...]
    demoted: tuple[str, ...]


def compare_sessions(desk: ReplayDesk, *, now: datetime, tolerance: Tolerance = TOLERANCE) -> Night:
    """Compare every closed session that was not compared yet and whose bars have arrived.

    Approvals end here, too, that an interrupted run left standing after its demotion.

    Parameters
    ----------
    desk : ReplayDesk
        Or a `ForwardDesk`, on own bars.
    now : datetime
        Exchange time, for the record; in a replay that of its clock, `desk.now()`.
    tolerance : Tolerance
    """
    if not desk.has_ledger:
        return Night((), ())
    arrived = set(desk.arrived().sessions.astype(object).tolist())
    with closing(desk.ledger()) as ledger:
        done, stood = compared_days(ledger), stood_before(ledger)
        decided = decided_for(ledger.events())
        closed = [result.day for result in ledger.book().days]
        made = tuple(
            _compare(desk, ledger, _Session(day, stood[day], decided.get(day)), now, tolerance)
            for day in closed
            if day in arrived and day in stood and day not in done
        )
        ended = end_approvals(ledger, Approvals(desk.space.vault), now=now)
        return Night(made, tuple(ended))


def comparisons(desk: ReplayDesk) -> tuple[TwinCompared, ...]:
    """Return all comparisons of the account's sessions, oldest first; nothing is changed."""
    if not desk.has_ledger:
        return ()
    with closing(desk.ledger()) as ledger:
        return tuple(one for _, one in sorted(compared_days(ledger).items()))


@dataclass(frozen=True)
class _Session:
    """One closed session: how the account stood before it, and what was wanted in it."""

    day: date
    stood: Stood
    decided: Decided | None


def _compare(
    desk: ReplayDesk, ledger: Ledger, session: _Session, now: datetime, tolerance: Tolerance
) -> TwinCompared:
    day, stood, decided = session.day, session.stood, session.decided
    found = list(_candidates(desk, ledger, day, stood))
    candidates = [candidate for candidate, _ in found]
    genomes = [c.genome.hash for c in candidates if not c.exits_only]
    rows: tuple[TwinRow, ...] = ()
    if found:
        bars = _until(desk.history(found[0][1]), day)
        rows = compare(bars, candidates, stood, ledger.book(), desk.market, decided, tolerance)
    return record(ledger, day, genomes, rows, now=now, tolerance=tolerance)


def _candidates(
    desk: ReplayDesk, ledger: Ledger, day: date, stood: Stood
) -> Iterator[tuple[Candidate, Approval]]:
    """Yield the strategies of a session: approved before the last close, held, or traded in it.

    One that only held, and did not enter, may not have been allowed to.
    """
    evening = desk.calendar.previous_session(day).close
    approvals = Approvals(desk.space.vault)
    approved = {
        candidate.genome.hash: (candidate, approval)
        for candidate, approval in desk.candidates()
        if datetime.fromisoformat(approval.granted) <= evening
    }
    yield from approved.values()
    orders = [
        order.intent
        for order in ledger.book().orders.values()
        if order.intent.valid_from.date() == day
    ]
    entered = {intent.genome_hash for intent in orders if intent.purpose is Purpose.ENTRY}
    took_part = {position.genome_hash for position in stood.positions.values()}
    took_part |= {intent.genome_hash for intent in orders}
    for genome_hash in sorted(took_part - approved.keys()):
        genome, approval = desk.genome(genome_hash), approvals.ever(genome_hash)
        if genome is not None and approval is not None:
            score = Decimal(str(approval.scores.get("t_joined", 0)))
            yield Candidate(genome, score, exits_only=genome_hash not in entered), approval


def _until(bars: Bars, day: date) -> Bars:
    return bars.between(0, int((bars.sessions <= np.datetime64(day)).sum()))
