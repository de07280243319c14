"""Everything that runs on the sample runs on a folder of own bars, paper trading included."""

import csv
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime
from multiprocessing import get_context
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
)
from dagster._core.events import DagsterEvent
from dagster._core.utils import make_new_run_id

from assets.market import BARS
from kasauti.desk_runner import run_desk
from kasauti.execution import heartbeat
from kasauti.execution.clock import RunningClock
from kasauti.execution.events import EpochRaised, Reconciled, SignalsDecided
from kasauti.execution.heartbeat import Mode
from kasauti.execution.host import DESK_PROCESS, SESSION_JOB
from kasauti.execution.lease import is_taken
from kasauti.execution.model import Outcome, Purpose
from kasauti.execution.paper_trial import trial_of
from kasauti.genome import Genome, genome_from_genes
from kasauti.genome.family import family
from kasauti.home import Home
from kasauti.market.calendar import INDIA, nse_calendar
from kasauti.operations.tables import approvals_frame
from kasauti.trading import APPROVED, data_version
from kasauti.validation.approvals import Approvals
from kasauti.validation.gates.model import Gate
from kasauti.validation.verdict import Verdict
from kasauti.version import code_version
from pipelines.sensors import latest_signals, next_action
from resources.project import Project
from tests.execution.desks import told, until
from tests.pipelines.states import FRIDAY_EVENING, Clocked, checks, made, recent, run


def project(
    folder: Path, home: Path, profile: str = "ultra-conservative", now: datetime = FRIDAY_EVENING
) -> Project:
    return Clocked(
        at=now.isoformat(),
        home=str(home),
        bars=str(folder),
        index="NIFTY50",
        population=8,
        evaluations=16,
        profile=profile,
    )


def why(result: dg.ExecuteInProcessResult) -> str:
    """Return what the first failed step said."""
    failed = [event for event in result.all_events if event.is_step_failure]
    error = failed[0].step_failure_data.error
    assert error is not None
    return (error.cause or error).message


def test_from_a_folder_to_the_report(tmp_path: Path) -> None:
    """Sixteen trials find nothing good enough: signals are empty, and that is no error."""
    recent(tmp_path / "bars", date(2026, 11, 18))
    own = project(tmp_path / "bars", tmp_path / "home")
    with dg.DagsterInstance.ephemeral() as instance:
        research = run(own, instance, "research")
        assert research.success and "validation/approvals" in made(research)
        recent(tmp_path / "bars", date(2026, 11, 20))
        daily = run(own, instance, "daily")
        assert daily.success and checks(daily)["bars_are_fresh"].passed
        report = run(own, instance, "report")
        assert report.success
    lake = own.workspace().lake
    assert lake.read(APPROVED).empty, "the reference's permit is for the replay only"
    assert lake.read("signals/daily").empty
    assert lake.read_bars("market/forward").sessions.tolist() == [
        date(2026, 11, 19),
        date(2026, 11, 20),
    ]
    assert lake.read("validation/verdicts")["reference"].any()
    assert not own.workspace().home.replay.exists(), "the replay's ledger is the sample's alone"


@pytest.mark.parametrize("job", ["session", "trade"])
def test_without_an_approval_there_is_nothing_to_trade(tmp_path: Path, job: str) -> None:
    recent(tmp_path / "bars", date(2026, 11, 20))
    own = project(tmp_path / "bars", tmp_path / "home")
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(own, instance, job).success
    home = own.workspace().home
    assert not home.replay.exists() and not home.ledger.exists(), "no ledger is made for nothing"


def test_too_few_bars_are_said_to_be_too_few(tmp_path: Path) -> None:
    recent(tmp_path / "bars", date(2026, 11, 20))
    path = tmp_path / "bars" / "NIFTY50.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *rows[-618:]]) + "\n")
    own = project(tmp_path / "bars", tmp_path / "home")
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(own, instance, "research")
    assert not result.success
    assert "618" in why(result) and "validation/verdicts" not in made(result)


REGIMES = ["bull", "bear", "sideways", "volatile"]
BUYS_NEARLY_ALWAYS = {
    "entry": "rsi(close, 5) < 99",
    "exit": "rsi(close, 5) > 99",
    "side": "long",
    "stop": {"fraction": 0.04},
    "regimes": REGIMES,
    "risk": 0.03,
}


