"""Named steps of an order's life at which a test's parent can kill this process; nothing else.

Unarmed, `reach` compares one global with None. Armed by the environment of a test process, the
process writes the step's name into a pipe and waits there: its parent sends SIGKILL, or wakes it.
An exception raised inside the process would run `finally` blocks and roll back; a kill does not.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

ENVIRONMENT = "KASAUTI_FAILPOINT"  # name,count,pipe to tell by,pipe to be woken by

STEPS: dict[str, str] = {
    "lease.locked": "the lock is ours, the epoch is not raised yet",
    "lease.taken": "the epoch is raised, nothing was reconciled",
    "intent.before_commit": "an intent is wanted and not on disk",
    "intent.committed": "the intent is on disk, its sender does not know",
    "guarded.claimed": "the sender has committed and not waited yet",
    "gate.judged": "every control has spoken, nothing is written",
    "gate.recorded": "the decision is on disk, the latch not looked at again",
    "gate.before_send": "next is the broker",
    "gate.answered": "the broker has answered, the answer is not on disk",
    "gate.answer_recorded": "the answer is on disk",
    "gate.before_cancel": "next is the broker's cancel",
    "gate.cancel_answered": "the broker has answered the cancel",
    "broker.before_write": "the paper broker has written its answer and not committed it",
    "broker.written": "the paper broker's answer or match is on its disk, nobody knows of it",
    "desk.before_snapshot": "the broker was not read yet",
    "desk.before_news": "news of our orders is seen and not on disk",
    "desk.news_recorded": "fills or moves are on disk",
    "desk.before_adopting": "a difference stood long enough and is not taken over yet",
    "desk.adopted": "a difference is taken over",
    "desk.before_comparison": "ledger and broker are compared, the result is not on disk",
    "desk.compared": "the comparison is on disk",
    "desk.before_own_intent": "a stop, target or forced exit is wanted and not on disk",
    "desk.own_intent_committed": "a stop, target or forced exit is on disk and not sent",
    "desk.expired": "an intent past its window was ended",
    "desk.self_tested": "the session's self-test is on disk, its limits are not",
    "desk.breaker_moved": "a breaker opened, closed or latched a strategy, and this is on disk",
    "desk.limits_sealed": "the limits are on disk",
    "desk.revised": "a stop was moved with its trail",
    "desk.before_close": "the session's end is not on disk",
    "desk.closed": "the session's end is on disk",
    "ledger.before_commit": "rows are inserted in the open transaction",
    "ledger.committed": "the transaction is on disk",
    "latch.file_set": "the latch's file exists, its record does not",
    "latch.record_lifted": "the record says lifted, the file still stops",
}
"""Every step of an order's life at which a process can be killed, and what it means there."""

ALERT_STEPS: dict[str, str] = {
    "alerts.before_relay": "alerts are read from the ledger and not in the book",
    "alerts.relayed": "alerts and position are in the book, nothing is decided",
    "alerts.admitted": "it is decided who is told, nothing is sent",
    "alerts.claimed": "a delivery is claimed, next is the provider",
    "alerts.accepted": "the provider has answered, its answer is not on disk",
    "alerts.recorded": "the provider's answer is on disk",
}
"""Every step of an alert's way."""


@dataclass
class _Armed:
    name: str
    left: int
    tell: int
    wake: int


_armed: _Armed | None = None


def reach(name: str) -> None:
    """Pass the step `name`; wait there for the parent if this step is armed."""
    if _armed is not None and name == _armed.name:
        _stop(_armed)


def arm(environment: dict[str, str] | os._Environ[str] = os.environ) -> None:
    """Read again what the environment arms; a process forked by a test has a new one."""
    global _armed
    given = environment.get(ENVIRONMENT)
    if given is None:
        _armed = None
        return
    name, count, tell, wake = given.split(",")
    if name not in STEPS | ALERT_STEPS:
        raise KeyError(f"{ENVIRONMENT} names the step {name!r}, which does not exist")
    _armed = _Armed(name, int(count), int(tell), int(wake))


@contextmanager
def muted() -> Iterator[None]:
    """Pass every step while the block runs: a self-test's scratch orders are nobody's orders."""
    global _armed
    armed, _armed = _armed, None
    try:
        yield
    finally:
        _armed = armed


def _stop(armed: _Armed) -> None:
    armed.left -= 1
    if armed.left:
        return
    os.write(armed.tell, armed.name.encode())
    os.read(armed.wake, 1)


arm()
