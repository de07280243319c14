"""A trade run that is killed while it holds the orders' only slot: the next one trades."""

import logging
import os
import signal
from contextlib import closing
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._daemon.monitoring import concurrency
from dagster._time import get_current_datetime

from kasauti.execution import failpoints
from kasauti.genome import genome_from_genes
from pipelines.instance import open_instance
from resources.project import Project
from tests.pipelines.states import run
from tests.pipelines.test_own_bars import BUYS_NEARLY_ALWAYS, FRIDAY, approve, cheap, project


def test_the_next_run_gets_the_slot_and_finds_the_intent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = project(tmp_path / "bars", tmp_path / "home", "moderate")
    cheap(tmp_path / "bars", date(2026, 11, 19))
    approve(own, genome_from_genes(BUYS_NEARLY_ALWAYS), own.profile)
    cheap(tmp_path / "bars", FRIDAY)
    with open_instance(own.workspace().home) as instance:
        assert run(own, instance, "daily").success
    committed, told = os.pipe()
    process = get_context("fork").Process(target=_trade, args=(own, told))
    process.start()
    os.read(committed, 1)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    with open_instance(own.workspace().home) as instance:
        (dead,) = instance.get_runs(dg.RunsFilter(job_name="trade"))
        assert _holders(instance) == {dead.run_id}, "Dagster knows no dead process by itself"
        instance.report_run_failed(dead)  # as its run monitor does
        later = get_current_datetime() + timedelta(minutes=1)
        monkeypatch.setattr(concurrency, "get_current_datetime", lambda: later)
        list(_free_slots(instance))
        assert not _holders(instance)
        assert run(own, instance, "trade").success
    with closing(own.desk().ledger()) as ledger:
        assert len(ledger.book().orders) == 1, "the intent of the killed run, and no second one"


def _trade(own: Project, told: int) -> None:
    waits, _ = os.pipe()
    with open_instance(own.workspace().home) as instance:
        failpoints.arm({failpoints.ENVIRONMENT: f"intent.committed,1,{told},{waits}"})
        run(own, instance, "trade")


def _holders(instance: dg.DagsterInstance) -> set[str]:
    return set(instance.event_log_storage.get_concurrency_info("orders").active_run_ids)


def _free_slots(instance: dg.DagsterInstance) -> Any:
    """Run the daemon's own look, with the settings of our dagster.yaml."""
    context: Any = SimpleNamespace(instance=instance)
    return concurrency.execute_concurrency_slots_iteration(context, logging.getLogger())