def approve(own: Project, genome: Genome, tier: str) -> None:
    """Record what a verdict that passed every gate leaves, and what research makes of it."""
    space, data = own.workspace(), data_version(own.admitted())
    gates = (
        Gate("regimes", True, "all four", {"approved": REGIMES}),
        Gate("sealed", True, "held", {"t_searched": 3.0, "t_sealed": 3.0, "t_joined": 4.6}),
    )
    verdict = Verdict(True, genome.hash, family(genome), gates, (), data, tier)
    body = {"genome": genome.hash, "digest": verdict.digest, "approved": True}
    space.vault.records.append("verdict", body)
    approval = Approvals(space.vault).grant(
        verdict, genome, code_version=code_version(), now=own.now(), who="test"
    )
    space.lake.write(APPROVED, approvals_frame([(approval, genome.to_genes())]))


@pytest.mark.parametrize(
    ("tier", "profile", "may"),
    [
        pytest.param("moderate", "ultra-conservative", True, id="less money than its tier allows"),
        pytest.param("moderate", "moderate", True, id="as much"),
        pytest.param("ultra-conservative", "conservative", False, id="more"),
    ],
)
def test_the_tier_is_the_most_money_that_it_may_be_traded_with(
    tmp_path: Path, tier: str, profile: str, may: bool
) -> None:
    recent(tmp_path / "bars", date(2026, 11, 19))
    own = project(tmp_path / "bars", tmp_path / "home", profile)
    approve(own, genome_from_genes(BUYS_NEARLY_ALWAYS), tier)
    assert bool(own.desk().candidates()) is may


PRICES = ("open", "high", "low", "close")
FRIDAY, MONDAY = date(2026, 11, 20), date(2026, 11, 23)
MONDAY_EVENING = datetime(2026, 11, 23, 18, 30, tzinfo=INDIA)


def cheap(folder: Path, last: date) -> None:
    """Write recent real bars at a hundredth of their prices, so that small profiles buy shares."""
    recent(folder, last)
    path = folder / "NIFTY50.csv"
    with path.open() as handle:
        rows: list[dict[str, str]] = list(csv.DictReader(handle))
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
        writer.writeheader()
        for row in rows:
            prices = {name: f"{float(row[name]) / 100:.2f}" for name in PRICES}
            writer.writerow({**row, **prices})


@pytest.fixture
def friday(tmp_path: Path) -> Project:
    """Own bars with an approved strategy, Friday's bars taken in and its signals committed."""
    cheap(tmp_path / "bars", date(2026, 11, 19))
    own = project(tmp_path / "bars", tmp_path / "home", "moderate")
    approve(own, genome_from_genes(BUYS_NEARLY_ALWAYS), own.profile)
    cheap(tmp_path / "bars", FRIDAY)
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(own, instance, "daily").success
        assert isinstance(next_action(latest_signals(instance)), dg.RunRequest)
        assert run(own, instance, "trade").success
    return own


def monday(own: Project) -> Project:
    """The same project after Monday's bars came."""
    cheap(Path(own.bars), MONDAY)
    return project(Path(own.bars), Path(own.home), own.profile, MONDAY_EVENING)


def test_signals_are_queued_for_the_next_session(friday: Project) -> None:
    shown = friday.workspace().lake.read("signals/daily")
    assert shown["symbol"].tolist() == ["NIFTY50"] and shown["purpose"].tolist() == ["ENTRY"]
    assert shown["day"].astype(str).tolist() == shown["decided"].tolist() == [str(FRIDAY)]
    (order,) = friday.desk().book().orders.values()
    session = nse_calendar().session(MONDAY)
    assert session is not None
    assert (order.outcome, order.intent.valid_from) == (Outcome.QUEUED, session.open)
    assert friday.workspace().lake.read("execution/intents")["outcome"].tolist() == ["queued"]


def _demoted(own: Project, genome: Genome) -> None:
    Approvals(own.workspace().vault).revoke(
        genome.hash, why="over tolerance", who="nightly twin", now=MONDAY_EVENING
    )


def _another_search(own: Project, genome: Genome) -> None:
    del genome
    approve(
        own, genome_from_genes({**BUYS_NEARLY_ALWAYS, "entry": "rsi(close, 5) < 1"}), "moderate"
    )


