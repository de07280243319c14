"""The lake: exact round trips, versions by content, and one whole version whatever is killed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from kasauti.errors import DataError
from kasauti.market.bars import FIELDS, PRICE_FIELDS, Bars
from kasauti.market.lake import Lake
from kasauti.market.sources import load_folder, load_sample
from tests.shared_data import NSE_INDEX, NSE_INTRADAY

VALUES = st.floats(width=64, allow_infinity=False) | st.sampled_from([-np.nan, -0.0, np.nan])
PRICES = st.floats(min_value=0, exclude_min=True, allow_infinity=False) | st.just(-np.nan)
VOLUMES = st.floats(min_value=0, allow_infinity=False) | st.sampled_from([-np.nan, -0.0])


@st.composite
def panels(draw: st.DrawFn) -> Bars:
    count, length = draw(st.integers(1, 3)), draw(st.integers(0, 5))
    unit, largest = draw(st.sampled_from([("D", 30_000), ("s", 2**31)]))
    stamps = draw(
        st.lists(st.integers(0, largest), min_size=length, max_size=length, unique=True).map(sorted)
    )
    symbols = draw(
        st.lists(st.text(max_size=4), min_size=count, max_size=count, unique=True).map(tuple)
    )
    elements = [*(PRICES for _ in PRICE_FIELDS), VOLUMES]
    arrays = [draw(nps.arrays(np.float64, (count, length), elements=one)) for one in elements]
    series = {
        name: draw(nps.arrays(np.float64, (length,), elements=VALUES))
        for name in draw(st.sets(st.sampled_from(["index", "vix"])))
    }
    return Bars(
        draw(st.sampled_from(["nse", "sample"])),
        symbols,
        np.array(stamps, dtype=f"datetime64[{unit}]"),
        arrays[0],
        arrays[1],
        arrays[2],
        arrays[3],
        arrays[4],
        series=series,
        index_symbol=draw(st.sampled_from([None, *symbols])),
    )


def assert_equal(left: Bars, right: Bars) -> None:
    assert (left.market, left.symbols, left.index_symbol) == (
        right.market,
        right.symbols,
        right.index_symbol,
    )
    assert left.times.dtype == right.times.dtype
    np.testing.assert_array_equal(left.times, right.times)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))
    assert left.series.keys() == right.series.keys()
    for name in left.series:
        np.testing.assert_array_equal(left.series[name], right.series[name])
    assert left.data_version == right.data_version


@settings(deadline=None, max_examples=40, derandomize=True)
@given(bars=panels())
def test_bars_come_back_exactly(bars: Bars, tmp_path_factory: pytest.TempPathFactory) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    assert lake.write_bars("market/bars", bars) == bars.data_version
    assert_equal(lake.read_bars("market/bars"), bars)


@pytest.mark.parametrize("source", ["sample", "indices", "intraday"])
def test_real_bars_come_back_exactly(source: str, tmp_path: Path) -> None:
    bars = {
        "sample": lambda: load_sample().bars,
        "indices": lambda: load_folder([NSE_INDEX], index="NIFTY50").bars,
        "intraday": lambda: load_folder([NSE_INTRADAY]).bars,
    }[source]()
    lake = Lake(tmp_path)
    lake.write_bars("market/bars", bars)
    assert_equal(Lake(tmp_path).read_bars("market/bars"), bars)


def frame(*closes: float) -> pd.DataFrame:
    return pd.DataFrame({"symbol": ["A"] * len(closes), "close": list(closes)})


def test_an_old_version_can_be_read_again(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    first = lake.write("features/closes", frame(1.0, np.nan))
    second = lake.write("features/closes", frame(1.0, 2.0))
    assert first != second
    assert lake.current("features/closes") == second
    assert lake.versions("features/closes") == [first, second]
    pd.testing.assert_frame_equal(lake.read("features/closes"), frame(1.0, 2.0))
    pd.testing.assert_frame_equal(lake.read("features/closes", first), frame(1.0, np.nan))


def test_writing_equal_content_changes_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    version = lake.write("features/closes", frame(1.0))

    def state() -> dict[str, tuple[int, int]]:
        files = (path for path in tmp_path.rglob("*") if path.is_file())
        return {path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in files}

    before = state()
    assert lake.write("features/closes", frame(1.0)) == version
    assert state() == before
    assert set(before) == {f"{version}.parquet", "current.json"}


def test_going_back_to_old_content_makes_it_current_again(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    first = lake.write("features/closes", frame(1.0))
    lake.write("features/closes", frame(2.0))
    assert lake.write("features/closes", frame(1.0)) == first
    assert lake.current("features/closes") == first
    assert len(lake.versions("features/closes")) == 2


WRITER = """
import sys
import pandas as pd
from pathlib import Path
from kasauti.market.lake import Lake
lake = Lake(Path(sys.argv[1]))
for number in range(10**6):
    lake.write("features/closes", pd.DataFrame({"number": [number] * 50_000}))
    print(number, flush=True)
