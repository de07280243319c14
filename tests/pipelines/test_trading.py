"""From signals to fills through Dagster: the order of events, every control, and kill -9."""

import multiprocessing
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from assets.execution import INTENTS
from assets.market import FORWARD
from assets.signals import SIGNALS
from kasauti.execution.controls import CONTROLS
from kasauti.execution.events import GateDecided, IntentCommitted, OrderFilled, OrderMoved
from kasauti.execution.model import Purpose
from kasauti.execution.orders import OrderEvent
from kasauti.market.bars import Bars
from kasauti.trading import ReplayDesk
from pipelines.sensors import new_signals
from resources.project import Project
from tests.pipelines.states import checks, events, made, replay_project, run

DECIDED, TRADED = 1, 2  # replay sessions: one bar before the decision can then be one too old


@contextmanager
def dagster() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def decide(project: Project, instance: dg.DagsterInstance) -> None:
    """Run the daily job at the close of the deciding session."""
    desk = project.desk()
    desk.move_to(desk.days[DECIDED])
    assert run(project, instance, "daily", [FORWARD, SIGNALS]).success


def ask(instance: dg.DagsterInstance) -> dg.RunRequest:
    with dg.build_sensor_context(instance=instance) as context:
        wanted = new_signals(context)
    assert isinstance(wanted, dg.RunRequest)
    return wanted


