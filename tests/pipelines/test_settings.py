"""Settings that stand in one place and must mean the same to desk, Dagster and reports."""

from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from kasauti.execution.custom_limits import profile_name
from resources.project import Project

ROOT = Path(__file__).parents[2]


def test_the_slot_of_a_killed_run_is_free_again() -> None:
    """Dagster frees none by itself: one killed trade run would block every later one."""
    settings = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert settings["concurrency"]["pools"]["default_limit"] == 1
    assert 0 < settings["run_monitoring"]["free_slots_after_run_end_seconds"] <= 60


def test_dagster_takes_the_profile_that_the_desk_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KASAUTI_PROFILE", raising=False)
    assert Project()._profile() == profile_name({}) == "ultra-conservative"
    monkeypatch.setenv("KASAUTI_PROFILE", "moderate")
    assert Project()._profile() == "moderate"
    assert Project(profile="conservative")._profile() == "conservative"
