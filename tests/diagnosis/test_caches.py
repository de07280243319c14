import fcntl
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from kasauti.diagnosis.caches import Cache, caches_of, choose, clear, measure, size
from kasauti.errors import UsageError
from kasauti.home import Home

NOW = datetime.now().astimezone()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def named(home: Home, name: str) -> Cache:
    return next(cache for cache in caches_of(home) if cache.name == name)


def put(path: Path, text: str = "12345", age: timedelta = timedelta()) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    then = (NOW - age).timestamp()
    os.utime(path, (then, then))
    return path


def test_an_empty_state_folder_is_not_made_by_looking(home: Home) -> None:
    measured = [measure(cache) for cache in caches_of(home) if home.root in cache.path.parents]
    assert {one.cache.name for one in measured} == {"worlds", "searches", "logs", "lake"}
    assert all((one.files, one.bytes, one.newest) == (0, 0, None) for one in measured)
    assert not home.root.exists()


def test_size_and_age_are_those_of_the_files(home: Home) -> None:
    put(home.searches / "a" / "state.bin", "x" * 1000, timedelta(days=3))
    put(home.searches / "b" / "state.bin", "x" * 500, timedelta(hours=1))
    found = measure(named(home, "searches"))
    assert (found.files, found.bytes) == (2, 1500)
    assert found.oldest is not None and found.newest is not None
    assert (found.newest - found.oldest).total_seconds() == pytest.approx(71 * 3600, abs=2)


def test_clearing_takes_the_cache_and_nothing_beside_it(home: Home) -> None:
    precious = [
        put(path)
        for path in (
            *(home.ledger, home.replay_ledger, home.register, home.vault / "book", home.alerts),
            *(home.verdicts / "v.json", home.ingested / "a" / "b", home.reports / "report.html"),
            *(home.root / "backups" / "one", home.lake / "a" / "b.parquet", home.heartbeat),
            *(home.dagster / "history" / "runs.db", home.dagster / "run" / "other"),
        )
    ]
    old = timedelta(days=2)
    log = put(home.dagster / "run" / "compute_logs" / "step.err", age=old)
    gone = [put(home.root / "noise" / "a.jsonl"), put(home.searches / "s" / "state.bin"), log]
    own = [cache for cache in caches_of(home) if home.root in cache.path.parents]
    freed = [clear(cache, home, NOW) for cache in own if not cache.kept]
    assert [(one.files, one.bytes, one.left) for one in freed] == [(1, 5, ())] * 3
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in precious)


def test_a_search_that_runs_is_left_and_named(home: Home) -> None:
    busy, idle = put(home.searches / "busy" / "lock"), put(home.searches / "idle" / "lock")
    with busy.open("r+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        found = clear(named(home, "searches"), home, NOW)
    assert found.left == ("busy, which a search uses now",)
    assert busy.exists() and not idle.exists()
    assert clear(named(home, "searches"), home, NOW).left == ()
    assert not busy.exists()


def test_a_log_of_the_last_day_is_left(home: Home) -> None:
    logs = home.dagster / "run" / "compute_logs"
    new, old = put(logs / "new.err"), put(logs / "old.err", age=timedelta(days=1, minutes=1))
    found = clear(named(home, "logs"), home, NOW)
    assert (found.files, len(found.left)) == (1, 1)
    assert new.exists() and not old.exists()


def test_a_link_is_left_and_what_it_points_to_stands(home: Home) -> None:
    file = put(home.vault / "book")
    home.searches.mkdir()
    (home.searches / "link").symlink_to(home.vault)
    found = clear(named(home, "searches"), home, NOW)
    assert found.files == 0 and "is a link" in found.left[0]
    assert file.exists() and (home.searches / "link").is_symlink()


@pytest.mark.parametrize("target", ["vault", "replay", "."], ids=["vault", "replay", "home"])
def test_a_cache_folder_that_is_a_link_to_what_must_not_be_lost(home: Home, target: str) -> None:
    file = put(home.vault / "book")
    put(home.replay / "ledger.sqlite")
    home.searches.symlink_to(home.root / target)
    with pytest.raises(UsageError, match="must not be lost"):
        clear(named(home, "searches"), home, NOW)
    assert file.exists() and (home.replay / "ledger.sqlite").exists()


@pytest.mark.parametrize(
    ("names", "every", "says"),
    [
        ((), False, "what is to be cleared"),
        (("searches",), True, "what is to be cleared"),
        (("lake",), False, "it holds what orders were based on"),
        (("vault",), False, "there is no cache vault"),
        (("searches", "ledger"), False, "there is no cache ledger"),
    ],
    ids=["none", "both", "lake", "vault", "one of two"],
)
def test_what_cannot_be_cleared_is_refused(
    home: Home, names: tuple[str, ...], every: bool, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        choose(caches_of(home), names, every=every)


def test_all_leaves_out_what_is_to_be_kept(home: Home) -> None:
    chosen = {cache.name for cache in choose(caches_of(home), (), every=True)}
    assert chosen >= {"kernels", "worlds", "searches", "logs"} and "lake" not in chosen
    assert [one.name for one in choose(caches_of(home), ("worlds",), every=False)] == ["worlds"]
    with pytest.raises(UsageError, match="orders were based on"):
        clear(named(home, "lake"), home, NOW)


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_500_000, "2.5 MB")]
)
def test_sizes_in_words(count: int, said: str) -> None:
    assert size(count) == said
