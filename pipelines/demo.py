"""The demo: the whole way once, as Dagster runs on the replay clock; repeats no work."""

import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from assets.evolution import FRONT
from assets.execution import BOOK, INTENTS, ORDERS
from assets.features import DAILY
from assets.market import BARS, FORWARD
from assets.operations import DAILY_REPORT, REPORT, WEEKLY_SUMMARY
from assets.regimes import LABELS
from assets.signals import SIGNALS
from assets.strategies import FAMILY_TREE, GRAVEYARD, TEAR_SHEETS
from assets.twin import NIGHTLY
from assets.validation import APPROVALS, STAGE_KEYS, VERDICTS
from kasauti.errors import KasautiError, UsageError
from kasauti.execution import frames
from kasauti.home import Home
from kasauti.operations.progress import Progress
from kasauti.operations.words import money
from kasauti.show import say
from kasauti.show import table as print_table
from pipelines.definitions import build_defs
from pipelines.instance import end_abandoned_runs, is_current, made, open_instance, version_of
from pipelines.sensors import new_signals
from resources.project import Project

MARK = "kasauti/demo"
SESSIONS = 4  # of the replay: bought, stopped, bought again; three are left to go on with
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Stage:
    """One stage of the demo: its name on the terminal, the assets that it makes, and their job."""

    name: str
    keys: tuple[dg.AssetKey, ...]
    job: str = "research"


RESEARCH = (
    Stage("market data", (BARS,)),
    Stage("features", (DAILY,)),
    Stage("regimes", (LABELS,)),
    Stage("evolution", (FRONT,)),
    Stage("trial", (VERDICTS, *STAGE_KEYS, APPROVALS)),
    Stage("tear sheets", (FAMILY_TREE, GRAVEYARD, TEAR_SHEETS)),
)
AFTERWARDS = (
    Stage("twin", NIGHTLY, "nightly"),
    Stage("report", (REPORT,), "report"),
    Stage("daily report", (DAILY_REPORT,), "daily_report"),
    Stage("weekly summary", (WEEKLY_SUMMARY,), "weekly_summary"),
)


class Demo:
    """One run of the demo over one state folder.

    Parameters
    ----------
    project : Project
        On the sample; a test makes its search smaller.
    progress : Progress
    """

    def __init__(self, project: Project, progress: Progress) -> None:
        self._progress = progress
        self._project = project
        self._defs = build_defs({"project": project})
        self._instance = open_instance(project.workspace().home)

    def run(self) -> None:
        """Do what has not been done yet."""
        end_abandoned_runs(self._instance, MARK)
        for stage in RESEARCH:
            self._make(stage)
        days = self._project.desk().days[:SESSIONS]
        with self._progress.stage("replay", len(days)) as shown:
            for number, day in enumerate(days, start=1):
                self._session(day)
                shown.update(number, f"session of {day}")
        for stage in AFTERWARDS:
            self._make(stage)

    def _make(self, stage: Stage) -> None:
        with self._progress.stage(stage.name) as shown:
            stale = [key for key in stage.keys if not self._is_current(key)]
            if stale:
                self._execute(stage.job, stale)
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
            names = ", ".join(key.to_user_string() for key in keys)
            raise KasautiError(f"{job} failed on {names}: {_why(result)}")


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


def run_demo(project: Project, progress: Progress) -> dict[str, Any]:
    """Run the demo and return its outcome as plain values."""
    with only_one(project.workspace().home):
        Demo(project, progress).run()
    return outcome(project)


def outcome(project: Project) -> dict[str, Any]:
    """Return what the demo's state folder holds now, the same after every run."""
    space, desk = project.workspace(), project.desk()
    instance = open_instance(space.home)
    book, lake = desk.book(), space.lake
    verdicts = lake.read("validation/verdicts")
    permit = lake.read("validation/approvals").iloc[0]
    search = lake.read("evolution/search").iloc[0]
    return {
        "bars": {
            "version": desk.admitted.searched.data_version,
            "symbols": list(desk.admitted.searched.symbols),
            "searched": desk.admitted.searched.shape[1],
            "sealed": desk.admitted.seal.bars if desk.admitted.seal else 0,
            "forward": desk.forward.shape[1],
        },
        "search": {
            "evaluations": int(search["evaluations"]),
            "front": len(lake.read("evolution/front")),
            "registered": space.register.count(desk.admitted.searched.symbols),
        },
        "verdicts": [
            {
                "genome": str(genome),
                "reference": bool(rows["reference"].iloc[0]),
                "approved": bool(rows["approved"].iloc[0]),
                "gates": [
                    {"name": row["gate"], "passed": bool(row["passed"]), "reason": row["reason"]}
                    for row in rows.to_dict("records")
                ],
            }
            for genome, rows in verdicts.groupby("genome", sort=False)
        ],
        "traded": {"genome": str(permit["genome"]), "why": str(permit["label"])},
        "replay": {
            "sessions": [str(day.day) for day in book.days],
            "orders": _plain(frames.orders_frame(book)),
            "fills": _plain(frames.fills_frame(book)),
            "positions": _plain(frames.positions_frame(book)),
            "profit": float(sum(day.profit for day in book.days)),
            "charges": float(book.charges),
            "controls_evaluated": sorted(book.evaluated),
        },
        "versions": {
            key.to_user_string(): version_of(instance, key)
            for key in (BARS, DAILY, LABELS, FRONT, VERDICTS, APPROVALS, FORWARD, SIGNALS, *BOOK)
        },
        "report": str(space.home.reports / "report.html"),
    }


def _plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", date_format="iso"))
    return rows


def show(found: Mapping[str, Any]) -> None:
    """Print the outcome for a person."""
    mine = [one for one in found["verdicts"] if not one["reference"]]
    approved = [one for one in mine if one["approved"]]
    print_table(
        f"{found['search']['evaluations']:,} strategies were tried, {len(mine)} went on trial",
        ("strategy", "verdict", "why"),
        [
            (
                one["genome"][:12] + (" (reference)" if one["reference"] else ""),
                "approved" if one["approved"] else "not approved",
                next((gate["reason"] for gate in one["gates"] if not gate["passed"]), "all gates"),
            )
            for one in found["verdicts"]
        ],
    )
    if not approved:
        say(
            "Nothing was good enough. That is the usual answer. What the replay traded is a "
            "reference strategy, written by hand and not approved, to show the rest of the path."
        )
    replay = found["replay"]
    print_table(
        f"Paper orders of the replay, {replay['sessions'][0]} to {replay['sessions'][-1]}",
        ("day", "symbol", "order", ">shares", ">limit", "outcome", "state"),
        [
            (
                one["committed"][:10],
                one["symbol"],
                f"{one['side']} {one['purpose']}",
                one["quantity"],
                f"{one['limit']:,.2f}",
                one["outcome"],
                one["state"],
            )
            for one in replay["orders"]
        ],
    )
    say(
        f"{len(replay['fills'])} fills, {money(replay['profit'], 2)} net of "
        f"{money(replay['charges'], 2)} charges; every order passed "
        f"{len(replay['controls_evaluated'])} controls or was denied by one."
    )
    say(f"Report: {found['report']}\nNext: `make up` shows all of this in Dagster.")
