"""Puts the twin's word into the ledger, and ends approvals by it; it compares nothing itself.

Table, demotion and alert stand in one transaction. The first comparison of a session is the one
that counts: running it again changes nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Protocol

from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.execution.events import StrategyDemoted, TwinCompared
from kasauti.execution.ledger import Entry, Ledger
from kasauti.execution.model import Scope
from kasauti.execution.twin import TOLERANCE, over_tolerance
from kasauti.execution.twin_rows import Tolerance, TwinRow

WHO = "nightly twin"


class Revocable(Protocol):
    """The side of the approval records that ends them."""

    def granted_until(self, genome_hash: str, moment: datetime) -> bool:
        """Whether an approval granted until `moment` still stands."""
        ...

    def revoke(self, genome_hash: str, *, why: str, who: str, now: datetime) -> None:
        """End every approval of the genome."""
        ...


def record(
    ledger: Ledger,
    day: date,
    genomes: Sequence[str],
    rows: Sequence[TwinRow],
    *,
    now: datetime,
    tolerance: Tolerance = TOLERANCE,
) -> TwinCompared:
    """Append the comparison of `day`, and the demotion of every strategy that is over tolerance.

    A replay demotes nobody: what it trades was never approved.

    Returns
    -------
    TwinCompared
        The one that stands in the ledger.
    """
    known = compared_days(ledger).get(day)
    if known is not None:
        return known
    compared = TwinCompared(day, tuple(sorted(genomes)), tolerance, tuple(rows))
    entries = [Entry(compared, f"twin:{day}")]
    if ledger.scope is Scope.PAPER:
        entries += _demotions(day, rows)
    ledger.append_all(entries, at=now)
    return compared_days(ledger)[day]


def compared_days(ledger: Ledger) -> dict[date, TwinCompared]:
    """Return the comparisons in the ledger by day."""
    events = (record.event for record in ledger.events())
    return {event.day: event for event in events if isinstance(event, TwinCompared)}


def end_approvals(ledger: Ledger, approvals: Revocable, *, now: datetime) -> list[str]:
    """Revoke what the ledger has demoted and the approval records do not know yet.

    Returns
    -------
    list of str
        Hashes of the genomes whose approvals ended now.
    """
    ended = []
    for record in ledger.events():
        event = record.event
        if isinstance(event, StrategyDemoted) and approvals.granted_until(
            event.genome_hash, record.at
        ):
            approvals.revoke(event.genome_hash, why=event.reason, who=WHO, now=now)
            ended.append(event.genome_hash)
    return ended


def _demotions(day: date, rows: Sequence[TwinRow]) -> Iterable[Entry]:
    for genome, reason in over_tolerance(rows).items():
        said = f"{day}, paper and engine differ: {reason}"
        told = f"Strategy {genome[:12]} is demoted, its approval ends. {said}"
        alert = alert_of(Trigger.TWIN, genome[:12], told, key=str(day))
        yield Entry(StrategyDemoted(genome, day, said), f"demoted:{genome}:{day}", alert)
