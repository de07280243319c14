"""Tables, triggers and the connection of the ledger's database; no event is interpreted here.

Plain SQLAlchemy Core: what PostgreSQL needs besides stands in `postgres`.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    CheckConstraint,
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
)
from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.schema import CreateTable

from kasauti.execution import postgres
from kasauti.execution.lease import exclusive
from kasauti.execution.reserve import Reserve

metadata = MetaData()

events = Table(
    "events",
    metadata,
    Column("seq", Integer, CheckConstraint("seq > 0"), primary_key=True, autoincrement=False),
    Column("epoch", Integer, nullable=False),
    Column("at", String(40), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("unique_key", String(300), unique=True),
    Column("payload", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", Integer, ForeignKey("events.seq"), primary_key=True, autoincrement=False),
    Column("message", Text, nullable=False),
)

broker_events = Table(
    "broker_events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(40), nullable=False),
    Column("unique_key", String(300), unique=True),
    Column("payload", Text, nullable=False),
)

APPEND_ONLY = (events, outbox, broker_events)
BUSY_SECONDS = 30
GUARDED = 1  # SQLite's user_version of a ledger that was given its triggers against REPLACE
_TRIGGERS = "SELECT name, sql FROM sqlite_master WHERE type='trigger'"
LOOK_AGAIN = 0.0005  # seconds between two looks at a write lock that somebody has


def connect(path: Path, url: URL | None = None) -> Engine:
    """Return an engine on the ledger's database, its tables and triggers made if missing.

    On SQLite every write transaction is begun with BEGIN IMMEDIATE: the driver's own deferred
    begin takes its snapshot before the write lock and loses appends under load. On PostgreSQL it
    begins with an advisory lock, which does the same.

    Parameters
    ----------
    path : Path
        SQLite file; with a `url` only its folder is used, for latch and anchor.
    url : URL or None
        Of a PostgreSQL database.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return _connect_sqlite(path) if url is None else _connect_postgres(url)


