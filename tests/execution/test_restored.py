"""A ledger that was restored from a backup against a broker that knows more: nothing goes twice."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kasauti.backups.contents import copy_database
from kasauti.execution.brokers.base import Reply
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.model import Order, Outcome, Purpose, Scope
from kasauti.execution.orders import OrderState
from tests.execution.world import OPEN, World, at, entry, world

SENT: list[str] = []


class Elsewhere(PaperBroker):
    """A broker whose book is not the ledger's, as a real one's: a restore does not turn it back.

    It takes any tag again, as real ones do.
    """

    def place(self, order: Order, at: datetime) -> Reply:
        SENT.append(order.tag)
        return super().place(order, at)


@pytest.fixture(autouse=True)
def nothing_sent() -> None:
    SENT.clear()


@contextmanager
def desk(folder: Path, *, now: datetime = OPEN) -> Iterator[World]:
    """A desk on the ledger in `folder`; its broker's book lies elsewhere."""
    (folder / "broker").mkdir(exist_ok=True)
    engines: list[Any] = []

    class Broker(Elsewhere):
        def __init__(self, engine: Any, *given: Any, **more: Any) -> None:
            from kasauti.execution.schema import connect

            del engine
            engines.append(connect(folder / "broker" / "book.sqlite"))
            super().__init__(engines[0], *given, **more)

    with world(folder, scope=Scope.PAPER, broker_class=Broker, now=now) as w:
        yield w
    for engine in engines:
        engine.dispose()


def turn_back(folder: Path, copy: Path) -> None:
    """Restore the ledger, and only it, from a copy."""
    for path in folder.glob("ledger.sqlite*"):
        if path.suffix != ".lease":
            path.unlink()
    shutil.copy(copy, folder / "ledger.sqlite")


@pytest.mark.parametrize("became", ["filled", "open", "cancelled"])
def test_an_intent_that_went_out_after_the_backup_is_not_sent_again(
    tmp_path: Path, became: str
) -> None:
    """The restored ledger has it queued; its tag tells that the broker has it."""
    intent = entry() if became == "filled" else entry(limit_price=entry().limit_price - 5)
    with desk(tmp_path) as w:
        w.tick(OPEN, "100")
        w.desk.submit(intent, OPEN)
        copy_database(w.ledger.path, tmp_path / "copy")
        w.tick(at(9, 16), "100.50")
        if became == "cancelled":
            w.gate.cancel(intent.tag, at(9, 16, 1))
        sent = list(SENT)
        assert sent.count(intent.tag) == 1
    turn_back(tmp_path, tmp_path / "copy")
    with desk(tmp_path, now=at(9, 17)) as w:
        assert w.desk.submit(intent, at(9, 17)) is not Outcome.QUEUED
        for second in range(3):
            w.tick(at(9, 17, second), "100.50")
        assert SENT.count(intent.tag) == 1, "it went out once, in its former life"
        states = {"filled": OrderState.FILLED, "open": OrderState.OPEN}
        assert w.order(intent).state is states.get(became, OrderState.CANCELLED)
        assert len(w.desk.book.sent_on(OPEN.date())) >= 1, "it counts as one of the day's trades"
        assert not w.desk.book.differences
        assert w.ledger.verify().ok
        if became == "filled":
            assert w.desk.book.positions["TEST"].quantity == 10
            stops = w.working(Purpose.STOP)
            assert sum(v.remaining for v in stops) == 10, "protected once, not twice"


