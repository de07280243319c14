"""The guarded broker: commits intents and returns their outcomes; it has no broker of its own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from resources.project import Project

if TYPE_CHECKING:
    from kasauti.execution.model import Intent, Outcome


class GuardedBroker(dg.ConfigurableResource[Any]):
    """The only way from Dagster to an order: intent, ledger, desk, gate."""

    project: dg.ResourceDependency[Project]

    def submit(self, intents: "Sequence[Intent]") -> "dict[str, Outcome]":
        """Commit each intent under its unique key and return what became of it."""
        return self.project.desk().submit(intents)
