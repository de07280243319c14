"""The lake: immutable Parquet files versioned by their content, DuckDB to query them; no rules.

``<root>/<layer>/<noun>/<version>.parquet`` is written once and never changed; ``current.json``
beside it names the version that counts. A reader never waits for a writer, and what an order was
based on can be read again by its version.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kasauti.errors import DataError
from kasauti.market.atomic import write_atomically
from kasauti.market.bars import FIELDS, Bars, Floats

if TYPE_CHECKING:
    import duckdb

MANIFEST = "current.json"
KEY = re.compile(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*")
VERSION = re.compile(r"[0-9a-f]{64}")
BARS_METADATA = b"kasauti.bars"
SERIES_PREFIX = "series_"


class Lake:
    """A folder of versioned tables under keys ``layer/noun``.

    Parameters
    ----------
    root : Path
        Made when something is first written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, key: str, frame: pd.DataFrame) -> str:
        """Store `frame` (columns only, its index is left out) and make it the current version.

        Returns
        -------
        str
            Its version, the sha256 of the Parquet file. Equal content is not written again.
        """
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
        content = _parquet(table)
        return self._put(key, content, hashlib.sha256(content).hexdigest())

    def read(self, key: str, version: str | None = None) -> pd.DataFrame:
        """Return the frame under `key`, as of `version` or the current one.

        Raises
        ------
        DataError
            If there is none, or the file's content is not what its version says.
        """
        content, version = self._get(key, version)
        if hashlib.sha256(content).hexdigest() != version:
            raise DataError(self._damaged(key, version))
        frame: pd.DataFrame = pq.read_table(pa.BufferReader(content)).to_pandas()
        return frame

    def write_bars(self, key: str, bars: Bars) -> str:
        """Store a panel as one row a symbol and time; its version is ``bars.data_version``.

        Undefined values are NULL, so that SQL leaves them out of its sums.
        """
        return self._put(key, _parquet(_bars_to_table(bars)), bars.data_version)

    def read_bars(self, key: str, version: str | None = None) -> Bars:
        """Return the panel under `key` exactly as it was written; raises as `read`."""
        content, version = self._get(key, version)
        try:
            bars = _bars_from_table(pq.read_table(pa.BufferReader(content)), key)
        except pa.ArrowException as error:
            raise DataError(self._damaged(key, version)) from error
        if bars.data_version != version:
            raise DataError(self._damaged(key, version))
        return bars

    def last_session(self, key: str) -> date | None:
        """Return the last day of the panel under `key`, None if there is none; reads one column.

        Raises
        ------
        DataError
            If the file is damaged or holds no bars.
        """
        version = self.current(key)
        if version is None:
            return None
        try:
            times = pq.read_table(self._file(key, version), columns=["time"]).column("time")
            newest = pc.max(times).as_py()
        except (pa.ArrowException, OSError) as error:
            raise DataError(self._damaged(key, version)) from error
        return newest.date() if isinstance(newest, datetime) else newest

    def current(self, key: str) -> str | None:
        """Return the version that counts now, None if nothing was written under `key`."""
        manifest = self._folder(key) / MANIFEST
        if not manifest.exists():
            return None
        try:
            version = str(json.loads(manifest.read_text(encoding="utf-8"))["version"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{manifest} is damaged ({error}): delete it and write again"
            ) from error
        if not VERSION.fullmatch(version):
            raise DataError(f"{manifest} names no version: delete it and write again")
        return version

    def versions(self, key: str) -> list[str]:
        """Return every version that can be read, in the order of their first writing."""
        files = [path for path in self._folder(key).glob("*.parquet") if VERSION.match(path.stem)]
        return [path.stem for path in sorted(files, key=lambda path: path.stat().st_mtime_ns)]

    def keys(self) -> list[str]:
        """Return the keys that have a current version, sorted."""
        found = (path.parent.relative_to(self.root) for path in self.root.glob(f"*/*/{MANIFEST}"))
        return sorted(path.as_posix() for path in found if KEY.fullmatch(path.as_posix()))

    def verify(self) -> int:
        """Check that the current version of every table is what its version says.

        Returns
        -------
        int
            How many tables there are.

        Raises
        ------
        DataError
            Naming the first that is not.
        """
        keys = self.keys()
        for key in keys:
            content, version = self._get(key, None)
            if hashlib.sha256(content).hexdigest() == version:
                continue
            try:
                self.read_bars(key)  # a panel's version is of the bars, not of the file
            except DataError as error:
                raise DataError(self._damaged(key, version)) from error
        return len(keys)

    def connect(self) -> "duckdb.DuckDBPyConnection":
        """Return an in-memory DuckDB connection with a view ``layer.noun`` of every current table.

        It can read those files and nothing else on the machine, so no query reaches the sealed
        vault.
        """
        import duckdb

        connection = duckdb.connect(":memory:")
        files = []
        for key in self.keys():
            layer, noun = key.split("/")
            files.append(_quoted(self._file(key, self.current(key) or "")))
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{layer}"')
            connection.execute(
                f'CREATE VIEW "{layer}"."{noun}" AS SELECT * FROM read_parquet({files[-1]})'
            )
        connection.execute(f"SET allowed_paths = [{', '.join(files)}]")
        connection.execute("SET enable_external_access = false")
        return connection

    def _put(self, key: str, content: bytes, version: str) -> str:
        file = self._file(key, version)
        if not file.exists():
            write_atomically(file, content)
        if self.current(key) != version:
            manifest = json.dumps({"version": version})
            write_atomically(self._folder(key) / MANIFEST, manifest.encode())
        return version

    def _get(self, key: str, version: str | None) -> tuple[bytes, str]:
        wanted = version or self.current(key)
        if wanted is None:
            there = ", ".join(self.keys()) or "nothing yet"
            raise DataError(f"nothing was written to the lake under {key}; there is {there}")
        file = self._file(key, wanted)
        if not file.exists():
            known = ", ".join(self.versions(key)) or "none"
            raise DataError(f"the lake has no version {wanted} of {key}; there is {known}")
        return file.read_bytes(), wanted

    def _folder(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise DataError(f"{key!r} is no key of the lake: write layer/noun in small letters")
        return self.root / key

    def _file(self, key: str, version: str) -> Path:
        if not VERSION.fullmatch(version):
            raise DataError(f"{version!r} is no version: it is 64 hexadecimal digits")
        return self._folder(key) / f"{version}.parquet"

    def _damaged(self, key: str, version: str) -> str:
        return f"{self._file(key, version)} is damaged: delete it and materialise {key} again"


def _quoted(path: Path) -> str:
    return "'" + str(path.resolve()).replace("'", "''") + "'"


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _bars_to_table(bars: Bars) -> pa.Table:
    count, length = bars.shape
    names = pa.array(bars.symbols, type=pa.string())
    rows = pa.array(np.repeat(np.arange(count, dtype=np.int32), length))
    columns: dict[str, pa.Array] = {
        "symbol": pa.DictionaryArray.from_arrays(rows, names),
        "time": pa.array(np.tile(bars.times, count)),
    }
    for name in FIELDS:
        columns[name] = pa.array(getattr(bars, name).ravel(), from_pandas=True)
    for name, values in bars.series.items():
        columns[SERIES_PREFIX + name] = pa.array(np.tile(values, count), from_pandas=True)
    about = {
        "market": bars.market,
        "symbols": bars.symbols,
        "series": sorted(bars.series),
        "index_symbol": bars.index_symbol,
    }
    return pa.table(columns).replace_schema_metadata({BARS_METADATA: json.dumps(about).encode()})


def _bars_from_table(table: pa.Table, key: str) -> Bars:
    metadata = table.schema.metadata or {}
    if BARS_METADATA not in metadata:
        raise DataError(f"{key} holds no bars: read it as a frame")
    about = json.loads(metadata[BARS_METADATA])
    symbols = tuple(about["symbols"])
    count = len(symbols)
    length = table.num_rows // count if count else 0

    def column(name: str) -> Floats:
        values: Floats = table.column(name).to_numpy(zero_copy_only=False)
        return values.astype(np.float64, copy=False)

    times = table.column("time").to_numpy(zero_copy_only=False)[:length]
    if times.dtype != np.dtype("datetime64[D]"):
        times = times.astype("datetime64[s]")  # Parquet knows no seconds, it keeps milliseconds
    fields: Iterator[Floats] = (column(name).reshape(count, length) for name in FIELDS)
    open_, high, low, close, volume = fields
    return Bars(
        about["market"],
        symbols,
        times,
        open_,
        high,
        low,
        close,
        volume,
        series={name: column(SERIES_PREFIX + name)[:length] for name in about["series"]},
        index_symbol=about["index_symbol"],
    )