"""


@pytest.mark.parametrize("after", [1, 3])
def test_a_killed_writer_leaves_a_whole_version(after: int, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        written = [int(process.stdout.readline()) for _ in range(after)][-1]
        process.send_signal(signal.SIGKILL)
    lake = Lake(tmp_path)
    found = lake.read("features/closes")
    assert len(found) == 50_000
    assert found["number"].nunique() == 1
    assert found["number"].iloc[0] >= written
    for version in lake.versions("features/closes"):
        assert len(lake.read("features/closes", version)) == 50_000


@pytest.mark.parametrize(("owner", "call"), [(Path, "replace"), (os, "fsync")])
def test_a_failed_write_leaves_the_old_version(
    owner: object, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path)
    first = lake.write("features/closes", frame(1.0))

    def fail(*args: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(owner, call, fail)
    with pytest.raises(OSError, match="disk is full"):
        lake.write("features/closes", frame(2.0))
    assert lake.current("features/closes") == first
    assert lake.versions("features/closes") == [first]
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("kind", ["frame", "bars", "not-parquet"])
def test_a_changed_file_is_noticed(kind: str, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    bars = load_folder([NSE_INDEX / "NIFTY50.csv"]).bars
    if kind == "frame":
        lake.write("market/bars", frame(1.0))
        frame(7.0).to_parquet(next(tmp_path.rglob("*.parquet")))
    elif kind == "bars":
        version = lake.write_bars("market/bars", bars)
        other = lake.write_bars("market/bars", bars.between(0, 100))
        folder = tmp_path / "market" / "bars"
        (folder / f"{other}.parquet").replace(folder / f"{version}.parquet")
        lake.write_bars("market/bars", bars)
    else:
        lake.write_bars("market/bars", bars)
        next(tmp_path.rglob("*.parquet")).write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"\.parquet is damaged: delete it"):
        (lake.read if kind == "frame" else lake.read_bars)("market/bars")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with pytest.raises(DataError, match="under market/bars; there is nothing yet"):
        lake.read("market/bars")
    version = lake.write("features/closes", frame(1.0))
    with pytest.raises(DataError, match="there is features/closes"):
        lake.read_bars("market/bars")
    with pytest.raises(DataError, match=f"no version {'0' * 64} of features/closes; .* {version}"):
        lake.read("features/closes", "0" * 64)
    with pytest.raises(DataError, match="holds no bars"):
        lake.read_bars("features/closes")


@pytest.mark.parametrize("key", ["bars", "../vault/bars", "market/../../x", "Market/bars", "a/b/c"])
def test_a_key_cannot_leave_the_lake(key: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no key of the lake"):
        Lake(tmp_path).write(key, frame(1.0))


@pytest.mark.parametrize("version", ["../../../vault/bars", "current", "A" * 64])
def test_a_version_cannot_leave_the_lake(version: str, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("features/closes", frame(1.0))
    with pytest.raises(DataError, match="64 hexadecimal"):
        lake.read("features/closes", version)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": "x"}'])
def test_a_damaged_manifest_says_what_to_do(content: str, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("features/closes", frame(1.0))
    (tmp_path / "features" / "closes" / "current.json").write_text(content)
    with pytest.raises(DataError, match=r"current\.json .*delete it and write again"):
        lake.read("features/closes")


def test_duckdb_sees_the_current_versions(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "it's a lake")
    bars = load_folder([NSE_INDEX], index="NIFTY50").bars
    lake.write_bars("market/bars", bars.between(0, 10))
    lake.write_bars("market/bars", bars)
    lake.write("features/closes", frame(1.0, 2.0))
    with lake.connect() as connection:
        query = """
            SELECT count(*), count(close), max(close), max(series_index)
            FROM market.bars WHERE symbol = 'BANKNIFTY'
        """
        assert connection.execute(query).fetchone() == (
            5636,
            4269,  # NULL where BANKNIFTY has no bar
            np.nanmax(bars.close[0]),
            np.nanmax(bars.series["index"]),
        )
        known = "SELECT close FROM market.bars WHERE symbol = 'NIFTY50' AND time = '2020-03-23'"
        assert connection.execute(known).fetchone() == (7610.25,)
        assert connection.execute("SELECT sum(close) FROM features.closes").fetchone() == (3.0,)


def test_an_empty_lake_can_be_queried(tmp_path: Path) -> None:
    with Lake(tmp_path / "none").connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_parquet('{root}/vault/sealed.parquet')",
        "SELECT * FROM '{root}/vault/sealed.parquet'",
        "SELECT * FROM glob('{root}/vault/*')",
        "COPY (SELECT 1) TO '{root}/lake/market/bars/x.parquet'",
        "ATTACH '{root}/other.db'",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET allowed_paths = ['{root}/vault/sealed.parquet']",
        "INSTALL httpfs",
    ],
)
def test_no_query_reaches_the_vault_or_leaves_the_lake(query: str, tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.write("market/bars", frame(1.0))
    (tmp_path / "vault").mkdir()
    frame(42.0).to_parquet(tmp_path / "vault" / "sealed.parquet")
    with (
        lake.connect() as connection,
        pytest.raises((duckdb.PermissionException, duckdb.InvalidInputException)),
    ):
        connection.execute(query.format(root=tmp_path)).fetchall()


def test_the_manifest_names_the_version_and_nothing_else(tmp_path: Path) -> None:
    version = Lake(tmp_path).write("features/closes", frame(1.0))
    manifest = json.loads((tmp_path / "features" / "closes" / "current.json").read_text())
    assert manifest == {"version": version}
