"""Ages against the exchange's calendar, on a real lake and Dagster's real storage."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo

from kasauti.alerts import watch
from kasauti.errors import DataError
from kasauti.execution import heartbeat
from kasauti.execution.heartbeat import Heartbeat, Mode
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.health import ages, dagster_daemons, dagster_records
from kasauti.health.model import Health
from kasauti.health.supervision import Supervised
from kasauti.home import Home
from kasauti.market.calendar import INDIA, nse_calendar
from kasauti.market.lake import Lake
from pipelines.instance import open_instance
from tests.health.surroundings import NOW, OWN, around, at, one, supervise
from tests.validation.synthetic import make_bars

FRIDAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        pytest.param("2026-11-20T18:59", "2026-11-19", id="the evening is not over"),
        pytest.param("2026-11-20T19:00", "2026-11-20", id="the evening is over"),
        pytest.param("2026-11-21T23:00", "2026-11-20", id="saturday"),
        pytest.param("2026-11-23T08:00", "2026-11-20", id="monday morning"),
        pytest.param("2026-11-24T23:00", "2026-11-23", id="a holiday"),
    ],
)
def test_the_last_session_that_is_due(now: str, due: str) -> None:
    assert str(ages.last_due(nse_calendar(), at(now))) == due


def test_a_day_that_the_calendar_does_not_know_is_not_guessed() -> None:
    with pytest.raises(DataError, match="does not know"):
        ages.last_due(nse_calendar(), datetime(2040, 1, 2, 12, tzinfo=INDIA))


@pytest.mark.parametrize(
    ("now", "health"),
    [
        pytest.param("2026-12-01T09:00", Health.OK, id="thirty days"),
        pytest.param("2026-12-02T09:00", Health.WARNING, id="fewer"),
        pytest.param("2026-12-31T09:00", Health.WARNING, id="the last day"),
        pytest.param("2027-01-01T09:00", Health.RED, id="over"),
    ],
)
def test_the_end_of_the_calendar_is_told_before_it_comes(now: str, health: Health) -> None:
    last = date(2026, 12, 31)
    found = ages.judge_calendar(last, at(now))
    assert found.health is health
    assert found.figures["days left"] == (last - at(now).date()).days
    raised = watch.calendar_ends(last, at(now))
    assert [one.alert.trigger for one in raised] == ["calendar ends"] * (health is not Health.OK)


@pytest.mark.parametrize(
    ("last", "now", "missing"),
    [
        pytest.param("2026-11-20", "2026-11-20T19:00", 0, id="today's are there"),
        pytest.param("2026-11-19", "2026-11-20T18:59", 0, id="today's are not due"),
        pytest.param("2026-11-19", "2026-11-20T19:00", 1, id="today's are missing"),
        pytest.param("2026-11-19", "2026-11-22T12:00", 1, id="on sunday still"),
        pytest.param("2026-11-17", "2026-11-20T19:00", 3, id="three"),
    ],
)
def test_bars_are_new_by_the_calendar(tmp_path: Path, last: str, now: str, missing: int) -> None:
    bars = make_bars(sessions=300)
    moved = replace(bars, times=bars.times + (np.datetime64(last) - bars.times[-1]))
    Lake(Home(tmp_path).ingested).write_bars("market/bars", moved)
    found = one(ages.bars(around(tmp_path, at(now), OWN)))
    assert found.figures == {"last session": last, "sessions missing": missing}
    assert found.health is (Health.RED if missing else Health.OK)
    assert ("kasauti ingest" in found.detail) == bool(missing)


def test_without_bars_of_ones_own_nothing_has_to_be_new(tmp_path: Path) -> None:
    for look in (ages.bars, ages.evening, ages.feed, ages.assets):
        assert one(look(around(tmp_path))).health is Health.ABSENT
    assert one(ages.bars(around(tmp_path, environ=OWN))).health is Health.RED, "none were taken in"


@pytest.mark.parametrize(
    ("now", "mode", "tick", "health"),
    [
        pytest.param("11:00:00", Mode.TICKS, "10:59:00", Health.OK, id="a minute old"),
        pytest.param("11:00:01", Mode.TICKS, "10:59:00", Health.RED, id="older"),
        pytest.param("09:16:00", Mode.TICKS, None, Health.OK, id="the session has just begun"),
        pytest.param("09:16:01", Mode.TICKS, None, Health.RED, id="none since the open"),
        pytest.param("18:00:00", Mode.TICKS, "15:29:00", Health.OK, id="after the close"),
        pytest.param("11:00:00", Mode.BARS, None, Health.ABSENT, id="no ticks are wanted"),
        pytest.param("11:00:00", Mode.STOPPED, None, Health.ABSENT, id="no desk"),
    ],
)
def test_the_feed(tmp_path: Path, now: str, mode: Mode, tick: str | None, health: Health) -> None:
    moment = at(f"2026-11-20T{now}")
    last = None if tick is None else at(f"2026-11-20T{tick}")
    heartbeat.write(Home(tmp_path).heartbeat, Heartbeat(1, 1, moment, mode, "", last_tick=last))
    assert one(ages.feed(around(tmp_path, moment))).health is health


# -- Dagster's own records -----------------------------------------------------------------------


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Dagster's storage as `kasauti up` has it."""
    for name in ("DAGSTER_HOME", "KASAUTI_DAGSTER"):
        monkeypatch.setenv(name, "")  # opening it sets them; that ends with the test
    with open_instance(Home(tmp_path)) as made:
        yield made


