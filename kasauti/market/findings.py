"""What a loader has to say about a file: findings and how they are collected; no rules here."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

LISTED_ROWS = 8
"""A finding names at most this many lines; a file that is wrong throughout stays readable."""


class Severity(StrEnum):
    """How much a finding takes away."""

    INFO = "info"
    """Nothing was left out."""
    WARNING = "warning"
    """Some rows or values were left out."""
    ERROR = "error"
    """The whole file was refused."""


@dataclass(frozen=True)
class Finding:
    """One problem of one file, as its owner should read it.

    Attributes
    ----------
    file : str
        File name.
    row : int or None
        First place: line of a text file (the header is line 1), row of a Parquet file (from 1);
        None where the whole file is meant.
    problem, remedy : str
        What is wrong, with every place up to a few; what was done and what to mend.
    severity : Severity
        See there.
    rows_dropped : int
        Rows that are not in the bars because of it.
    """

    file: str
    row: int | None
    problem: str
    remedy: str
    severity: Severity
    rows_dropped: int = 0

    def __str__(self) -> str:
        place = self.file if self.row is None else f"{self.file}:{self.row}"
        return f"{place}: {self.problem}. {self.remedy}"


@dataclass
class FileReport:
    """Collects the findings of one file while it is read and repaired."""

    file: str
    findings: list[Finding] = field(default_factory=list)

    def add(
        self,
        severity: Severity,
        problem: str,
        remedy: str,
        rows: NDArray[np.int64] | Sequence[int] = (),
        dropped: int = 0,
    ) -> None:
        """Add a finding; `rows` are its places, of which the first is the finding's row."""
        first = int(rows[0]) if len(rows) else None
        self.findings.append(Finding(self.file, first, problem, remedy, severity, dropped))

    def refuse(self, problem: str, remedy: str, row: int | None = None) -> None:
        """Add the finding that the whole file is not usable."""
        self.add(Severity.ERROR, problem, remedy, () if row is None else (row,))


def places(rows: NDArray[np.int64] | Sequence[int], labels: Sequence[str] = ()) -> str:
    """Return ``line 5`` or ``3 lines: 5, 9, 12``, each with its label where labels are given."""
    names = [str(row) for row in rows[:LISTED_ROWS]]
    if len(labels):
        names = [f"{name} ({label})" for name, label in zip(names, labels, strict=False)]
    if len(rows) == 1:
        return f"line {names[0]}"
    more = len(rows) - len(names)
    return f"{len(rows)} lines: {', '.join(names)}" + (f" and {more} more" if more else "")
