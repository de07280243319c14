"""Fixtures for tests in several areas."""

from collections.abc import Iterator

import pytest

from tests.health.time_server import TimeServer


@pytest.fixture
def time_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a time server say that the clock is right: the kernel may not know."""
    with TimeServer() as server:
        monkeypatch.setenv("KASAUTI_NTP_SERVER", server.address)
        yield
