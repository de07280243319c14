"""The two databases that a ledger can lie in, PostgreSQL on a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from kasauti.execution.place import Place
from tests.postgres import Server, server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    with server() as started:
        yield started


@pytest.fixture
def postgres(postgres_server: Server) -> Iterator[URL]:
    """Give the URL of a fresh database."""
    database = postgres_server.database()
    yield database
    postgres_server.drop(database)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Give the place of a ledger that does not exist yet, on each database."""
    url = None if request.param == "sqlite" else request.getfixturevalue("postgres")
    return Place(tmp_path / "ledger.sqlite", url)
