"""The door to Slack: settings from the environment, a memory of what was posted lately."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg

from kasauti.alerts.memory import AlertMemory
from kasauti.alerts.messages import Message
from kasauti.alerts.slack import Delivery, DeliveryStatus, Slack, SlackSettings
from kasauti.home import Home

PAGE = "http://127.0.0.1:3000"


class SlackAlerts(dg.ConfigurableResource[Any]):
    """Posts alerts once an incident; the token never leaves the environment."""

    home: str = ""  # empty: KASAUTI_HOME, else var/
    page: str = ""  # address of Dagster's page; empty: KASAUTI_PAGE, else that of `kasauti up`

    def run_url(self, run_id: str) -> str:
        """Return the address of a run on Dagster's page."""
        page = self.page or os.environ.get("KASAUTI_PAGE", PAGE)
        return f"{page.rstrip('/')}/runs/{run_id}"

    def post(self, message: Message, now: datetime) -> Delivery:
        """Send `message` unless the same incident was accepted lately.

        The memory is written only after Slack accepted: what was lost is tried again next time.
        """
        memory = AlertMemory.from_text(self._read())
        if not memory.is_new(message.fingerprint, now):
            return Delivery(DeliveryStatus.REPEATED, "the same incident was posted lately")
        delivery = Slack(SlackSettings.from_environment()).send(message)
        if delivery.is_sent:
            self._write(memory.remember(message.fingerprint, now).to_text())
        return delivery

    @property
    def _file(self) -> Path:
        home = Home(Path(self.home)) if self.home else Home.from_environment()
        return home.root / "alerts.json"

    def _read(self) -> str | None:
        return self._file.read_text() if self._file.exists() else None

    def _write(self, text: str) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(f".{os.getpid()}")
        fresh.write_text(text)
        fresh.replace(self._file)
