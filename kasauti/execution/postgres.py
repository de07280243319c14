"""PostgreSQL's own side of the ledger's database: connection, advisory locks, triggers; no rows.

Advisory locks belong to one database, which therefore holds one ledger. A connection pooler that
hands a session's lock to another client (transaction pooling) must not stand between.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from kasauti.errors import LeaseError, UsageError

DRIVER = "postgresql+psycopg"
SETUP_LOCK, APPEND_LOCK, LEASE_LOCK = 5_270_001, 5_270_002, 5_270_003
CONNECT_SECONDS = 5  # `kasauti kill` must come back even if the server does not answer
_OPTIONS = (
    "-c synchronous_commit=on -c default_transaction_isolation=read\\ committed "
    "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 "
    "-c lock_timeout={seconds}s"
)
_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_TAKEN = text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND classid = 0 AND objid = :key"
)
_BODY = " BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END "
_REFUSE = text(
    "CREATE OR REPLACE FUNCTION kasauti_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    f"$${_BODY}$$"
)
_GUARDS = 2 + 8 + 16 + 32  # pg_trigger.tgtype: BEFORE, DELETE, UPDATE, TRUNCATE; of a statement
_TRIGGERS = text(
    "SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
    "JOIN pg_proc p ON p.oid = t.tgfoid "
    "WHERE c.relnamespace = current_schema()::regnamespace AND t.tgenabled IN ('O', 'A') "
    "AND t.tgtype = :guards AND t.tgqual IS NULL AND t.tgattr::text = '' "
    "AND t.tgname = 'kasauti_' || c.relname || '_append_only' "
    "AND p.proname = 'kasauti_append_only' AND p.pronamespace = c.relnamespace AND p.prosrc = :body"
)


def parse_url(given: str | URL) -> URL:
    """Return the URL of a PostgreSQL database; its text holds a password and is never repeated.

    Raises
    ------
    UsageError
        If it is none.
    """
    try:
        url = make_url(given)
    except ArgumentError:
        url = None
    if url is None or url.get_backend_name() != "postgresql" or not url.database:
        raise UsageError(
            f"the ledger's URL is none of a PostgreSQL database: {DRIVER}://user:password@host/name"
        )
    return url.set(drivername=DRIVER)


def connect(url: URL, *, wait_seconds: int) -> Engine:
    """Return an engine on the database; whoever writes waits for the others at most so long.

    Raises
    ------
    UsageError
        If the driver is not installed.
    """
    try:
        engine = create_engine(url, connect_args=_arguments(wait_seconds), hide_parameters=True)
    except ModuleNotFoundError as error:
        raise UsageError("PostgreSQL needs its driver: pip install kasauti[postgres]") from error
    event.listen(engine, "begin", _begin)
    return engine


def _arguments(wait_seconds: int) -> dict[str, Any]:
    options = _OPTIONS.format(seconds=wait_seconds)
    return {"connect_timeout": CONNECT_SECONDS, "options": options}


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("kasauti_writes"):
        connection.execute(_LOCK, {"key": APPEND_LOCK})


def missing_triggers(connection: Connection, tables: Sequence[str]) -> list[str]:
    """Return the append-only tables' triggers that are missing, off or guard less than ours."""
    kept = set(connection.execute(_TRIGGERS, {"guards": _GUARDS, "body": _BODY}).scalars())
    return [name for name in map(_trigger, tables) if name not in kept]


def lock_setup(connection: Connection) -> None:
    """Let one process at a time make tables and triggers, until the transaction ends."""
    connection.execute(_LOCK, {"key": SETUP_LOCK})


def create_trigger(connection: Connection, table: str) -> None:
    """Have the server refuse UPDATE, DELETE and TRUNCATE of `table`."""
    connection.execute(_REFUSE)
    connection.exec_driver_sql(
        f"CREATE OR REPLACE TRIGGER {_trigger(table)} "
        f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION kasauti_append_only()"
    )


def _trigger(table: str) -> str:
    return f"kasauti_{table}_append_only"


class SessionLock:
    """The lease's lock: a session of its own, whose end frees it, however its process died."""

    def __init__(self, driver: Any, fault: type[Exception]) -> None:
        self._driver: Any = driver
        self._fault = fault

    @classmethod
    def take(cls, engine: Engine) -> "SessionLock | None":
        """Return the lock, None if another session holds it.

        Raises
        ------
        LeaseError
            If the server cannot be reached.
        """
        dialect = engine.dialect
        fault: type[Exception] = dialect.loaded_dbapi.Error
        arguments, given = dialect.create_connect_args(engine.url)
        named = {**given, **_arguments(wait_seconds=0)}
        try:
            # The driver's own connection: SQLAlchemy's would come back without the lock.
            driver = dialect.connect(*arguments, **named)
            driver.autocommit = True
            lock = cls(driver, fault)
            if lock._asked("SELECT pg_try_advisory_lock(%s)"):
                return lock
        except fault as error:
            raise LeaseError(
                "the lease cannot be asked for, the ledger's server does not answer: "
                "start it, or mend KASAUTI_LEDGER_URL"
            ) from error
        lock.release()
        return None

    def is_held(self) -> bool:
        """Whether the session that holds the lock still lives."""
        try:
            return self._asked(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() "
                "AND locktype = 'advisory' AND granted AND classid = 0 AND objid = %s)"
            )
        except self._fault:
            return False

    def release(self) -> None:
        """Unlock and end the session; where it has ended already, so has its lock."""
        with suppress(self._fault):
            self._asked("SELECT pg_advisory_unlock(%s)")
        self._driver.close()

    def _asked(self, question: str) -> bool:
        return bool(self._driver.execute(question, (LEASE_LOCK,)).fetchone()[0])


def is_lease_taken(engine: Engine) -> bool:
    """Whether some session holds the lease; it is looked at, never taken for an instant.

    Raises
    ------
    LeaseError
        If the server cannot be reached.
    """
    try:
        with engine.connect() as connection:
            return bool(connection.execute(_TAKEN, {"key": LEASE_LOCK}).scalar_one())
    except SQLAlchemyError as error:
        raise LeaseError(
            "nobody can tell who holds the lease, the ledger's server does not answer: "
            "start it, or mend KASAUTI_LEDGER_URL"
        ) from error
