"""The schedule of trading days, and what its job does when a folder has new rows."""

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import numpy as np
import pytest

from assets.market import FORWARD
from kasauti.commands import ingest
from kasauti.market.calendar import INDIA, nse_calendar
from pipelines.schedules import NO_NEWS, after_the_close, reason_to_skip
from resources.project import Project
from tests.pipelines.states import Clocked, checks, cut, made, recent, run


def tick(project: Project, day: date, zone: ZoneInfo = INDIA) -> dg.RunRequest | dg.SkipReason:
    moment = datetime(day.year, day.month, day.day, 18, 30, tzinfo=INDIA).astimezone(zone)
    context = dg.build_schedule_context(scheduled_execution_time=moment)
    found = after_the_close(context, project=project)
    assert isinstance(found, dg.RunRequest | dg.SkipReason)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bars").mkdir()
    return tmp_path / "bars"


@pytest.fixture
def own(tmp_path: Path, folder: Path) -> Project:
    return Clocked(home=str(tmp_path / "home"), bars=str(folder))


@pytest.mark.parametrize("zone", [INDIA, ZoneInfo("UTC"), ZoneInfo("Pacific/Auckland")])
def test_a_trading_day_starts_the_daily_job_once(own: Project, zone: ZoneInfo) -> None:
    wanted = tick(own, date(2026, 11, 20), zone)
    assert isinstance(wanted, dg.RunRequest)
    assert wanted.run_key == "evening-2026-11-20"
    assert wanted.tags["kasauti/session"] == "2026-11-20"
    again = tick(own, date(2026, 11, 20), zone)
    assert isinstance(again, dg.RunRequest) and again.run_key == wanted.run_key


@pytest.mark.parametrize(
    ("day", "why"),
    [
        pytest.param(date(2026, 11, 24), "2026-11-24 is no trading day", id="holiday"),
        pytest.param(date(2026, 11, 21), "2026-11-21 is no trading day", id="saturday"),
        pytest.param(date(2027, 1, 4), "does not know 2027-01-04", id="after the calendar"),
        pytest.param(date(2024, 12, 31), "does not know 2024-12-31", id="before the calendar"),
    ],
)
def test_other_days_are_skipped_and_say_why(own: Project, day: date, why: str) -> None:
    skipped = tick(own, day)
    assert isinstance(skipped, dg.SkipReason)
    assert why in str(skipped.skip_message)


def test_a_sunday_with_a_session_is_a_trading_day() -> None:
    """The budget was read on Sunday 1 February 2026: weekdays alone do not tell."""
    sundays = [s.day for s in nse_calendar().table if s.day.weekday() > 4]
    assert sundays
    assert reason_to_skip(nse_calendar(), sundays[-1]) is None


def test_the_sample_has_no_news(tmp_path: Path) -> None:
    skipped = tick(Project(home=str(tmp_path), bars="sample"), date(2026, 11, 20))
    assert isinstance(skipped, dg.SkipReason) and skipped.skip_message == NO_NEWS
    assert "KASAUTI_BARS" in NO_NEWS
    assert not list(tmp_path.iterdir()), "deciding writes nothing"


def test_the_folder_is_named_by_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KASAUTI_BARS", str(folder))
    assert isinstance(tick(Project(), date(2026, 11, 20)), dg.RunRequest)


# -- the daily job on a folder -------------------------------------------------------------------

FIRST_PART = date(2019, 6, 28)


def test_new_rows_become_forward_bars_and_the_sealed_ones_stay(own: Project, folder: Path) -> None:
    cut(folder, FIRST_PART)
    with dg.DagsterInstance.ephemeral() as instance:
        first = run(own, instance, "daily")
        before = own.admitted()
        assert first.success and before.seal is not None and before.forward is None
        assert own.workspace().lake.read_bars("market/forward").shape[1] == 0

        cut(folder, None)
        assert run(own, instance, "daily").success
        after = own.admitted()
        stored = own.workspace().lake.read_bars("market/forward")
        event = instance.get_latest_materialization_event(FORWARD)
    assert after.seal == before.seal, "not one new bar entered the sealed range"
    assert after.searched.data_version == before.searched.data_version
    assert after.forward is not None
    assert (stored.sessions > np.datetime64(FIRST_PART)).all()
    assert stored.data_version == after.forward.data_version
    assert event is not None and event.asset_materialization is not None
    facts = event.asset_materialization.metadata
    assert facts["bars"].value == stored.shape[1] > 500
    assert facts["last"].value == str(stored.sessions[-1])


def test_rows_that_arrive_twice_change_nothing(own: Project, folder: Path) -> None:
    recent(folder, date(2026, 11, 20))
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            assert run(own, instance, "daily").success
    lake = own.workspace().lake
    assert len(lake.versions("market/forward")) == len(lake.versions("signals/daily")) == 1


def test_history_that_was_changed_is_not_taken(own: Project, folder: Path) -> None:
    recent(folder, date(2026, 11, 19))
    stored = own.gathered().bars
    path = folder / "NIFTY50.csv"
    days = recent(folder, date(2026, 11, 20))
    header, *rows = path.read_text().splitlines()
    old = next(number for number, row in enumerate(rows) if row.startswith("2025-06-0"))
    rows[old] = f"{rows[old][:10]},1,2,1,1.5,0"
    path.write_text("\n".join([header, *rows]) + "\n")
    gathered = own.gathered()
    assert gathered.bars.between(0, stored.shape[1]).data_version == stored.data_version
    assert gathered.bars.sessions[-1] == np.datetime64(days[-1])
    assert any("differ from the stored history" in finding.problem for finding in gathered.findings)


