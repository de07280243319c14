"""Tables and connection of the alert book's database; what is in them is not interpreted here."""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
)
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateIndex, CreateTable

from kasauti.execution.lease import exclusive
from kasauti.market.calendar import INDIA

BUSY_SECONDS = 30
metadata = MetaData()
_TIME = String(32)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(300), nullable=False, unique=True),
    Column("raised", _TIME, nullable=False),
    Column("incident", String(12), nullable=False, index=True),
    Column("severity", Integer, nullable=False),
    Column("alert", Text, nullable=False),
    Column("outcome", String(20), nullable=False, default="", index=True),
    Column("more", Integer, nullable=False, default=0),
    Column("since", _TIME),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("trigger", String(40), nullable=False),
    Column("subject", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("opened", _TIME, nullable=False),
    Column("last_seen", _TIME, nullable=False),
    Column("count", Integer, nullable=False, default=0),
    Column("told", _TIME),
    Column("unsaid", Integer, nullable=False, default=0),
    Column("acknowledged_by", Text, nullable=False, default=""),
    Column("acknowledged_at", _TIME),
    Column("closed", _TIME),
    Column("thread", Text, nullable=False, default=""),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("alert_id", Integer, ForeignKey("alerts.id"), nullable=False),
    Column("channel", String(20), nullable=False),
    Column("step", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_try", _TIME),
    Column("last_try", _TIME),
    Column("sent", _TIME),
    Column("provider_id", Text, nullable=False, default=""),
    Column("detail", Text, nullable=False, default=""),
    Column("doubtful", Integer, nullable=False, default=0),
    UniqueConstraint("alert_id", "channel"),
    Index("deliveries_state", "state"),
    Index("deliveries_last_try", "channel", "last_try"),
)

channels = Table(
    "channels",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("failures", Integer, nullable=False, default=0),
    Column("since", _TIME),
    Column("until", _TIME),
    Column("detail", Text, nullable=False, default=""),
)

positions = Table(
    "positions",
    metadata,
    Column("source", String(200), primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)


def connect(path: Path) -> Engine:
    """Return an engine on the alert book, made if missing; a commit is on the disk.

    Every write transaction begins with BEGIN IMMEDIATE: the desk, sensors and a person write, too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    # Two processes that turn on WAL at the same time can meet a lock that no time-out waits for.
    with exclusive(path.with_name(path.name + ".setup")):
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as driver:
            driver.execute("PRAGMA journal_mode=WAL")
        with writing(engine).begin() as connection:
            for table in metadata.sorted_tables:
                connection.execute(CreateTable(table, if_not_exists=True))
                for index in table.indexes:
                    connection.execute(CreateIndex(index, if_not_exists=True))
    return engine


def writing(engine: Engine) -> Engine:
    """Return the engine whose transactions take the write lock at once."""
    return engine.execution_options(kasauti_writes=True)


def stamp(moment: datetime) -> str:
    """Return a time as stored: exchange time, so that texts compare as times do."""
    return moment.astimezone(INDIA).isoformat(timespec="microseconds")


def moment(text: str | None) -> datetime | None:
    """Read what `stamp` wrote."""
    return None if text is None else datetime.fromisoformat(text).astimezone(INDIA)


def _configure(connection: Any, record: Any) -> None:
    del record
    connection.isolation_level = None  # SQLAlchemy's begin event decides, not the driver
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("kasauti_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
