"""The check of backups: when one was last proved; they are made and proved elsewhere."""

from datetime import timedelta

from kasauti.backups.history import last_proof
from kasauti.health.model import Check, Health
from kasauti.health.surroundings import Surroundings

REMEDY = "run `kasauti backup` and see what it says"


def look(around: Surroundings) -> list[Check]:
    """Look whether a backup of the last two days was restored and verified."""
    found = last_proof(around.home)
    failed = f"; the last attempt failed: {found.failed.rstrip('.')}" if found.failed else ""
    if found.proved is None:
        health = Health.RED if around.trades or failed else Health.ABSENT
        return [Check("backup", health, f"none was ever proved{failed}: {REMEDY}")]
    figures = {"hours ago": round((around.now - found.proved) / timedelta(hours=1), 1)}
    said = f"last proved {found.proved.astimezone(around.now.tzinfo):%Y-%m-%d %H:%M}{failed}"
    if not found.is_fresh(around.now):
        return [Check("backup", Health.RED, f"{said}, over 48 h ago: {REMEDY}", figures)]
    health = Health.WARNING if failed else Health.OK
    return [Check("backup", health, f"{said}: {REMEDY}" if failed else said, figures)]