def test_without_an_approval_own_bars_give_no_signal(own: Project, folder: Path) -> None:
    recent(folder, date(2026, 11, 20))
    research_leaves_nothing(own)
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(own, instance, "daily")
    assert result.success and made(result) == {"market/forward", "signals/daily"}
    assert own.workspace().lake.read("signals/daily").empty


def research_leaves_nothing(project: Project) -> None:
    from kasauti.operations.tables import approvals_frame

    project.workspace().lake.write("validation/approvals", approvals_frame([]))


def test_a_replay_permit_is_worth_nothing_on_own_bars(own: Project, folder: Path) -> None:
    from kasauti.execution.limits import DEFAULT_PROFILE
    from kasauti.operations.tables import approvals_frame
    from kasauti.trading import data_version
    from kasauti.validation.approvals import Approvals
    from kasauti.validation.reference_strategy import reference_strategy
    from kasauti.version import code_version

    recent(folder, date(2026, 11, 20))
    genome = reference_strategy()
    permit = Approvals(own.workspace().vault).replay_permit(
        genome,
        code_version=code_version(),
        data_version=data_version(own.admitted()),
        now=own.now(),
        who="test",
    )
    frame = approvals_frame([(permit, genome.to_genes())])
    own.workspace().lake.write("validation/approvals", frame)
    assert permit.tier == DEFAULT_PROFILE
    assert not own.desk().candidates()
    assert not own.desk().signals()


# -- freshness by the calendar -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "at", "missing"),
    [
        pytest.param("2026-11-20", "2026-11-20T18:30", "", id="today's bar is there"),
        pytest.param("2026-11-19", "2026-11-20T18:30", "2026-11-20", id="today's is missing"),
        pytest.param("2026-11-19", "2026-11-20T15:29", "", id="today is not over"),
        pytest.param("2026-11-20", "2026-11-22T12:00", "", id="sunday"),
        pytest.param("2026-11-23", "2026-11-24T18:30", "", id="holiday"),
        pytest.param("2026-11-20", "2026-11-24T18:30", "2026-11-23", id="monday before a holiday"),
        pytest.param(
            "2026-11-17", "2026-11-20T18:30", "2026-11-18, 2026-11-19, 2026-11-20", id="three"
        ),
    ],
)
def test_bars_are_fresh_by_the_calendar(
    tmp_path: Path, folder: Path, last: str, at: str, missing: str
) -> None:
    recent(folder, date.fromisoformat(last))
    project = Clocked(home=str(tmp_path / "home"), bars=str(folder), at=f"{at}+05:30")
    with dg.DagsterInstance.ephemeral() as instance:
        found = checks(run(project, instance, "daily", [FORWARD]))["bars_are_fresh"]
    assert found.passed == (not missing)
    assert found.severity is dg.AssetCheckSeverity.WARN
    assert found.metadata["missing"].value == missing
    assert found.metadata["last bar"].value == last


def test_a_bar_of_a_session_that_is_not_over_is_not_taken(tmp_path: Path, folder: Path) -> None:
    """At noon the day's row has a price called close that is none."""
    recent(folder, date(2026, 11, 19))
    Clocked(home=str(tmp_path / "home"), bars=str(folder)).admitted()  # seals up to the 19th
    recent(folder, date(2026, 11, 20))
    noon, evening = (
        Clocked(home=str(tmp_path / "home"), bars=str(folder), at=f"2026-11-20T{hour}+05:30")
        for hour in ("12:00", "15:30")
    )
    assert noon.desk().arrived().shape[1] == 0
    assert evening.desk().arrived().sessions.tolist() == [date(2026, 11, 20)]


def test_a_calendar_that_does_not_reach_so_far_is_not_fresh(own: Project, folder: Path) -> None:
    cut(folder, None, symbols=["NIFTY50"])
    with dg.DagsterInstance.ephemeral() as instance:
        found = checks(run(own, instance, "daily", [FORWARD]))["bars_are_fresh"]
    assert not found.passed
    assert "does not know" in str(found.metadata["problem"].value)


def test_the_replay_is_fresh_by_its_own_calendar(tmp_path: Path) -> None:
    project = Clocked(home=str(tmp_path), bars="sample")
    desk = project.desk()
    desk.move_to(desk.days[3])
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(project, instance, "daily", [FORWARD])
    assert checks(result)["bars_are_fresh"].passed
    assert project.workspace().lake.read_bars("market/forward").shape[1] == 4


def test_ingest_appends_what_the_daily_job_then_trades_on(
    own: Project, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KASAUTI_HOME", own.home)
    recent(folder, date(2026, 11, 18))
    first = ingest(folder, "nse", None)
    recent(folder, date(2026, 11, 20))
    second = ingest(folder, "nse", None)
    assert second.appended == ("2026-11-19", "2026-11-20")
    assert second.stored == first.stored + 2
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(own, instance, "daily").success
    assert own.workspace().lake.read_bars("market/forward").shape[1] == 2
