"""What was decided for which session, as the ledger has it; nothing is decided here.

That a strategy did not trade says something about it only where it was asked in time.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from kasauti.execution.events import Record, SignalsDecided
from kasauti.execution.ledger import Entry, Ledger


@dataclass(frozen=True)
class Decided:
    """The decisions for one session.

    Attributes
    ----------
    keys : frozenset of str
        Of all intents that were wanted.
    in_time : bool
        Whether the first of them was made before the open.
    """

    keys: frozenset[str]
    in_time: bool

    def wants(self, genome_hash: str, symbol: str, purpose: str) -> bool:
        """Whether an intent of this strategy was wanted."""
        start, end = f"{genome_hash[:16]}|", f"|{symbol}|{purpose}"
        return any(key.startswith(start) and key.endswith(end) for key in self.keys)


def record_decision(ledger: Ledger, event: SignalsDecided, now: datetime) -> None:
    """Append what was decided; the same again changes nothing."""
    said = "\n".join([*event.keys, "", *event.genomes])
    digest = hashlib.sha256(said.encode()).hexdigest()
    ledger.append_all([Entry(event, f"decided:{event.day}:{digest[:16]}")], at=now)


def decided_for(records: Iterable[Record]) -> dict[date, Decided]:
    """Return the decisions by the session that they are for."""
    found: dict[date, Decided] = {}
    for record in records:
        event = record.event
        if isinstance(event, SignalsDecided):
            in_time = record.at < event.opens
            known = found.get(event.day, Decided(frozenset(), False))
            found[event.day] = Decided(known.keys | set(event.keys), known.in_time or in_time)
    return found
