"""Checks of the state folder and of what is kept in it: vault, register, report, Dagster's own."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from kasauti.errors import KasautiError
from kasauti.health.model import Check, Health
from kasauti.health.surroundings import Surroundings


def folder(around: Surroundings) -> list[Check]:
    """Look whether the state folder can be read and written."""
    name, root = "state folder", around.home.root
    if not root.exists():
        return [Check(name, Health.ABSENT, str(root))]
    if not root.is_dir() or not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        wrong = f"{root} is no folder that can be written: mend it, or set KASAUTI_HOME"
        return [Check(name, Health.RED, wrong)]
    return [Check(name, Health.OK, str(root))]


def vault(around: Surroundings) -> list[Check]:
    """Verify every sealed file and the record of its openings."""
    path = around.home.vault

    def look() -> str:
        from kasauti.validation.seal import Vault

        found = Vault(path)
        found.verify()
        seals, openings = len(found.records.find("seal")), len(found.records.find("opening"))
        return f"{seals} sealed, {openings} opened, every file and record verified"

    # The book is made when it is first used: looking must not make one.
    return [_verified("vault", path, look, "nothing is sealed yet")]


def register(around: Surroundings) -> list[Check]:
    """Verify the chains of the trial register."""
    path = around.home.register

    def look() -> str:
        from kasauti.evolution.register import TrialRegister

        return f"{TrialRegister(path).verify():,} rows, the chains hold"

    return [_verified("trial register", path, look, "nothing was tried yet")]


def _verified(name: str, path: Path, look: Callable[[], str], absent: str) -> Check:
    if not path.exists():
        return Check(name, Health.ABSENT, absent)
    try:
        return Check(name, Health.OK, look())
    except KasautiError as error:
        return Check(name, Health.RED, str(error))


def report(around: Surroundings) -> list[Check]:
    """Say when the last report was made."""
    made = {path: path.stat().st_mtime for path in around.home.reports.glob("*.html")}
    if not made:
        return [Check("report", Health.ABSENT, "not made yet")]
    path, written = max(made.items(), key=lambda item: item[1])
    moment = datetime.fromtimestamp(written, around.now.tzinfo)
    return [Check("report", Health.OK, f"{path}, made {moment:%Y-%m-%d %H:%M}")]


def dagster(around: Surroundings) -> list[Check]:
    """Say whether Dagster ever stored anything."""
    path = around.home.dagster
    there = path.is_dir() and any(path.iterdir())
    detail = str(path) if there else "no run was started yet"
    return [Check("Dagster storage", Health.OK if there else Health.ABSENT, detail)]
