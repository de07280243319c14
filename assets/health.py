"""Health as assets, one a subject, from one look; nothing stands downstream and nothing blocks."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.present import result, table
from kasauti.health.model import Health, Subject
from resources.project import Project

MEANINGS = {
    Subject.PROCESSES: "What runs: web page, daemons, code server, desk and alerts.",
    Subject.DATA: "How old feed, bars and the evening's assets are, by the calendar.",
    Subject.LEDGERS: "Chains, kill switch and controls of the ledgers; vault and trial register.",
    Subject.MACHINE: "Disk, clock and the state folder.",
    Subject.BACKUPS: "When a backup was last proved.",
}
KEYS = {subject: dg.AssetKey(["health", subject.value]) for subject in MEANINGS}
HEALTH = tuple(KEYS.values())
NOTHING_RED = "nothing_is_red"
RED = "red"  # metadata: names of the red checks, joined by commas


@dg.multi_asset(
    specs=[
        dg.AssetSpec(KEYS[subject], description=words, code_version="1")
        for subject, words in MEANINGS.items()
    ],
    check_specs=[
        dg.AssetCheckSpec(NOTHING_RED, asset=key, description="No check of this subject is red.")
        for key in HEALTH
    ],
    group_name="health",
)
def look_at_everything(
    project: Project,
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """One look at everything; red is a warning, because health must hold nothing back."""
    from kasauti.health.look import status_of

    status = status_of(project.workspace().home, project.now())
    for subject, key in KEYS.items():
        checks = status.about(subject)
        red = [check for check in checks if check.health is Health.RED]
        rows = [
            {"check": check.name, "health": check.health.value, "found": check.detail}
            for check in checks
        ]
        yield result(
            None, {"checks": table(rows), RED: ", ".join(check.name for check in red)}, key=key
        )
        yield dg.AssetCheckResult(
            check_name=NOTHING_RED,
            asset_key=key,
            passed=not red,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={check.name: check.detail for check in red},
        )
