"""The alerts service: relays, decides, sends and records, again and again; it survives anything.

Whatever goes wrong in a turn is logged, shown in its pulse, and tried again in the next one.
"""

import fcntl
import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from kasauti.alerts import plan, pulse
from kasauti.alerts.book import AlertBook, Raised
from kasauti.alerts.channels.base import Channel
from kasauti.alerts.courier import Couriers, Parcel
from kasauti.alerts.messages import Context
from kasauti.alerts.model import Severity
from kasauti.alerts.pulse import Pinger, Pulse
from kasauti.alerts.queue import Queue
from kasauti.alerts.redact import redacted, secrets_of
from kasauti.alerts.relay import LedgerReader
from kasauti.alerts.rules import Rules
from kasauti.alerts.state import ChannelHealth, Delivery, State
from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.errors import AlertError, KasautiError
from kasauti.execution import failpoints
from kasauti.execution.clock import Clock

POLL = timedelta(milliseconds=250)
WATCH_EVERY = timedelta(seconds=60)
PROBLEMS = 5  # that a pulse shows

# A channel whose settings were taken away: what waits for it goes to the next one.
NOT_SET_UP = ChannelHealth(failures=plan.ESCALATE_FAILURES)

Red = Callable[[datetime], Sequence[str]]
Look = Callable[[datetime], Sequence[Raised]]

log = logging.getLogger(__name__)


def _nothing(now: datetime) -> tuple[()]:
    del now
    return ()


