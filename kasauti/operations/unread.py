"""What stands in a report in place of a part that could not be read; no part is read here."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from kasauti.execution.controls.model import FAULTS

T = TypeVar("T")


@dataclass(frozen=True)
class Unread:
    """Why a part of a report is missing, and what to do about it, in plain words."""

    why: str


def attempt(part: Callable[[], T]) -> T | Unread:
    """Return what `part` returns, or why it could not: one broken file must not cost a report."""
    try:
        return part()
    except (*FAULTS, sqlite3.Error) as error:
        return Unread(f"{error or 'no reason given'} ({type(error).__name__})")