@pytest.mark.parametrize("pause", [0, 60], ids=["at once", "when the broker was believed already"])
def test_one_that_was_even_committed_after_the_backup_is_not_sent_again(
    tmp_path: Path, pause: int
) -> None:
    """The job that wants it runs again and makes the same key, so the same tag."""
    intent = entry(limit_price=entry().limit_price - 5)
    with desk(tmp_path) as w:
        w.tick(OPEN, "100")
        copy_database(w.ledger.path, tmp_path / "copy")
        w.desk.submit(intent, OPEN)
        w.desk.step(OPEN)
        assert SENT.count(intent.tag) == 1
    turn_back(tmp_path, tmp_path / "copy")
    now = at(9, 16)
    with desk(tmp_path, now=now) as w:
        differences = w.desk.reconcile(now).differences
        assert differences and "is not ours" in differences[0]
        other = entry("OTHER")
        assert w.desk.submit(other, now) is Outcome.QUEUED
        w.desk.step(now)
        assert w.order(other).state is OrderState.DENIED, "entries are closed while they differ"
        for second in range(0, pause, 10):
            w.desk.step(now + timedelta(seconds=second))
        later = now + timedelta(seconds=pause)
        w.desk.submit(intent, later)
        w.desk.step(later)
        assert SENT.count(intent.tag) == 1
        view = w.order(intent)
        assert view.state is OrderState.OPEN and view.intent == intent, "it is ours again"
        w.tick(later + timedelta(seconds=5), "94")
        assert w.desk.book.positions["TEST"].quantity == 10
        assert SENT.count(intent.tag) == 1 and w.ledger.verify().ok


def test_what_was_adopted_and_filled_is_not_forgotten_when_it_is_wanted_again(
    tmp_path: Path,
) -> None:
    """It keeps its fills: a fresh order in its place would differ from the broker for ever."""
    intent = entry(limit_price=entry().limit_price - 5)
    with desk(tmp_path) as w:
        w.tick(OPEN, "100")
        copy_database(w.ledger.path, tmp_path / "copy")
        w.desk.submit(intent, OPEN)
        w.desk.step(OPEN)
    turn_back(tmp_path, tmp_path / "copy")
    now = at(9, 16)
    with desk(tmp_path, now=now) as w:
        for second in range(0, 60, 10):
            w.desk.step(now + timedelta(seconds=second))
        assert w.order(intent) is not None, "the broker was believed: its order is adopted"
        w.tick(at(9, 18), "94")
        assert w.order(intent).filled == 10
        w.desk.submit(intent, at(9, 19))
        w.desk.step(at(9, 19))
        view = w.order(intent)
        assert (view.state, view.filled, view.intent) == (OrderState.FILLED, 10, intent)
        assert SENT.count(intent.tag) == 1
        assert not w.desk.reconcile(at(9, 20)).differences


def test_a_stop_that_went_out_after_the_backup_is_not_doubled(tmp_path: Path) -> None:
    """Two stops for the same shares would sell what is not held."""
    intent = entry(limit_price=entry().limit_price - 5)
    with desk(tmp_path) as w:
        w.tick(OPEN, "100")
        w.desk.submit(intent, OPEN)
        w.desk.step(OPEN)
        assert not w.working(Purpose.STOP)
        copy_database(w.ledger.path, tmp_path / "copy")
        w.tick(at(9, 16), "95.90")
        (stop,) = w.working(Purpose.STOP)
        assert SENT.count(stop.intent.tag) == 1
    turn_back(tmp_path, tmp_path / "copy")
    with desk(tmp_path, now=at(9, 17)) as w:
        assert not w.working(Purpose.STOP), "the restored ledger has forgotten it"
        for second in range(40):
            w.desk.step(at(9, 17) + timedelta(seconds=second))
        assert SENT.count(stop.intent.tag) == 1
        working = [row for row in w.broker.orders() if row.state.is_working]
        assert [row.order.tag for row in working] == [stop.intent.tag]
        (known,) = w.working(Purpose.STOP)
        assert known.intent.tag == stop.intent.tag and not w.desk.book.differences


def test_a_broker_that_cannot_be_read_is_not_sent_to_on_a_guess(tmp_path: Path) -> None:
    from kasauti.errors import BrokerError

    intent = entry()
    with desk(tmp_path) as w:
        w.tick(OPEN, "100")
        w.desk.submit(intent, OPEN)
        copy_database(w.ledger.path, tmp_path / "copy")
        w.desk.step(OPEN)
    turn_back(tmp_path, tmp_path / "copy")
    with desk(tmp_path, now=at(9, 16)) as w:

        def gone() -> Any:
            raise BrokerError("no line")

        known = w.broker.orders
        w.broker.orders = gone  # type: ignore[method-assign]
        w.desk.step(at(9, 16, 1))
        assert SENT.count(intent.tag) == 1
        w.broker.orders = known  # type: ignore[method-assign]
        w.desk.step(at(9, 16, 2))
        assert SENT.count(intent.tag) == 1