@pytest.mark.parametrize(
    "ends",
    [
        pytest.param(lambda own, genome: None, id="it stands"),
        pytest.param(_demoted, id="the twin demoted it"),
        pytest.param(_another_search, id="another search approved another strategy"),
    ],
)
def test_whatever_becomes_of_an_approval_its_position_is_closed_by_its_rules(
    tmp_path: Path, ends: Callable[[Project, Genome], None]
) -> None:
    genome = genome_from_genes({**BUYS_NEARLY_ALWAYS, "max_bars": 1})
    cheap(tmp_path / "bars", date(2026, 11, 19))
    own = project(tmp_path / "bars", tmp_path / "home", "moderate")
    approve(own, genome, own.profile)
    cheap(tmp_path / "bars", FRIDAY)
    friday = own.desk()
    friday.submit(friday.intents(friday.decided()))
    later = monday(own)
    assert later.desk().trade_session().positions["NIFTY50"].quantity > 0
    ends(later, genome)
    (signal,) = later.desk().decided()
    assert (signal.purpose, signal.reason) == (Purpose.EXIT, "max_bars")
    assert signal.genome_hash == genome.hash


def test_a_new_version_of_the_code_ends_entries_and_no_exit(
    friday: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    genome = genome_from_genes(BUYS_NEARLY_ALWAYS)
    later = monday(friday)
    later.desk().trade_session()
    monkeypatch.setattr("kasauti.trading.code_version", lambda: "another")
    desk = later.desk()
    assert not desk.candidates()
    ((leaving, _),) = desk.leaving(desk.book())
    assert (leaving.genome, leaving.exits_only) == (genome, True)


def test_an_approval_of_an_older_version_has_its_genes_in_the_last_list(
    friday: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes this version over with open positions must not lose their exits."""
    genome = genome_from_genes(BUYS_NEARLY_ALWAYS)
    monkeypatch.setattr(Approvals, "genome", lambda book, genome_hash: None)
    _another_search(friday, genome)
    assert friday.desk().genome(genome.hash) == genome
    assert friday.desk().genome("another") is None


def test_looking_at_signals_trades_nothing(friday: Project) -> None:
    """`kasauti signals` says that nothing is ordered; the evening's job plays the session."""
    later = monday(friday)
    with closing(later.desk().ledger()) as ledger:
        before = ledger.seq()
        later.desk().signals()
        assert ledger.seq() == before
        later.desk().decided()
        assert told(ledger, SignalsDecided)[-1].day == date(2026, 11, 25), "the 24th is a holiday"
        assert [result.day for result in ledger.book().days] == [MONDAY]


def test_a_red_check_holds_back_entries_of_a_run_that_is_started_by_hand(tmp_path: Path) -> None:
    cheap(tmp_path / "bars", date(2026, 11, 19))
    own = project(tmp_path / "bars", tmp_path / "home", "moderate")
    approve(own, genome_from_genes(BUYS_NEARLY_ALWAYS), own.profile)
    cheap(tmp_path / "bars", FRIDAY)
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(own, instance, "daily").success
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=BARS,
                check_name="prices_positive",
                passed=False,
                metadata={},
                severity=dg.AssetCheckSeverity.ERROR,
            )
        )
        traded = run(own, instance, "trade")
    assert traded.success
    (made,) = traded.asset_materializations_for_node("execution__intents")
    assert made.metadata["entries withheld for"].value == "prices_positive on market/bars"
    assert not own.desk().book().orders


@pytest.mark.parametrize(
    ("before", "withheld"),
    [
        pytest.param(True, "nothing", id="what passed before still counts"),
        pytest.param(False, "prices_positive on market/bars", id="and what failed, too"),
        pytest.param(None, "prices_positive on market/bars", id="never evaluated is red"),
    ],
)
def test_a_research_run_that_failed_or_is_under_way_traps_no_exit(
    tmp_path: Path, before: bool | None, withheld: str
) -> None:
    """Dagster plans a run's checks when it is created; they stay planned if it never gets there."""
    genome = genome_from_genes({**BUYS_NEARLY_ALWAYS, "max_bars": 1})
    cheap(tmp_path / "bars", date(2026, 11, 19))
    own = project(tmp_path / "bars", tmp_path / "home", "moderate")
    approve(own, genome, own.profile)
    cheap(tmp_path / "bars", FRIDAY)
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(own, instance, "trade").success
        later = monday(own)
        assert run(later, instance, "session").success
        if before is not None:
            instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=BARS,
                    check_name="prices_positive",
                    passed=before,
                    metadata={},
                    severity=dg.AssetCheckSeverity.ERROR,
                )
            )
        planned = dg.AssetCheckKey(BARS, "prices_positive")
        instance.event_log_storage.store_event(_planned(instance, planned))
        traded = run(later, instance, "trade")
    (made,) = traded.asset_materializations_for_node("execution__intents")
    assert made.metadata["entries withheld for"].value == withheld
    wanted = later.workspace().lake.read("execution/intents")
    assert wanted["purpose"].tolist() == ["EXIT"]


