"""The permission to trade one genome; how a verdict earns it is validation's business."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from kasauti.execution.model import Scope


@dataclass(frozen=True)
class Permit:
    """An approval, or the replay's permit for its clearly labelled reference strategy.

    Attributes
    ----------
    genome_hash : str
    scope : Scope
        The kind of ledger that it counts in. A replay permit is worth nothing anywhere else.
    granted_by, reason : str
    valid_from, valid_until : datetime
        Aware.
    """

    genome_hash: str
    scope: Scope
    granted_by: str
    reason: str
    valid_from: datetime
    valid_until: datetime

    def covers(self, genome_hash: str, scope: Scope, moment: datetime) -> bool:
        """Whether it permits this genome in a ledger of this scope at `moment`."""
        return (
            self.genome_hash == genome_hash
            and self.scope is scope
            and self.valid_from <= moment < self.valid_until
        )


Permits = Callable[[str], Permit | None]
"""Looks up the permit of a genome hash; reads the present state each time it is asked."""
