"""Raises an alert that no ledger event carries; whoever raises it goes on in any case."""

import logging
from contextlib import closing
from datetime import datetime
from pathlib import Path

from kasauti.alerts.book import AlertBook
from kasauti.alerts.model import Alert
from kasauti.errors import AlertError

log = logging.getLogger(__name__)


def tell(path: Path, alert: Alert, key: str, now: datetime) -> bool:
    """Commit an alert to the book at `path`; return whether it stands there.

    A book that cannot be written is logged and not raised: alerting never fails what it tells of.
    """
    try:
        with closing(AlertBook(path)) as book:
            book.raise_alert(alert, key, now)
    except AlertError as error:
        log.warning("%s was not raised: %s", alert.title, error)
        return False
    return True
