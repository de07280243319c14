"""The hash chain of the events: one event's hash, the whole chain's verification; no database."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

NOTHING = "0" * 64
SEAL = "told"  # no event has a field of that name, and reading one passes over it
_SEAL = f'{{"{SEAL}":"'
MOST_PROBLEMS = 100  # of a list that somebody reads; the rest is counted

Anchor = tuple[int, str]
"""Number and hash of an event, kept outside of the database."""


@dataclass(frozen=True)
class Verification:
    """What was found; no problems means that the ledger is as it was written.

    Attributes
    ----------
    events : int
        Number of the last event.
    head : str
        Its hash.
    problems : tuple of str
    """

    events: int
    head: str
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every event is as it was written."""
        return not self.problems


class Chain:
    """Takes in the rows of the event table in order and notes what is wrong with them.

    Parameters
    ----------
    anchors : sequence of Anchor
        The chain alone cannot tell that its tail was cut off.
    """

    def __init__(self, anchors: Sequence[Anchor] = ()) -> None:
        self._anchors = dict(anchors)
        self._seq, self._epoch, self._previous = 0, 0, NOTHING
        self._problems: list[str] = []
        self._count = 0
        self._seals: dict[int, str] = {}

    def take(self, row: Sequence[Any]) -> None:
        """Take in the columns of one row, in the table's order."""
        try:
            self._take(row)
        except (TypeError, ValueError) as error:  # a database takes any value in any column
            self.note(f"event {row[0]} cannot be read: {error}")
            self._seq = row[0]

    def _take(self, row: Sequence[Any]) -> None:
        seq, epoch, _, _, _, _, previous, found = row
        if seq != self._seq + 1:
            self.note(f"event {self._seq + 1} is missing: next is {seq}")
        if previous != self._previous:
            self.note(f"event {seq} does not follow the one before it")
        if found != digest(row[:7]):
            self.note(f"event {seq} was changed")
        if epoch < self._epoch:
            self.note(f"event {seq} has epoch {epoch} after {self._epoch}")
        anchored = self._anchors.pop(seq, found) if self._anchors else found
        if anchored != found:
            self._miss(seq)
        self._seq, self._epoch, self._previous = seq, epoch, found
        if (seal := seal_of(row[5])) is not None:
            self._seals[seq] = seal

    def hear(self, messages: Iterable[tuple[int, str]]) -> None:
        """Compare the alerts of the outbox, read after the events, with what these say of them.

        Events of before there were seals say nothing, and their messages are taken as they are.
        """
        since, left = min(self._seals, default=self._seq), dict(self._seals)
        for seq, message in messages:
            seal = left.pop(seq, None)
            if since < seq <= self._seq and seal is None:
                self.note(f"the message of event {seq} was added")
            elif seal is not None and seal != _sha256(message):
                self.note(f"the message of event {seq} was changed")
        for seq in left:
            self.note(f"the message of event {seq} is missing")

    def note(self, problem: str) -> None:
        """Add a problem that somebody else found."""
        self._count += 1
        if self._count <= MOST_PROBLEMS:
            self._problems.append(problem)

    def end(self) -> Verification:
        """Return what was found in all."""
        for seq, anchored in self._anchors.items():
            if (seq, anchored) != (0, NOTHING):
                self._miss(seq)
        more = self._count - len(self._problems)
        rest = [f"and {more} more"] if more else []
        return Verification(self._seq, self._previous, (*self._problems, *rest))

    @property
    def ok(self) -> bool:
        """Whether nothing was wrong so far; anchors that are still to come aside."""
        return not self._count

    @property
    def seq(self) -> int:
        """Number of the last event taken in."""
        return self._seq

    def _miss(self, seq: int) -> None:
        self.note(f"event {seq} is not the one that was anchored")


def sealed(payload: str, message: str) -> str:
    """Return an event's payload with the hash of its alert, so that the chain covers both."""
    rest = "," + payload[1:] if payload != "{}" else "}"
    return f'{_SEAL}{_sha256(message)}"{rest}'


def seal_of(payload: str) -> str | None:
    """Return the hash of its alert that a payload carries, if any."""
    found = isinstance(payload, str) and payload.startswith(_SEAL)
    return payload[len(_SEAL) :].partition('"')[0] if found else None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def digest(values: Sequence[Any]) -> str:
    """Return the hash of an event: of all its columns but the hash itself."""
    return _sha256(json.dumps(list(values), separators=(",", ":")))
