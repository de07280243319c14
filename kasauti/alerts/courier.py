"""Sends what the plan lets go, one thread a channel, so that a slow provider delays only itself.

Each send stands between two commits: claimed before, recorded after.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from random import Random

from kasauti.alerts.channels.base import Channel
from kasauti.alerts.messages import Context
from kasauti.alerts.queue import Queue
from kasauti.alerts.state import Answer, Delivery, Verdict
from kasauti.execution import failpoints

Parcel = tuple[Delivery, Context]
ROUND = 10  # messages on one channel before it is planned anew: something worse may have come


class Couriers:
    """The threads that send.

    Parameters
    ----------
    queue : Queue
    channels : mapping of str to Channel
    now : callable
        Exchange time.
    rng : Random
        For the back-off.
    """

    def __init__(
        self,
        queue: Queue,
        channels: Mapping[str, Channel],
        *,
        now: Callable[[], datetime],
        rng: Random,
    ) -> None:
        self._queue = queue
        self._channels = dict(channels)
        self._now = now
        self._rng = rng
        self._ending = threading.Event()
        self._rounds: dict[str, Future[None]] = {}
        self._pool = ThreadPoolExecutor(max(len(self._channels), 1), "courier")

    @property
    def busy(self) -> frozenset[str]:
        """The channels that are just sending."""
        return frozenset(name for name, one in self._rounds.items() if not one.done())

    def send(self, parcels: Sequence[Parcel]) -> None:
        """Begin to send, on the channels that are not busy."""
        busy = self.busy
        for name in self._channels:
            own = [parcel for parcel in parcels if parcel[0].channel == name]
            if own and name not in busy:
                self._rounds[name] = self._pool.submit(self._work, name, own[:ROUND])

    def failures(self) -> dict[str, BaseException]:
        """Return which rounds ended with an error since the last call."""
        found: dict[str, BaseException] = {}
        for name, one in list(self._rounds.items()):
            if not one.done():
                continue
            del self._rounds[name]
            error = one.exception()
            if error is not None:
                found[name] = error
        return found

    def wait(self) -> None:
        """Wait for every round to end."""
        for one in list(self._rounds.values()):
            one.exception()

    def close(self) -> None:
        """End after the message that is just sent."""
        self._ending.set()
        self._pool.shutdown(wait=True)

    def _work(self, name: str, parcels: Sequence[Parcel]) -> None:
        for delivery, context in parcels:
            if self._ending.is_set():
                return
            claimed = self._queue.claim(delivery, self._now())
            if claimed is None:
                continue
            failpoints.reach("alerts.claimed")
            answer = self._ask(name, claimed, context)
            failpoints.reach("alerts.accepted")
            self._queue.record(claimed, answer, self._now(), self._rng)
            failpoints.reach("alerts.recorded")
            if answer.verdict is Verdict.RETRY:
                return  # the plan says when the next one may try

    def _ask(self, name: str, delivery: Delivery, context: Context) -> Answer:
        try:
            return self._channels[name].send(delivery.alert, context)
        except Exception as error:  # noqa: BLE001 - a provider's library may raise anything
            # Its text may hold anything, too: the type is enough to find it.
            logging.getLogger(__name__).warning("%s raised %s", name, type(error).__name__)
            return Answer(Verdict.RETRY, f"{name} failed inside: {type(error).__name__}")
