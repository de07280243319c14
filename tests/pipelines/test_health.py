"""Health in Dagster: red only warns, and a run starts only where there is news."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from assets.health import HEALTH
from kasauti.execution.latch import Latch
from kasauti.health.history import changes
from kasauti.home import Home
from kasauti.market.calendar import INDIA
from pipelines.schedules import SHOWN_ANEW, Shown, every_quarter_hour, is_news
from resources.project import Project
from tests.pipelines.states import Clocked, made, run

FRIDAY = datetime(2026, 11, 20, 11, 0, tzinfo=INDIA)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Clocked(home=str(tmp_path), bars="sample", at=FRIDAY.isoformat())


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """A schedule takes none that lives in memory only."""
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as instance:
        yield instance


def passed(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    found = result.get_asset_check_evaluations()
    assert all(one.severity is dg.AssetCheckSeverity.WARN for one in found)
    return {one.asset_key.path[1]: one.passed for one in found}


def tick(
    project: Project, instance: dg.DagsterInstance, at: datetime = FRIDAY
) -> dg.RunRequest | dg.SkipReason:
    # Closed here: left to the collector, it would name a closed instance as Dagster's current one.
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=at) as context:
        found = every_quarter_hour(context, project=project)
    assert isinstance(found, dg.RunRequest | dg.SkipReason)
    return found


def test_red_is_shown_and_holds_nothing_back(project: Project, tmp_path: Path) -> None:
    assert isinstance(project, Clocked)
    (tmp_path / "heartbeat").mkdir()
    (tmp_path / "heartbeat" / "alerts.json").write_text("rubbish")
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(project, instance, "health")
        shown = instance.get_latest_materialization_event(HEALTH[0])
    assert result.success, "a warning ends no run"
    assert made(result) == {key.to_user_string() for key in HEALTH}
    red = {"processes": False, "ledgers": False}
    assert passed(result) == {"data": True, "machine": True, "backups": True, **red}
    assert shown is not None and shown.asset_materialization is not None
    facts = shown.asset_materialization.metadata
    assert facts["red"].value == "alerts"
    assert isinstance(facts["checks"], dg.TableMetadataValue)
    rows = {record.data["check"]: record.data for record in facts["checks"].records}
    assert rows["alerts"]["health"] == "red" and rows["desk"]["health"] == "absent"


def test_the_schedule_asks_for_a_run_only_where_there_is_news(
    project: Project, tmp_path: Path, storage: dg.DagsterInstance
) -> None:
    assert isinstance(tick(project, storage), dg.RunRequest), "nothing is shown yet"
    assert run(project, storage, "health").success
    fresh = Clocked(home=str(tmp_path), bars="sample", at=datetime.now(INDIA).isoformat())
    assert isinstance(tick(fresh, storage), dg.SkipReason)
    Latch.beside(Home(tmp_path).ledger).path.touch()
    assert isinstance(tick(fresh, storage), dg.RunRequest), "something turned red"
    told = changes(Home(tmp_path).health, FRIDAY, 10)
    assert told == [], "a check that is seen for the first time did not change"


@pytest.mark.parametrize(
    ("day", "runs"),
    [
        pytest.param(date(2026, 11, 20), True, id="trading day"),
        pytest.param(date(2026, 11, 21), False, id="saturday"),
        pytest.param(date(2026, 11, 24), False, id="holiday"),
        pytest.param(date(2040, 1, 2), True, id="a day that nobody knows"),
    ],
)
def test_days_without_a_session_are_skipped(
    storage: dg.DagsterInstance, tmp_path: Path, day: date, runs: bool
) -> None:
    moment = datetime(day.year, day.month, day.day, 12, tzinfo=INDIA)
    later = datetime.now(INDIA) + SHOWN_ANEW  # whatever was shown, it is an hour old
    project = Clocked(home=str(tmp_path), bars="sample", at=later.isoformat())
    assert isinstance(tick(project, storage, moment), dg.RunRequest) == runs


NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("shown", "red", "news"),
    [
        pytest.param(None, [], True, id="never shown"),
        pytest.param(Shown(NOW, frozenset()), [], False, id="all whole, as shown"),
        pytest.param(Shown(NOW, frozenset({"disk"})), ["disk"], False, id="red, as shown"),
        pytest.param(Shown(NOW, frozenset()), ["disk"], True, id="turned red"),
        pytest.param(Shown(NOW, frozenset({"disk"})), [], True, id="whole again"),
        pytest.param(Shown(NOW - SHOWN_ANEW, frozenset()), [], True, id="an hour old"),
        pytest.param(
            Shown(NOW - SHOWN_ANEW + timedelta(seconds=1), frozenset()), [], False, id="not yet"
        ),
    ],
)
def test_what_is_news(shown: Shown | None, red: list[str], news: bool) -> None:
    assert is_news(shown, red, NOW) == news
