"""The demo: the whole way once, as Dagster runs on the replay clock; what is done is not repeated."""

import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from assets.evolution import FRONT
from assets.execution import BOOK, INTENTS, ORDERS
from assets.features import DAILY
from assets.market import BARS, FORWARD
from assets.operations import REPORT
from assets.regimes import LABELS
from assets.signals import SIGNALS
from assets.validation import APPROVALS, VERDICTS
from kasauti.errors import KasautiError, UsageError
from kasauti.home import Home
from kasauti.operations.progress import Progress
from pipelines.definitions import build_defs
from pipelines.instance import end_abandoned_runs, is_current, made, open_instance, version_of
from pipelines.sensors import new_signals
from resources.project import Project

MARK = "kasauti/demo"
SESSIONS = 6  # of the replay; the rest of the sample's last sessions is left to play with
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Stage:
    """One stage of the demo: its name on the terminal and the assets that it makes."""

    name: str
    keys: tuple[dg.AssetKey, ...]


RESEARCH = (
    Stage("market data", (BARS,)),
    Stage("features", (DAILY,)),
    Stage("regimes", (LABELS,)),
    Stage("evolution", (FRONT,)),
    Stage("trial", (VERDICTS, APPROVALS)),
)


class Demo:
    """One run of the demo over one state folder.

    Parameters
    ----------
    home : Home
    progress : Progress
    """

    def __init__(self, home: Home, progress: Progress) -> None:
        self._home = home
        self._progress = progress
        self._project = Project(home=str(home.root), bars="sample")
        self._defs = build_defs({"project": self._project})
        self._instance = open_instance(home)

    def run(self) -> None:
        """Do what has not been done yet."""
        end_abandoned_runs(self._instance, MARK)
        for stage in RESEARCH:
            self._make(stage)
        with self._progress.stage("replay", SESSIONS) as shown:
            for number, day in enumerate(self._project.desk().days[:SESSIONS], start=1):
                self._session(day)
                shown.update(number, f"session of {day}")
        self._make(Stage("report", (REPORT,)))

    def _make(self, stage: Stage) -> None:
        with self._progress.stage(stage.name) as shown:
            stale = [key for key in stage.keys if not self._is_current(key)]
            if stale:
                self._execute("research" if stage in RESEARCH else "report", stale)
            else:
                shown.say("up to date")

    def _is_current(self, key: dg.AssetKey) -> bool:
        if key == BARS and version_of(self._instance, BARS) != self._bars_version():
            return False
        return is_current(self._instance, key)

    def _bars_version(self) -> str:
        return self._project.admitted().searched.data_version

    def _session(self, day: date) -> None:
        """Trade one session and decide the signals for the next, unless that was done."""
        desk = self._project.desk()
        if desk.now().date() > day:
            return
        desk.move_to(day)
        if day != desk.days[0] and not self._shows(ORDERS, day):
            self._execute("session", BOOK)
        if not self._shows(SIGNALS, day):
            self._execute("daily", (FORWARD, SIGNALS))
        self._trade()

    def _shows(self, key: dg.AssetKey, day: date) -> bool:
        newest = made(self._instance, key)
        return newest is not None and newest.metadata["session"].value == str(day)

    def _trade(self) -> None:
        """Ask the sensor, and start the run that it asks for, once a version."""
        with dg.build_sensor_context(instance=self._instance) as context:
            wanted = new_signals(context)
        if not isinstance(wanted, dg.RunRequest):
            return
        key = {"dagster/run_key": str(wanted.run_key), "dagster/sensor_name": new_signals.name}
        done = self._instance.get_runs(
            dg.RunsFilter(tags=key, statuses=[dg.DagsterRunStatus.SUCCESS])
        )
        if not done:
            self._execute("trade", (INTENTS,), {**wanted.tags, **key})

    def _execute(
        self, job: str, keys: Sequence[dg.AssetKey], tags: Mapping[str, str] | None = None
    ) -> None:
        result = self._defs.resolve_job_def(job).execute_in_process(
            instance=self._instance,
            asset_selection=list(keys),
            run_config=QUIET,
            tags={MARK: "true", **(tags or {})},
            raise_on_error=False,
        )
        if not result.success:
            raise KasautiError(f"{job} failed on {', '.join(k.to_user_string() for k in keys)}: {_why(result)}")


def _why(result: dg.ExecuteInProcessResult) -> str:
    failed = [event for event in result.all_events if event.is_step_failure]
    if not failed:
        return "see the run in Dagster"
    error = failed[0].step_failure_data.error
    return f"{failed[0].step_key}: {(error.cause or error).message.strip() if error else ''}"


@contextmanager
def only_one(home: Home) -> Iterator[None]:
    """Hold the demo's lock; two at once would replay the same sessions side by side."""
    path: Path = home.root / "demo.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"another demo works in {home.root}: wait until it ends") from error
        yield


def run_demo(home: Home, progress: Progress) -> dict[str, Any]:
    """Run the demo and return its outcome as plain values."""
    with only_one(home):
        demo = Demo(home, progress)
        demo.run()
        return demo.outcome()