def _planned(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> dg.EventLogEntry:
    """Return what Dagster writes of a check when a run is created that will evaluate it."""
    run = dg.DagsterRun("research", run_id=make_new_run_id())
    instance.add_run(run)
    event = DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED.value,
        job_name="research",
        event_specific_data=AssetCheckEvaluationPlanned(
            asset_key=key.asset_key, check_name=key.name
        ),
    )
    return dg.EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None,
        level="debug",
        user_message="",
        run_id=run.run_id,
        timestamp=time.time(),
        dagster_event=event,
    )


def test_a_ledger_that_was_edited_takes_exits_and_no_entry(tmp_path: Path) -> None:
    genome = genome_from_genes({**BUYS_NEARLY_ALWAYS, "max_bars": 1})
    cheap(tmp_path / "bars", date(2026, 11, 19))
    own = project(tmp_path / "bars", tmp_path / "home", "moderate")
    approve(own, genome, own.profile)
    cheap(tmp_path / "bars", FRIDAY)
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(own, instance, "trade").success
        later = monday(own)
        assert run(later, instance, "session").success
        with closing(sqlite3.connect(own.workspace().home.ledger)) as database, database:
            database.execute("drop trigger events_no_update")
            database.execute("update events set at = '2026-11-20T18:29:00+05:30' where seq = 2")
        traded = run(later, instance, "trade")
    (made,) = traded.asset_materializations_for_node("execution__intents")
    assert "the ledger: " in str(made.metadata["entries withheld for"].value)
    wanted = later.workspace().lake.read("execution/intents")
    assert wanted["purpose"].tolist() == ["EXIT"]


def test_without_a_desk_the_session_job_hosts_one_that_does_not_count(friday: Project) -> None:
    later = monday(friday)
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(later, instance, "session").success
        before = later.desk().book()
        assert run(later, instance, "session").success
    book, lake = later.desk().book(), later.workspace().lake
    assert [d.day for d in book.days] == [MONDAY] and book.positions["NIFTY50"].quantity > 0
    assert book.seq == before.seq, "a session that is closed is not traded again"
    assert len(lake.read("execution/fills")) == 1
    assert lake.read("execution/positions")["stop"].notna().all()
    with closing(later.desk().ledger()) as ledger:
        assert told(ledger, EpochRaised) == [EpochRaised(SESSION_JOB)]
        assert ledger.verify().ok


def test_in_the_evening_the_desk_has_traded_and_the_twin_agrees(friday: Project) -> None:
    """A real process trades; the job compares, and decides on the book after that session."""
    home = friday.workspace().home
    process = get_context("fork").Process(target=_desk, args=(home,))
    process.start()
    try:
        with closing(friday.desk().ledger()) as ledger:
            until(lambda: told(ledger, Reconciled))
            with dg.DagsterInstance.ephemeral() as instance:
                evening = run(monday(friday), instance, "evening")
            assert evening.success and checks(evening)["twin_is_within_tolerance"].passed
            assert {"execution/twin", "execution/slippage", "signals/daily"} < made(evening)
            (session,) = trial_of(ledger.events()).sessions
            assert session.passed, session.problems
            book = ledger.book()
            assert [d.day for d in book.days] == [MONDAY] and "NIFTY50" in book.positions
            assert told(ledger, EpochRaised) == [EpochRaised(DESK_PROCESS)]
            os.kill(process.pid or 0, signal.SIGTERM)
            process.join(20)
            assert process.exitcode == 0 and not is_taken(ledger.path)
    finally:
        process.kill()
        process.join()
    lake = friday.workspace().lake
    assert set(lake.read("execution/twin")["within"]) == {True}
    assert lake.read("execution/slippage")["symbol"].tolist() == ["NIFTY50"]
    told_last = heartbeat.read(home.heartbeat)
    assert told_last is not None and told_last.mode is Mode.STOPPED


def _desk(home: Home) -> None:
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: ended.set())
    run_desk(home, "moderate", stopped=ended.is_set, clock=RunningClock(MONDAY_EVENING))