@dg.asset(key=["market", "forward"])
def forward() -> None:
    """Made in the evening."""


@dg.asset(key=["research", "idea"])
def idea() -> None:
    """Made when it is wanted."""


@dg.asset
def broken() -> None:
    """Never made."""
    raise RuntimeError("on purpose")


def run(instance: dg.DagsterInstance, asset: dg.AssetsDefinition, day: date | None) -> None:
    tags = {} if day is None else {"kasauti/session": str(day)}
    dg.materialize([asset], instance=instance, tags=tags, raise_on_error=False)


def test_the_evenings_run(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    def look(now: str) -> Health:
        return one(ages.evening(around(tmp_path, at(now), OWN))).health

    evening = "2026-11-20T19:00"
    assert look(evening) is Health.ABSENT, "it never ran, and there is nothing to trade"
    Ledger(Home(tmp_path).ledger, scope=Scope.PAPER, market="nse", at=NOW).close()
    assert look(evening) is Health.RED
    run(instance, forward, FRIDAY - timedelta(days=1))
    assert (look("2026-11-20T18:59"), look(evening)) == (Health.OK, Health.RED)
    run(instance, broken, FRIDAY)
    found = one(ages.evening(around(tmp_path, at(evening), OWN)))
    assert found.health is Health.RED and "failed for 2026-11-20" in found.detail
    run(instance, forward, FRIDAY)
    assert look(evening) is Health.OK


def test_what_is_made_each_evening_has_to_be_new_and_nothing_else(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    run(instance, forward, None)
    run(instance, idea, None)
    made = dagster_records.made(Home(tmp_path).dagster)
    now = datetime.now(INDIA)
    assert made is not None and set(made) == {"market/forward", "research/idea"}
    assert all(abs(now - moment) < timedelta(minutes=1) for moment in made.values())

    def look(moment: datetime, **environ: str) -> Health:
        return one(ages.assets(around(tmp_path, moment, environ))).health

    long_after = nse_calendar().table[-1].close + timedelta(hours=5)
    assert look(long_after, **OWN) is Health.RED
    assert look(long_after) is Health.OK, "the sample has no news"
    file = sqlite3.connect(Home(tmp_path).dagster / "history" / "runs" / "index.db")
    with closing(file), file:
        file.execute(
            "UPDATE asset_keys SET last_materialization_timestamp = ? WHERE asset_key = ?",
            ("2026-11-20 13:00:00", json.dumps(["market", "forward"])),  # 18:30 in India
        )
    assert look(at("2026-11-20T19:00"), **OWN) is Health.OK
    assert look(at("2026-11-23T19:00"), **OWN) is Health.RED


def beat(instance: dg.DagsterInstance, *kinds: str, at: datetime, error: str = "") -> None:
    errors = [SerializableErrorInfo(f"{error}\nmore\n", [], None)] if error else None
    for kind in kinds:
        instance.add_daemon_heartbeat(DaemonHeartbeat(at.timestamp(), kind, "id", errors))


@pytest.mark.parametrize(
    ("age", "error", "up", "since", "health"),
    [
        pytest.param(30, "", True, 600, Health.OK, id="all beat"),
        pytest.param(301, "", True, 600, Health.RED, id="one is silent"),
        pytest.param(301, "", True, 30, Health.OK, id="starting"),
        pytest.param(30, "RuntimeError: no table", True, 600, Health.RED, id="an error"),
        pytest.param(301, "", False, 600, Health.ABSENT, id="not started"),
    ],
)
def test_dagsters_daemons(
    tmp_path: Path,
    instance: dg.DagsterInstance,
    age: int,
    error: str,
    up: bool,
    since: int,
    health: Health,
) -> None:
    first, *rest = dagster_daemons.NEEDED
    beat(instance, *rest, "ASSET", at=NOW)
    beat(instance, first, at=NOW - timedelta(seconds=age), error=error)
    if up:
        supervise(tmp_path, Supervised("daemon", 1, NOW - timedelta(seconds=since), 1))
    found = one(dagster_daemons.look(around(tmp_path)))
    assert (found.id, found.health) == ("dagster daemons", health), found.detail
    assert found.figures[f"seconds since {first}"] == age
    if health is Health.RED:
        assert (error or first) in found.detail and "more" not in found.detail


def test_a_daemon_that_never_gave_a_sign_of_life(tmp_path: Path) -> None:
    supervise(tmp_path, Supervised("daemon", 1, NOW - timedelta(minutes=10), 1))
    found = one(dagster_daemons.look(around(tmp_path)))
    assert found.health is Health.RED
    assert all(name in found.detail for name in dagster_daemons.NEEDED)


def test_a_storage_that_is_none(tmp_path: Path) -> None:
    file = Home(tmp_path).dagster / "history" / "runs.db"
    file.parent.mkdir(parents=True)
    file.write_text("no database" * 100)
    with pytest.raises(DataError, match=r"runs\.db cannot be read"):
        dagster_daemons.look(around(tmp_path))
