"""The guarded broker: commits intents and returns their outcomes; it has no broker of its own."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from kasauti.execution.model import Intent, Outcome
from resources.project import Project


class GuardedBroker(dg.ConfigurableResource[Any]):
    """The only way from Dagster to an order: intent, ledger, desk, gate."""

    project: dg.ResourceDependency[Project]

    def submit(self, intents: Sequence[Intent]) -> dict[str, Outcome]:
        """Commit each intent under its unique key and return what became of it."""
        return self.project.desk().submit(intents)
