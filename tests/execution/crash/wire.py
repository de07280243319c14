"""What really goes over the line to the broker, written down outside of all that is tested."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from kasauti.execution.brokers.base import BrokerOrder, BrokerPosition, Reply
from kasauti.execution.brokers.faults import Faulty
from kasauti.execution.conditions import Conditions
from kasauti.execution.latch import Latch
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Fill, Order, OrderSide


@dataclass
class Wire:
    """A `Broker` that logs each request before it passes it on; the log outlives any kill."""

    broker: Faulty
    ledger: Ledger
    latch: Latch
    log: Path
    epoch: int

    name = "paper"
    funds_are_exact = True

    @property
    def absence_is_proof(self) -> bool:
        return self.broker.absence_is_proof

    def place(self, order: Order, at: datetime) -> Reply:
        self._write("place", order.tag, at, self._is_wrong(order))
        return self.broker.place(order, at)

    def cancel(self, tag: str, at: datetime) -> Reply:
        self._write("cancel", tag, at, "")
        return self.broker.cancel(tag, at)

    def orders(self) -> Sequence[BrokerOrder]:
        return self.broker.orders()

    def trades(self) -> Sequence[Fill]:
        return self.broker.trades()

    def positions(self) -> Sequence[BrokerPosition]:
        return self.broker.positions()

    def funds(self) -> Decimal:
        return self.broker.funds()

    def conditions(self, now: datetime) -> Conditions:
        return self.broker.conditions(now)

    def _is_wrong(self, order: Order) -> str:
        view = self.ledger.book().orders.get(order.tag)
        if view is None:
            return "it is not in the ledger"
        if view.sent_at is None:
            return "its decision is not in the ledger"
        if order.side is OrderSide.BUY and self.latch.is_set():
            return "the kill latch is set"
        return ""

    def _write(self, what: str, tag: str, at: datetime, wrong: str) -> None:
        row = [what, tag, at.isoformat(), self.epoch, os.getpid(), wrong]
        handle = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(handle, json.dumps(row).encode() + b"\n")
        os.close(handle)


@dataclass(frozen=True)
class Request:
    """One line of the log."""

    what: str
    tag: str
    at: datetime
    epoch: int
    pid: int
    wrong: str


def read(log: Path) -> list[Request]:
    """Return what went over the line, oldest first."""
    if not log.exists():
        return []
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    return [Request(r[0], r[1], datetime.fromisoformat(r[2]), r[3], r[4], r[5]) for r in rows]
