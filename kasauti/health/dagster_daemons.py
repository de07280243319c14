"""The check of Dagster's daemons: schedules, sensors, queue and monitor work; no process here."""

from datetime import timedelta

from kasauti.health import dagster_records
from kasauti.health.model import Check, Figure, Health
from kasauti.health.surroundings import Surroundings

NAME = "dagster daemons"
# Each beats every 30 s; five minutes, because one waits for a sensor that may take 60 s.
SILENT = timedelta(minutes=5)
STARTING = timedelta(minutes=2)
NEEDED = ("SCHEDULER", "SENSOR", "QUEUED_RUN_COORDINATOR", "MONITORING")
RESTART = "end `kasauti up` and start it again, its terminal says why"


def look(around: Surroundings) -> list[Check]:
    """Look whether every daemon gave a sign of life and none of them met an error."""
    beats = {beat.daemon: beat for beat in dagster_records.heartbeats(around.home.dagster) or ()}
    ages = {name: around.now - beat.at for name, beat in beats.items()}
    figures: dict[str, Figure] = {
        f"seconds since {name}": round(age.total_seconds()) for name, age in ages.items()
    }
    if around.supervisor is None or not around.is_up:
        return [Check(NAME, Health.ABSENT, "not started: `kasauti up` starts them", figures)]
    silent = [name for name in NEEDED if ages.get(name, timedelta.max) > SILENT]
    failed = [f"{name}: {beat.error}" for name, beat in beats.items() if beat.error]
    daemon = around.supervisor.find("daemon")
    since = daemon.since if daemon is not None else None
    if silent and since is not None and around.now - since < STARTING:
        return [Check(NAME, Health.OK, "starting", figures)]
    if silent:
        said = f"no sign of life of {', '.join(silent)} for {SILENT.seconds // 60} min: {RESTART}"
        return [Check(NAME, Health.RED, said, figures)]
    if failed:
        said = f"{'; '.join(failed)}: read the error on Dagster's page under Deployment, Daemons"
        return [Check(NAME, Health.RED, said, figures)]
    return [Check(NAME, Health.OK, f"all {len(beats)} gave a sign of life", figures)]
