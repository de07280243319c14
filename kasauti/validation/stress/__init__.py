"""Stress: what crashes, real and made, would have cost a genome's own accounts; no verdict here."""

from kasauti.validation.stress.laboratory import Laboratory, laboratory_of
from kasauti.validation.stress.model import Loss, Stress, describe
from kasauti.validation.stress.positions import held_shares, largest_share
from kasauti.validation.stress.windows import (
    CrashWindow,
    crash_windows,
    differing,
    is_index,
    position_on,
    replay,
)

__all__ = [
    "CrashWindow",
    "Laboratory",
    "Loss",
    "Stress",
    "crash_windows",
    "describe",
    "differing",
    "held_shares",
    "is_index",
    "laboratory_of",
    "largest_share",
    "position_on",
    "replay",
]
