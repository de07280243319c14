"""A ledger on PostgreSQL copied into a SQLite file of the same tables, and back; rows as they are.

The hash chain goes along untouched, so the copy is verified like any ledger.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Table, bindparam, insert, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from kasauti.errors import BackupError
from kasauti.execution import schema
from kasauti.execution.chain import Anchor
from kasauti.execution.place import Place

BATCH = 2_000
_TABLES = schema.metadata.sorted_tables
_HASH = select(schema.events.c.hash).where(schema.events.c.seq == bindparam("seq"))


def dump(place: Place, path: Path) -> None:
    """Write the ledger at `place` into a new SQLite file, as of one moment.

    Raises
    ------
    BackupError
        If the server does not answer, or the disk is full.
    """
    source, target = schema.connect(place.path, _url(place)), schema.connect(path)
    try:
        with (
            source.connect().execution_options(isolation_level="REPEATABLE READ") as reading,
            schema.writing(target).begin() as writing,
        ):
            for table in _TABLES:
                for rows in _batches(reading, table):
                    writing.execute(insert(table), rows)
    except SQLAlchemyError as error:
        raise BackupError(f"{place} cannot be copied: {place.said(error)}") from None
    finally:
        source.dispose()
        target.dispose()


def load(path: Path, place: Place, known: Anchor) -> bool:
    """Write the ledger of the SQLite file `path` into the empty database at `place`, or nothing.

    Parameters
    ----------
    path : Path
    place : Place
    known : Anchor
        Event of the ledger. A database that holds it has gone on from there, since the server
        outlived the machine, and is left as it is.

    Returns
    -------
    bool
        Whether the ledger was written.

    Raises
    ------
    BackupError
        If another ledger is there, or the server does not answer.
    """
    source, target = schema.connect(path), schema.connect(place.path, _url(place))
    try:
        with source.connect() as reading, schema.writing(target).begin() as writing:
            if writing.execute(_HASH, {"seq": known[0]}).scalar_one_or_none() == known[1]:
                return False
            if writing.execute(_HASH, {"seq": 1}).scalar_one_or_none() is not None:
                raise BackupError(
                    "the database of KASAUTI_LEDGER_URL holds another ledger, which nothing may "
                    "delete: name an empty one"
                )
            for table in _TABLES:
                for rows in _batches(reading, table):
                    writing.execute(insert(table), rows)
            return True
    except SQLAlchemyError as error:
        raise BackupError(f"{place} cannot be written: {place.said(error)}") from None
    finally:
        source.dispose()
        target.dispose()


def _url(place: Place) -> URL:
    assert place.database is not None, "a ledger in a file is copied as a file"
    return place.database


def _batches(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    order = list(table.primary_key.columns)
    found = connection.execution_options(yield_per=BATCH).execute(select(table).order_by(*order))
    for rows in found.mappings().partitions():
        yield [dict(row) for row in rows]
