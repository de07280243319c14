"""Family trees as the register tells them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kasauti.errors import LedgerError
from kasauti.evolution.lineage import family_of
from kasauti.evolution.register import TrialRegister
from tests.evolution.small import AT, dataset, trial


def register(path: Path) -> TrialRegister:
    """Return one with: old1 + old2 -> mid1 ; mid1 + mid2 -> young; odd is no kin."""
    found = TrialRegister(path / "register.sqlite")
    members = [
        ("old1", 0, (), 0.1),
        ("old2", 0, (), 0.9),
        ("mid1", 1, ("old1", "old2"), 1.2),
        ("mid2", 1, ("old2",), None),
        ("odd", 1, ("old2",), 3.0),
        ("young", 2, ("mid1", "mid2"), 1.5),
    ]
    for name, generation, parents, sharpe in members:
        one = replace(
            trial(name), generation=generation, parents=parents, figures={"sharpe": sharpe}
        )
        found.record(dataset(), [one], at=AT)
    return found


def test_the_tree_holds_the_ancestors_and_nobody_else(tmp_path: Path) -> None:
    kin = {one.genome: one for one in family_of(register(tmp_path), "young", dataset().id)}
    assert list(kin) == ["young", "mid1", "mid2", "old1", "old2"]
    assert kin["young"].parents == ("mid1", "mid2")
    assert {name: one.children for name, one in kin.items()} == {
        "young": 0,
        "mid1": 1,
        "mid2": 1,
        "old1": 1,
        "old2": 2,
    }
    assert np.isnan(kin["mid2"].sharpe)
    assert [one.generation for one in kin.values()] == [2, 1, 1, 0, 0]


def test_the_strongest_line_follows_the_better_parent(tmp_path: Path) -> None:
    kin = family_of(register(tmp_path), "young", dataset().id)
    assert [one.genome for one in kin if one.on_line] == ["young", "mid1", "old2"]


def test_a_founder_is_its_own_family(tmp_path: Path) -> None:
    (alone,) = family_of(register(tmp_path), "old1", dataset().id)
    assert alone.on_line and alone.children == 0


def test_who_was_never_tried_has_no_family(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="never tried"):
        family_of(register(tmp_path), "stranger", dataset().id)
