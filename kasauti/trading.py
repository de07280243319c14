"""Puts approvals, bars, clock and ledger together for signals and for the desk; decides nothing.

Here stands the replay: the sample's last sessions arrive one by one. `own_bars` is the same on the
machine's clock.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from kasauti.errors import DataError
from kasauti.execution.approvals import Permit
from kasauti.execution.chain import Verification
from kasauti.execution.clock import ReplayClock
from kasauti.execution.custom_limits import chosen
from kasauti.execution.decided import record_decision
from kasauti.execution.desk import Desk
from kasauti.execution.events import SignalsDecided
from kasauti.execution.guarded import submit_and_wait
from kasauti.execution.host import TRADE_JOB, paper_desk
from kasauti.execution.ledger import Ledger
from kasauti.execution.limits import Limits
from kasauti.execution.limits import profile as limits_of
from kasauti.execution.model import Intent, Outcome, Scope
from kasauti.execution.projections import Book
from kasauti.execution.references import BarReferences, References, last_completed
from kasauti.execution.replay import ReplaySettings, decide, replay_session
from kasauti.execution.signals import Candidate, Signal, to_intents
from kasauti.genome import Genome, genome_from_genes
from kasauti.market.atomic import write_atomically
from kasauti.market.bars import Bars
from kasauti.market.calendar import Calendar, Session
from kasauti.market.markets import Market, get_market
from kasauti.validation.approvals import Approval, Approvals
from kasauti.validation.approvals import Scope as ApprovalScope
from kasauti.validation.seal import Admitted, join
from kasauti.version import code_version
from kasauti.workspace import Workspace

APPROVED = "validation/approvals"


@dataclass(frozen=True)
class ReplayDesk:
    """The replay of one workspace: its clock, its ledger, and what may be traded there.

    Attributes
    ----------
    space : Workspace
    admitted : Admitted
        The bars as the vault hands them out.
    profile : str
        Capital profile.
    """

    space: Workspace
    admitted: Admitted
    profile: str

    scope: ClassVar[ApprovalScope] = ApprovalScope.REPLAY
    ledger_scope: ClassVar[Scope] = Scope.REPLAY

    @cached_property
    def market(self) -> Market:
        """The market that the bars come from."""
        return get_market(self.admitted.searched.market)

    @cached_property
    def calendar(self) -> Calendar:
        """Sessions of the replay."""
        return self.market.calendar

    @property
    def limits(self) -> Limits:
        """What the profile allows."""
        return chosen(self.profile, self.space.home.limits, os.environ)

    # -- the clock -------------------------------------------------------------------------------

    @cached_property
    def days(self) -> tuple[date, ...]:
        """The forward sessions; the clock starts at the close of the first."""
        return tuple(self.forward.sessions.astype(object).tolist())

    @property
    def forward(self) -> Bars:
        """All bars after the sealed ones, the clock notwithstanding."""
        if self.admitted.forward is None:
            raise DataError("nothing to replay: no session came after the sealed ones")
        return self.admitted.forward

    def now(self) -> datetime:
        """Return the replayed time: the close of the session that the clock stands at."""
        path = self.space.home.replay / "clock"
        day = date.fromisoformat(path.read_text()) if path.exists() else self.days[0]
        return self.close_of(day)

    def move_to(self, day: date) -> None:
        """Move the clock to the close of `day`; it never goes back."""
        if self.close_of(day) > self.now():
            write_atomically(self.space.home.replay / "clock", day.isoformat().encode())

    def close_of(self, day: date) -> datetime:
        """Return when the session of `day` closes."""
        session = self.calendar.session(day)
        if session is None:
            raise DataError(f"{day} is no session of {self.market.name}")
        return session.close

    # -- bars ------------------------------------------------------------------------------------

    def arrived(self) -> Bars:
        """Return the forward bars that the clock has reached."""
        today = np.datetime64(self.now().date())
        return self.forward.between(0, int((self.forward.sessions <= today).sum()))

    @property
    def last_day(self) -> date:
        """Session of the newest bar that has arrived, a sealed one where none came after it."""
        arrived, seal = self.arrived(), self.admitted.seal
        if not arrived.shape[1] and seal is not None:
            return seal.last
        bars = arrived if arrived.shape[1] else self.admitted.searched
        day: date = bars.sessions[-1].astype(object)
        return day

    def missing_sessions(self) -> list[date]:
        """Return the sessions that are over by the clock and whose bars have not arrived.

        Raises
        ------
        DataError
            If the calendar does not know the days in question: then nobody can say.
        """
        last = self.last_day
        over = last_completed(self.calendar, self.now())
        return [session.day for session in self.calendar.sessions(last, over) if session.day > last]

    def history(self, approval: Approval) -> Bars:
        """Return all bars up to the clock, as warm-up of a strategy that is decided on."""
        seal = self.admitted.seal
        if seal is None:
            raise DataError("no sealed bars: ingest at least 1,000 bars")
        sealed = self.space.vault.history_for_signals(
            seal,
            family=approval.family,
            genome_hash=approval.genome,
            who="signals",
            when=self.now(),
            why="warm-up of indicators for trading on forward bars",
        )
        return join(join(self.admitted.searched, sealed), self.arrived())

    # -- what may be traded ----------------------------------------------------------------------

    def candidates(self) -> list[tuple[Candidate, Approval]]:
        """Return the genomes that hold an approval, or a permit of the replay."""
        found: list[tuple[Candidate, Approval]] = []
        for genome in self._listed():
            approval = self.approval(genome.hash)
            if approval is not None:
                score = Decimal(str(approval.scores.get("t_joined", 0)))
                found.append((Candidate(genome, score), approval))
        return found

    def _listed(self, version: str | None = None) -> Iterator[Genome]:
        """Yield the genomes of the last research's approvals, whatever they are worth now."""
        if self.space.lake.current(APPROVED) is not None:
            for row in self.space.lake.read(APPROVED, version).to_dict("records"):
                yield genome_from_genes(json.loads(str(row["genes"])))

    def genome(self, genome_hash: str) -> Genome | None:
        """Return a genome that was ever approved.

        Approvals of before 23 November 2026 do not have their genes: the lists in the lake do.
        """
        known = Approvals(self.space.vault).genome(genome_hash)
        lake = self.space.lake
        lists = reversed(lake.versions(APPROVED)) if known is None else ()
        listed = (genome for version in lists for genome in self._listed(version))
        return known or next((one for one in listed if one.hash == genome_hash), None)

    def approval(self, genome_hash: str) -> Approval | None:
        """Return what lets this genome trade here and now, if anything does.

        Its tier is the most capital that it may be traded with; a smaller profile may trade it.
        """
        found = Approvals(self.space.vault).valid(
            genome_hash,
            self.scope,
            self.now().date(),
            code_version=code_version(),
            data_version=data_version(self.admitted),
        )
        if found is None or self.limits.capital > limits_of(found.tier).capital:
            return None
        return found

    def permit(self, genome_hash: str) -> Permit | None:
        """Return the same as the gate wants it, read anew each time."""
        approval = self.approval(genome_hash)
        if approval is None:
            return None
        return Permit(
            genome_hash,
            self.ledger_scope,
            "verdict" if approval.verdict else "reference",
            approval.label,
            datetime.fromisoformat(approval.granted),
            self.permitted_until(approval),
        )

    def permitted_until(self, approval: Approval) -> datetime:
        """Return when a permit of the replay ends: with the replay."""
        del approval
        return self.close_of(self.days[-1]) + timedelta(days=1)

    # -- signals and orders ----------------------------------------------------------------------

    @property
    def ledger_path(self) -> Path:
        """Where the replay ledger lies."""
        return self.space.home.replay / "ledger.sqlite"

    def ledger(self) -> Ledger:
        """Open the replay ledger."""
        return Ledger(
            self.ledger_path,
            scope=Scope.REPLAY,
            market=self.market.name,
            at=self.close_of(self.days[0]),
        )

    @property
    def has_ledger(self) -> bool:
        """Whether anything was ever put on record; to look makes no ledger."""
        return self.ledger_path.exists()

    def book(self) -> Book:
        """Return what the ledger amounts to; an empty book before there is one."""
        if not self.has_ledger:
            return Book()
        with closing(self.ledger()) as ledger:
            return ledger.book()

    def signals(self) -> list[Signal]:
        """Return what the strategies want on the last closed bar; nothing is changed by it."""
        return self._decide()[0]

    def _decide(self) -> tuple[list[Signal], list[Candidate]]:
        """Return the signals, and whom they were asked of."""
        book = self.book()
        deciding = [*self.candidates(), *self.leaving(book)]
        asked = [candidate for candidate, _ in deciding]
        if not asked:
            return [], []
        for _, approval in deciding:  # every reading of sealed warm-up is recorded
            history = self.history(approval)
        return decide(book, history, self._settings(asked)), asked

    def leaving(self, book: Book) -> list[tuple[Candidate, Approval]]:
        """Return the strategies that hold a position and may not enter any more.

        An approval that ends, or another search, takes no position's exit away.
        """
        approvals = Approvals(self.space.vault)
        permitted = {candidate.genome.hash for candidate, _ in self.candidates()}
        found = []
        for genome_hash in sorted({held.genome_hash for held in book.positions.values()}):
            genome, approval = self.genome(genome_hash), approvals.ever(genome_hash)
            if genome_hash not in permitted and genome is not None and approval is not None:
                found.append((Candidate(genome, Decimal(0), exits_only=True), approval))
        return found

    def decided(self) -> list[Signal]:
        """Decide on the book after the last session, and put it on record; see `signals`."""
        self.catch_up()
        signals, asked = self._decide()
        session = self.next_session() if asked else None
        if session is None:
            return signals
        keys = tuple(sorted(intent.key for intent in self.intents(signals)))
        genomes = tuple(sorted(candidate.genome.hash for candidate in asked))
        event = SignalsDecided(session.day, session.open, keys, genomes)
        with closing(self.ledger()) as ledger:
            record_decision(ledger, event, self.now())
        return signals

    def catch_up(self) -> None:
        """Bring the book to the last session: a replay's own job does that."""

    def next_session(self) -> Session | None:
        """Return the session after the clock; None after the replay's last one."""
        later = [day for day in self.days if day > self.now().date()]
        return self.calendar.session(later[0]) if later else None

    def intents(self, signals: Sequence[Signal]) -> list[Intent]:
        """Return the intents for the next session."""
        session = self.next_session() if signals else None
        return [] if session is None else to_intents(signals, session)

    def submit(self, intents: Sequence[Intent]) -> dict[str, Outcome]:
        """Commit the intents, host the desk if nobody does, and return their outcomes."""
        ledger = self.ledger()
        outcomes = {
            intent.key: submit_and_wait(
                ledger,
                intent,
                clock=ReplayClock(self.now()),
                wait=timedelta(0),
                host=lambda: self._hosted(ledger),
            )
            for intent in intents
        }
        ledger.close()
        return outcomes

    @contextmanager
    def _hosted(self, ledger: Ledger) -> Iterator[Desk]:
        with paper_desk(
            ledger,
            market=self.market,
            calendar=self.calendar,
            references=self.references(),
            permits=self.permit,
            cash=self.limits.capital,
            at=self.now(),
            host=TRADE_JOB,
        ) as hosted:
            yield hosted.desk

    def references(self) -> References:
        """Return the reference prices of the bars up to the clock."""
        return BarReferences(self.arrived())

    def trade_session(self) -> Book:
        """Let the desk work the session that the clock stands at, with the intents that waited.

        A session that the ledger has closed already is left as it is; the first one of the replay
        has none before it that could have decided anything.
        """
        if self.now().date() == self.days[0]:
            return self.book()
        # No candidates: the signals asset has decided and the trade job has committed.
        return replay_session(self.ledger_path, self.arrived(), self._settings(()))

    def _settings(self, candidates: Sequence[Candidate]) -> ReplaySettings:
        return ReplaySettings(
            candidates=candidates,
            permits=self.permit,
            limits=self.limits,
            market=self.market,
            calendar=self.calendar,
            acknowledged_by="replay",
        )

    def verify(self) -> Verification:
        """Check the ledger's chain of hashes; one that is not there yet is whole."""
        if not self.has_ledger:
            return Verification(0, "", ())
        with closing(self.ledger()) as ledger:
            return ledger.verify()


def data_version(admitted: Admitted) -> str:
    """Return the version of the data that a verdict rests on."""
    return f"{admitted.searched.data_version}:{admitted.seal.id if admitted.seal else 'unsealed'}"
