"""The door to the alert book: what failed in Dagster is committed there, the service sends it."""

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from kasauti.home import Home

if TYPE_CHECKING:  # a code location has to load within 3 s
    from kasauti.alerts.model import Alert

PAGE = "http://127.0.0.1:3000"


class AlertDoor(dg.ConfigurableResource[Any]):
    """Commits alerts; no channel and no secret is known here."""

    home: str = ""  # empty: KASAUTI_HOME, else var/
    page: str = ""  # address of Dagster's page; empty: KASAUTI_PAGE, else that of `kasauti up`

    def run_url(self, run_id: str) -> str:
        """Return the address of a run on Dagster's page."""
        page = self.page or os.environ.get("KASAUTI_PAGE", PAGE)
        return f"{page.rstrip('/')}/runs/{run_id}"

    def commit(self, alerts: "dict[str, Alert]", now: datetime) -> int:
        """Commit alerts under their keys and return how many are new.

        Raises
        ------
        AlertError
            If the book cannot be written: the tick fails, and the next one tries again.
        """
        from contextlib import closing

        from kasauti.alerts.book import AlertBook

        if not alerts:
            return 0
        home = Home(Path(self.home)) if self.home else Home.from_environment()
        with closing(AlertBook(home.alerts)) as book:
            return sum(book.raise_alert(alert, key, now) for key, alert in alerts.items())
