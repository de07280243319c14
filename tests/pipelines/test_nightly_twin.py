"""Own bars: a session traded on paper is run again by the engine, and a strategy may fall by it."""

from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from kasauti.execution.events import StrategyDemoted, TwinCompared
from kasauti.execution.nightly import compared_days, end_approvals, record
from kasauti.execution.paper_trial import trial_of
from kasauti.execution.twin_rows import Kind, Leg, Tolerance
from kasauti.genome import genome_from_genes
from kasauti.nightly_twin import compare_sessions
from kasauti.own_bars import ForwardDesk
from kasauti.validation.approvals import Approvals
from resources.project import Project
from tests.execution.desks import told
from tests.execution.trials import DAYS, moment, passed, row
from tests.pipelines.test_own_bars import (
    BUYS_NEARLY_ALWAYS,
    FRIDAY,
    MONDAY,
    MONDAY_EVENING,
    approve,
    cheap,
    monday,
    project,
)

NOTHING = Tolerance(charges=Decimal(-1))  # not even charges that are right to the paisa
GENOME = genome_from_genes(BUYS_NEARLY_ALWAYS)


def desk_of(own: Project) -> ForwardDesk:
    desk = own.desk()
    assert isinstance(desk, ForwardDesk)
    return desk


@pytest.fixture(params=["sqlite", "postgresql"])
def traded(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ForwardDesk:
    """Monday evening: what an approved strategy wanted on Friday was traded on Monday's bars."""
    monkeypatch.delenv("KASAUTI_LEDGER_URL", raising=False)
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").render_as_string(hide_password=False)
        monkeypatch.setenv("KASAUTI_LEDGER_URL", url)
    cheap(tmp_path / "bars", date(2026, 11, 19))
    own = project(tmp_path / "bars", tmp_path / "home", "moderate")
    approve(own, GENOME, own.profile)
    cheap(tmp_path / "bars", FRIDAY)
    friday = desk_of(own)
    friday.submit(friday.intents(friday.decided()))
    desk = desk_of(monday(own))
    book = desk.trade_session()
    assert [result.day for result in book.days] == [MONDAY] and len(book.fills) == 1
    return desk


def test_the_session_is_compared_once_and_stands_in_the_ledger(traded: ForwardDesk) -> None:
    night = compare_sessions(traded, now=MONDAY_EVENING)
    (compared,) = night.compared
    assert (compared.day, compared.genomes, night.demoted) == (MONDAY, (GENOME.hash,), ())
    assert {(r.symbol, r.leg, r.within) for r in compared.rows} == {("NIFTY50", Leg.ENTRY, True)}
    assert all(r.paper_quantity > 0 and r.engine_quantity > 0 for r in compared.rows)
    assert compare_sessions(traded, now=MONDAY_EVENING).compared == ()
    with closing(traded.ledger()) as ledger:
        assert told(ledger, TwinCompared) == [compared]
        (session,) = trial_of(ledger.events()).sessions
        assert session.problems == ("hosted by session job, not by the desk process",)
        assert ledger.verify().ok
    assert traded.candidates(), "within tolerance it stays approved"


def test_over_tolerance_the_strategy_is_demoted_for_good(traded: ForwardDesk) -> None:
    night = compare_sessions(traded, now=MONDAY_EVENING, tolerance=NOTHING)
    assert night.demoted == (GENOME.hash,)
    assert not traded.candidates() and traded.permit(GENOME.hash) is None
    (revoked,) = traded.space.vault.records.find("revocation", genome=GENOME.hash)
    assert revoked.body["who"] == "nightly twin"
    assert "NIFTY50 entry" in revoked.body["why"]
    with closing(traded.ledger()) as ledger:
        (demoted,) = told(ledger, StrategyDemoted)
        assert (demoted.genome_hash, demoted.day) == (GENOME.hash, MONDAY)
        assert ledger.book().demoted == {GENOME.hash: MONDAY_EVENING}
        assert any("is demoted, its approval ends" in said for _, said in ledger.outbox())
    assert compare_sessions(traded, now=MONDAY_EVENING).demoted == (), "once is enough"


def test_a_demotion_that_was_interrupted_is_finished_by_the_next_run(traded: ForwardDesk) -> None:
    """Killed between the ledger and the approval records: the demotion stands, the gate has it."""
    with closing(traded.ledger()) as ledger:
        rows = [row(MONDAY, GENOME.hash, within=False)]
        record(ledger, MONDAY, [GENOME.hash], rows, now=MONDAY_EVENING)
    assert traded.candidates()
    assert compare_sessions(traded, now=MONDAY_EVENING).demoted == (GENOME.hash,)
    assert not traded.candidates()


def test_a_later_approval_outlives_an_earlier_demotion(traded: ForwardDesk) -> None:
    compare_sessions(traded, now=MONDAY_EVENING, tolerance=NOTHING)
    approvals = Approvals(traded.space.vault)
    before = datetime.fromisoformat("2026-11-20T00:00:00+05:30")
    assert not approvals.granted_until(GENOME.hash, MONDAY_EVENING)
    assert not approvals.granted_until(GENOME.hash, before)
    assert approvals.ever(GENOME.hash) is not None and approvals.ever("other") is None


def test_the_first_comparison_of_a_day_counts(tmp_path: Path) -> None:
    ledger, day = passed(tmp_path, 1), DAYS[0]
    worse = [row(day, within=False)]
    first = compared_days(ledger)[day]
    again = record(ledger, day, ["g"], worse, now=moment(day, 21))
    assert again == first and again.rows[0].kind is Kind.SAME
    assert not told(ledger, StrategyDemoted)


def test_nothing_is_revoked_that_nobody_demoted(tmp_path: Path, traded: ForwardDesk) -> None:
    approvals = Approvals(traded.space.vault)
    assert end_approvals(passed(tmp_path, 1), approvals, now=MONDAY_EVENING) == []


def test_before_there_is_a_ledger_nothing_is_compared(tmp_path: Path) -> None:
    cheap(tmp_path / "bars", date(2026, 11, 19))
    own = project(tmp_path / "bars", tmp_path / "home", "moderate")
    night = compare_sessions(desk_of(own), now=MONDAY_EVENING)
    assert night.compared == () and not Path(own.home, "ledger.sqlite").exists()