class AlertService:
    """One service on one book.

    Parameters
    ----------
    book : AlertBook
    channels : mapping of str to Channel
        Those that are configured.
    rules : Rules
    clock : Clock
        Exchange time.
    rng : Random
        For the back-off.
    reader : LedgerReader
    reports : Path
        Folder of the reports that may be attached.
    look : callable
        What no event tells; see `watch`.
    red : callable
        What is red, in words, for the outside watcher.
    beat : Path or None
        Where the pulse goes.
    pinger : Pinger or None
    """

    def __init__(
        self,
        book: AlertBook,
        channels: Mapping[str, Channel],
        rules: Rules,
        *,
        clock: Clock,
        rng: Random,
        reader: LedgerReader,
        reports: Path,
        look: Look = _nothing,
        red: Red = _nothing,
        beat: Path | None = None,
        pinger: Pinger | None = None,
    ) -> None:
        self._book = book
        self._queue = Queue(book)
        self._channels = dict(channels)
        self._rules = rules
        self._clock = clock
        self._reader = reader
        self._reports = reports
        self._look = look
        self._red = red
        self._beat = beat
        self._pinger = pinger
        self._couriers = Couriers(self._queue, self._channels, now=clock.now, rng=rng)
        self._recovered = False
        self._watched: datetime | None = None
        self._beaten: datetime | None = None
        self._reds: tuple[str, ...] = ()
        self._waiting = 0
        self._problems: deque[str] = deque(maxlen=PROBLEMS)

    def run(self, stopped: Callable[[], bool]) -> None:
        """Turn until told to stop; the message that is just sent is finished."""
        try:
            while not stopped():
                self.turn()
                self._clock.wait(POLL)
        finally:
            self.close()

    def close(self) -> None:
        """End the threads and say so in the pulse."""
        self._couriers.close()
        self._reader.close()
        with self._guarded("pulse"):
            self._write_pulse(self._clock.now(), stopped=True)

    def turn(self) -> None:
        """Do all that is due now; never raises for what may come right again."""
        now = self._clock.now()
        self._problems.clear()
        with self._guarded("recovery"):
            self._recover()
        with self._guarded("ledger"):
            self._reader.relay(self._book, now)
        with self._guarded("watch"):
            self._watch(now)
        with self._guarded("plan"):
            self._book.admit(self._rules, now)
            failpoints.reach("alerts.admitted")
            self._send(now)
        with self._guarded("channels"):
            self._tell_failing(now)
        with self._guarded("pulse"):
            self._pulse(now)

    def drain(self) -> None:
        """Send what is due until nothing is left, and wait for it: a service of one turn."""
        self.turn()
        sending = True
        while sending:
            self._couriers.wait()
            sending = False
            with self._guarded("plan"):
                sending = self._send(self._clock.now()) > 0
        if self._pinger is not None:
            self._pinger.wait()

    # -- parts of a turn -------------------------------------------------------------------------

    def _recover(self) -> None:
        """Take up what a dead service, or a round that ended with an error, left claimed."""
        for name, error in self._couriers.failures().items():
            self._note(name, error)
            self._recovered = False
        if not self._recovered and not self._couriers.busy:
            self._queue.recover()
            self._recovered = True

    def _watch(self, now: datetime) -> None:
        if self._watched is not None and now - self._watched < WATCH_EVERY:
            return
        self._watched = now
        for found in self._look(now):
            self._book.raise_alert(found.alert, found.key, now)

    def _send(self, now: datetime) -> int:
        """Hand what may go to the couriers; return how many messages that are."""
        if self._channels and self._couriers.busy == self._channels.keys():
            return 0
        deliveries = self._queue.open_deliveries()
        self._waiting = sum(1 for one in deliveries if one.state is State.PENDING)
        if not deliveries:
            return 0
        health = self._queue.health()
        gone = {one.channel for one in deliveries} - self._channels.keys()
        failing = health | dict.fromkeys(gone, NOT_SET_UP)
        moves = plan.escalate(deliveries, failing, now)
        self._queue.move(moves.wake, State.PENDING, "a channel before it fails")
        self._queue.move(moves.drop, State.UNNEEDED, "a channel before it took it")
        if moves.wake or moves.drop:
            deliveries = self._queue.open_deliveries()
        own = [one for one in deliveries if one.channel in self._channels]
        busy = self._couriers.busy
        go, _ = plan.due(own, health, self._queue.lately(now), self._rules, now, busy)
        parcels = [self._parcel(one, deliveries) for one in go]
        self._couriers.send(parcels)
        return len(parcels)

    def _parcel(self, delivery: Delivery, deliveries: Sequence[Delivery]) -> Parcel:
        before = sorted(
            other.channel
            for other in deliveries
            if other.alert_id == delivery.alert_id
            and other.step < delivery.step
            and other.state is not State.SENT
        )
        context = Context(
            thread=delivery.thread,
            more=delivery.more,
            since=delivery.since,
            doubtful=delivery.doubtful,
            instead=" and ".join(before),
            reports=self._reports,
        )
        return delivery, context

    def _tell_failing(self, now: datetime) -> None:
        """Raise an alert on the other channels about one that fails."""
        if len(self._channels) < 2:
            return
        for name, health in self._queue.health().items():
            if name in self._channels and plan.is_failing(health, now):
                assert health.since is not None
                said = f"{name} has failed {health.failures} times since {health.since:%H:%M}"
                alert = alert_of(Trigger.CHANNEL_FAILING, name, said, detail=health.detail)
                self._book.raise_alert(alert, f"failing:{name}:{health.since.isoformat()}", now)

    def _pulse(self, now: datetime) -> None:
        if self._beaten is not None and now - self._beaten < pulse.BEAT:
            return
        self._beaten = now
        with self._guarded("red"):
            self._reds = tuple(self._red(now))
        if self._pinger is not None:
            self._pinger.beat((*self._reds, *self._problems), now)
        self._write_pulse(now)

    def _write_pulse(self, now: datetime, *, stopped: bool = False) -> None:
        if self._beat is None:
            return
        problems, pinged = list(self._problems), None
        if self._pinger is not None:
            pinged = self._pinger.pinged
            problems += [self._pinger.problem] if self._pinger.problem else []
        found = Pulse(os.getpid(), now, self._waiting, self._reds, tuple(problems), pinged, stopped)
        pulse.write(self._beat, found)

    @contextmanager
    def _guarded(self, part: str) -> Iterator[None]:
        """Let one part of a turn fail without the others."""
        try:
            yield
        except (KasautiError, OSError) as error:
            self._note(part, error)
        except Exception as error:  # noqa: BLE001 - nothing may end the service
            self._note(part, error)

    def _note(self, part: str, error: BaseException) -> None:
        said = redacted(f"{part}: {type(error).__name__}: {error}", secrets_of())
        if said not in self._problems:
            self._problems.append(said)
            log.warning("%s", said)


def unhealthy(book: AlertBook) -> Red:
    """Return what is red by the book alone: errors that nobody looks after."""

    def red(now: datetime) -> list[str]:
        found = book.open_incidents(now)
        return [one.title for one in found if one.severity >= Severity.ERROR]

    return red


@contextmanager
def only_one(book: Path) -> Iterator[None]:
    """Hold the lock that makes one service of a book; the kernel frees it when the holder dies.

    Raises
    ------
    AlertError
        If another service runs.
    """
    path = book.with_name(book.name + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlertError(
                f"another alerts service works on {book}: `kasauti up` runs one, end it first"
            ) from None
        yield