def trade(project: Project, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    result = run(project, instance, str(new_signals.job_name))
    assert result.success and made(result) == {"execution/intents"}
    return result


def work_session(project: Project, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """Run the session job after the close of the traded session."""
    desk = project.desk()
    desk.move_to(desk.days[TRADED])
    return run(project, instance, "session")


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a state folder whose intents wait for the traded session's open."""
    home = tmp_path_factory.mktemp("committed")
    project = replay_project(home)
    with dagster() as instance:
        decide(project, instance)
        ask(instance)
        trade(project, instance)
    return home


@pytest.fixture
def waiting(committed: Path, tmp_path: Path) -> Project:
    """Return a copy of it."""
    return copied(committed, tmp_path / "home")


def copied(home: Path, to: Path) -> Project:
    shutil.copytree(home, to)
    return replay_project(to)


def parents(project: Project) -> list[IntentCommitted]:
    """Return the intents that came from signals, in the ledger's order."""
    with events(project) as records:
        found = [r.event for r in records if isinstance(r.event, IntentCommitted)]
    return [one for one in found if one.intent.parent is None]


# -- signals become intents ----------------------------------------------------------------------


def test_signals_start_the_trade_job_which_queues_and_sends_nothing(tmp_path: Path) -> None:
    project = replay_project(tmp_path)
    with dagster() as instance:
        decide(project, instance)
        wanted = ask(instance)
        trade(project, instance)
    space = project.workspace()
    assert wanted.run_key == space.lake.current("signals/daily")
    (intent,) = (one.intent for one in parents(project))
    session = project.desk().calendar.session(project.desk().days[TRADED])
    assert session is not None and intent.valid_from == session.open
    assert (intent.purpose, intent.symbol) == (Purpose.ENTRY, "SP500")
    shown = space.lake.read("execution/intents")
    assert shown["key"].tolist() == [intent.key] and shown["outcome"].tolist() == ["queued"]
    with events(project) as records:
        assert not [r for r in records if isinstance(r.event, GateDecided | OrderMoved)]


def test_the_same_signals_again_add_nothing(waiting: Project) -> None:
    before = parents(waiting)
    with dagster() as instance:
        decide(waiting, instance)
        first = ask(instance)
        decide(waiting, instance)
        assert ask(instance).run_key == first.run_key
        trade(waiting, instance)
        trade(waiting, instance)
    assert parents(waiting) == before != []


def test_what_the_trade_job_commits_is_what_the_signals_show(waiting: Project) -> None:
    shown = waiting.workspace().lake.read("signals/daily")
    ordered = shown[shown["quantity"] > 0]
    assert len(shown) > len(ordered), "a signal of less than one share is shown, not ordered"
    assert [
        (one.intent.symbol, one.intent.quantity, float(one.intent.limit_price))
        for one in parents(waiting)
    ] == list(ordered[["symbol", "quantity", "limit"]].itertuples(index=False, name=None))


# -- the session ---------------------------------------------------------------------------------


def test_an_intent_is_on_disk_before_anything_is_sent(waiting: Project) -> None:
    """Also in the order of the commits, ledger and broker taken together."""
    commits: list[list[str]] = []
    with listening(commits.append), dagster() as instance:
        assert work_session(waiting, instance).success
    kinds = [kind for commit in commits for kind in commit]
    assert kinds.index("GateDecided") < kinds.index("Placed") < kinds.index("OrderMoved")
    (key,) = (one.intent.key for one in parents(waiting))
    with events(waiting) as records:
        sequence = [
            next(r.seq for r in records if isinstance(r.event, kind) and is_of(r.event, key))
            for kind in (IntentCommitted, GateDecided, OrderMoved, OrderFilled)
        ]
    assert sequence == sorted(sequence)


def is_of(found: Any, key: str) -> bool:
    """Whether an event is about the intent `key`."""
    if isinstance(found, IntentCommitted):
        return found.intent.key == key
    return not isinstance(found, GateDecided) or found.key == key


def test_every_control_was_evaluated_and_passed_and_the_order_filled(waiting: Project) -> None:
    with dagster() as instance:
        result = work_session(waiting, instance)
    assert result.success
    assert checks(result)["every_control_was_evaluated"].passed
    assert checks(result)["ledger_is_whole"].passed
    (key,) = (one.intent.key for one in parents(waiting))
    decided = ruling(waiting, key)
    assert decided.allowed
    assert [word.control for word in decided.decisions] == [control.id for control in CONTROLS]
    assert all(word.passed for word in decided.decisions)
    book = waiting.desk().book()
    order = book.order(key)
    assert order is not None and order.filled == order.intent.quantity
    assert book.positions["SP500"].quantity == order.intent.quantity
    lake = waiting.workspace().lake
    assert len(lake.read("execution/fills")) == 1
    assert lake.read("execution/positions")["symbol"].tolist() == ["SP500"]
    assert lake.read("execution/positions")["stop"].notna().all(), "it is protected"


def ruling(project: Project, key: str) -> GateDecided:
    """Return the gate's decision on the intent `key`."""
    with events(project) as records:
        (found,) = (
            r.event for r in records if isinstance(r.event, GateDecided) and r.event.key == key
        )
    return found


def test_the_same_order_is_denied_when_one_bar_is_stale(
    committed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest bar of the symbol did not come: its reference is one session old."""
    fresh, stale = (copied(committed, tmp_path / name) for name in ("fresh", "stale"))
    with dagster() as instance:
        assert work_session(fresh, instance).success
        monkeypatch.setattr(ReplayDesk, "arrived", without_the_deciding_bar(ReplayDesk.arrived))
        assert work_session(stale, instance).success
    assert parents(fresh) == parents(stale), "the same order"
    (key,) = (one.intent.key for one in parents(stale))
    allowed, denied = ruling(fresh, key), ruling(stale, key)
    assert allowed.allowed and not denied.allowed
    assert denied.code == "STALE_REFERENCE"
    refused = [word for word in denied.decisions if not word.passed]
    assert [word.control for word in refused] == ["K09"]
    days = stale.desk().days
    assert refused[0].figures == {
        "reference": str(days[DECIDED - 1]),
        "fresh": str(days[DECIDED]),
    }
    assert [word.control for word in denied.decisions] == [control.id for control in CONTROLS]
    assert fresh.desk().book().fills and not stale.desk().book().fills
    with events(stale) as records:
        moves = [r.event for r in records if isinstance(r.event, OrderMoved)]
    assert not [move for move in moves if move.event is OrderEvent.ACKNOWLEDGE]


def without_the_deciding_bar(arrived: Callable[[ReplayDesk], Bars]) -> Callable[[ReplayDesk], Bars]:
    def changed(desk: ReplayDesk) -> Bars:
        bars = arrived(desk)
        close = bars.close.copy()
        close[bars.symbols.index("SP500"), DECIDED] = np.nan
        return replace(bars, close=close)

    return changed


def test_a_session_that_was_worked_is_not_worked_again(waiting: Project) -> None:
    with dagster() as instance:
        assert work_session(waiting, instance).success
        before, lake = waiting.desk().book(), waiting.workspace().lake
        versions = {key: lake.versions(f"execution/{key}") for key in ("orders", "fills")}
        assert work_session(waiting, instance).success
    after = waiting.desk().book()
    assert after.fingerprint() == before.fingerprint() and after.seq == before.seq
    assert versions == {key: lake.versions(f"execution/{key}") for key in versions}


def test_the_lineage_leads_from_the_order_to_its_bars(waiting: Project) -> None:
    with dagster() as instance:
        decide(waiting, instance)
        trade(waiting, instance)
        event_of_intents = instance.get_latest_materialization_event(INTENTS)
    assert event_of_intents is not None and event_of_intents.asset_materialization is not None
    tags = event_of_intents.asset_materialization.tags or {}
    version = waiting.workspace().lake.current("signals/daily")
    assert tags["dagster/input_data_version/signals/daily"] == version


# -- kill -9 -------------------------------------------------------------------------------------


@contextmanager
def listening(note: Callable[[list[str]], None]) -> Iterator[None]:
    """Call `note` in front of every commit, with the kinds of the rows that it would write."""
    kinds: list[str] = []

    def executed(conn: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        if statement.startswith(("INSERT INTO events", "INSERT INTO broker_events")):
            kinds.extend(str(value) for value in parameters if str(value).isalpha())

    def commit(conn: Any) -> None:
        if kinds:
            note(list(kinds))
        kinds.clear()

    event.listen(Engine, "before_cursor_execute", executed)
    event.listen(Engine, "commit", commit)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", executed)
        event.remove(Engine, "commit", commit)


def killed(project: Project, number: int) -> None:
    """Run the session job and die in front of commit `number`, as if the plug had been pulled."""
    count = 0

    def note(kinds: list[str]) -> None:
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    with listening(note), dagster() as instance:
        work_session(project, instance)


# The order is not known yet; recorded as sent but not sent; sent but not answered; filled; closed.
DANGEROUS = ("GateDecided", "Placed", "OrderMoved", "OrderFilled", "SessionClosed")


def moments(commits: list[list[str]]) -> list[int]:
    """Return commits to die in front of: the dangerous ones, and two of a seeded sample."""
    named = {kind: number for number, kinds in enumerate(commits, 1) for kind in kinds}
    sample = random.Random(11).sample(range(1, len(commits) + 1), 2)
    return sorted({*(named[kind] for kind in DANGEROUS), *sample})


def test_killed_in_the_session_job_and_run_again_it_ends_in_the_same_book(
    committed: Path, tmp_path: Path
) -> None:
    whole = copied(committed, tmp_path / "whole")
    commits: list[list[str]] = []
    with listening(commits.append), dagster() as instance:
        assert work_session(whole, instance).success
    expected = whole.desk().book().fingerprint()
    for number in moments(commits):
        project = copied(committed, tmp_path / str(number))
        process = multiprocessing.get_context("fork").Process(target=killed, args=(project, number))
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        with dagster() as instance:
            result = work_session(project, instance)
        assert result.success and checks(result)["ledger_is_whole"].passed
        what = f"killed before {commits[number - 1]}"
        assert project.desk().book().fingerprint() == expected, what