def _connect_sqlite(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", partial(_make_room, Reserve.beside(path)))
    # Two processes that turn on WAL at the same time can meet a lock that no time-out waits for.
    with exclusive(path.with_name(path.name + ".setup")):
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as driver:
            driver.execute("PRAGMA journal_mode=WAL")
        with writing(engine).begin() as connection:
            _create(connection)
    return engine


def _connect_postgres(url: URL) -> Engine:
    engine = postgres.connect(url, wait_seconds=BUSY_SECONDS)
    with engine.begin() as connection:
        # Making a trigger again would wait for every writer.
        if postgres.missing_triggers(connection, [table.name for table in APPEND_ONLY]):
            postgres.lock_setup(connection)
            for table in metadata.sorted_tables:
                connection.execute(CreateTable(table, if_not_exists=True))
            for table in APPEND_ONLY:
                postgres.create_trigger(connection, table.name)
    return engine


def writing(engine: Engine) -> Engine:
    """Return the engine whose transactions take the write lock at once."""
    return engine.execution_options(kasauti_writes=True)


def looking(engine: Engine) -> Engine:
    """Return the engine whose statements stand alone: none sees an older state than the one now."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(kasauti_looks=True)
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _configure(connection: Any, record: Any) -> None:
    del record
    connection.isolation_level = None  # SQLAlchemy's begin event decides, not the driver
    # SQLite's own 1,000 pages are a checkpoint every 130 appends; one of them waits 10 ms for it.
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "wal_autocheckpoint=8000"):
        connection.execute(f"PRAGMA {pragma}")


def is_full(error: BaseException | None) -> bool:
    """Whether SQLite could not grow; a full disk shows in more than one way."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def _make_room(reserve: Reserve, context: ExceptionContext) -> None:
    """Give the reserve up, so that whoever tries again gets through."""
    if is_full(context.original_exception):
        reserve.give_up()


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("kasauti_looks"):
        return
    if not options.get("kasauti_writes"):
        connection.exec_driver_sql("BEGIN")
    elif not _begin_writing(connection.connection.driver_connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # it says in SQLAlchemy's words what is wrong


def _begin_writing(driver: Any) -> bool:
    """Begin as soon as the write lock is free; False if it cannot be had, for whatever reason.

    SQLite's own waiting sleeps 1, 2, 5, 10, 15 ms and longer while the lock is held for 2: of eight
    processes that append five times a second the unlucky hundredth waits 18 ms.
    """
    until = time.monotonic() + BUSY_SECONDS
    driver.execute("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                driver.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    return False
                time.sleep(LOOK_AGAIN)
            else:
                return True
    finally:
        driver.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")


def _create(connection: Connection) -> None:
    for table in metadata.sorted_tables:
        connection.execute(CreateTable(table, if_not_exists=True))
    kept: dict[str, str] = dict(connection.exec_driver_sql(_TRIGGERS).all())
    for name, rest in _triggers().items():
        wanted = f"CREATE TRIGGER {name} {rest}"
        if kept.get(name) != wanted:  # missing, or another of its name
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
            connection.exec_driver_sql(wanted)
    if connection.exec_driver_sql("PRAGMA user_version").scalar_one() < GUARDED:
        connection.exec_driver_sql(f"PRAGMA user_version={GUARDED}")


def _triggers() -> dict[str, str]:
    """Return SQLite's triggers by name.

    INSERT OR REPLACE deletes without a delete trigger: what it would replace is refused, too.
    """
    found = {}
    for table in APPEND_ONLY:
        refuse = f"BEGIN SELECT RAISE(ABORT, '{table.name} is append-only'); END"
        for verb in ("UPDATE", "DELETE"):
            found[f"{table.name}_no_{verb.lower()}"] = f"BEFORE {verb} ON {table.name} {refuse}"
        unique = [column.name for column in table.c if column.primary_key or column.unique]
        there = " OR ".join(
            f"EXISTS (SELECT 1 FROM {table.name} WHERE {name} = NEW.{name})" for name in unique
        )
        found[f"{table.name}_no_replace"] = f"BEFORE INSERT ON {table.name} WHEN {there} {refuse}"
    return found


def damage(path: Path, url: URL | None = None) -> list[str]:
    """Return in plain words what is wrong with the database itself, before anybody mends it.

    Triggers that are missing, off or others than ours, keys that occur twice and messages without
    an event; on SQLite also pages and indexes that contradict the rows.
    """
    if url is not None:
        engine = postgres.connect(url, wait_seconds=BUSY_SECONDS)
        try:
            with engine.connect() as connection:
                missing = postgres.missing_triggers(connection, [t.name for t in APPEND_ONLY])
                wrong = _contradictions("events", connection.exec_driver_sql)
        finally:
            engine.dispose()
        return [*map(_unguarded, missing), *wrong]
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)) as driver:
            kept = dict(driver.execute(_TRIGGERS))
            pages = [str(row[0]) for row in driver.execute("PRAGMA integrity_check")]
            (version,) = driver.execute("PRAGMA user_version").fetchone()
            wrong = _contradictions("events NOT INDEXED", driver.execute)  # that may be what lies
    except sqlite3.Error as error:
        return [f"the file is damaged: {error}"]
    wanted = {name: f"CREATE TRIGGER {name} {rest}" for name, rest in _triggers().items()}
    if version < GUARDED:  # of before there were these; whoever opens it adds them
        wanted = {name: text for name, text in wanted.items() if not name.endswith("_no_replace")}
    return [
        *(_unguarded(name) for name, text in wanted.items() if kept.get(name) != text),
        *(f"the file is damaged: {page}" for page in pages if page != "ok"),
        *wrong,
    ]


def _contradictions(rows: str, ask: Callable[[str], Iterable[Any]]) -> list[str]:
    """Return what the constraints forbid: they may have been dropped, or be older than a row."""
    twice = ask(
        f"SELECT unique_key, count(*) FROM {rows} WHERE unique_key IS NOT NULL "
        "GROUP BY unique_key HAVING count(*) > 1 ORDER BY unique_key"
    )
    loose = ask(
        "SELECT seq FROM outbox WHERE NOT EXISTS "
        "(SELECT 1 FROM events WHERE events.seq = outbox.seq) ORDER BY seq"
    )
    return [
        *(f"key {key} belongs to {count} events" for key, count in twice),
        *(f"row {seq} of outbox belongs to no event" for (seq,) in loose),
    ]


def _unguarded(trigger: str) -> str:
    return (
        f"trigger {trigger} is missing, off or another: somebody could have changed rows; whoever "
        "opens the ledger puts it back, compare with the last backup"
    )
