"""Whether what walk-forward chose would be chosen again, and beside it: spread, and plateaus."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kasauti.validation.proposals import Places
from kasauti.validation.tuning import Dial

PLATEAU = 0.75
"""Share of the neighbours that must keep at least half of the choice's Sharpe ratio."""


@dataclass(frozen=True)
class Chosen:
    """What one dial was set to, window by window.

    Attributes
    ----------
    name : str
    own : float
        The genome's own value.
    values : tuple of float
        Window by window.
    spread : float
        Steps between the lowest and the highest choice over the steps there are: 0 always the same
        value, 1 from one end to the other.
    """

    name: str
    own: float
    values: tuple[float, ...]
    spread: float


@dataclass(frozen=True)
class Stability:
    """How firm the choices are.

    Attributes
    ----------
    dials : tuple of Chosen
    kept : tuple of float or None
        Window by window, the share of the choice's neighbours (one dial one step up or down) that
        keep at least half of its Sharpe ratio on the same training bars. None where the choice
        itself earned nothing there.
    """

    dials: tuple[Chosen, ...]
    kept: tuple[float | None, ...]

    @property
    def on_plateau(self) -> int:
        """Number of windows whose choice sits on a plateau, not on a peak."""
        return sum(share is not None and share >= PLATEAU for share in self.kept)

    def to_figures(self) -> dict[str, Any]:
        """Return what a report shows."""
        return {
            "dials": [
                {
                    "dial": one.name,
                    "own": one.own,
                    "chosen": list(one.values),
                    "spread": one.spread,
                }
                for one in self.dials
            ],
            "neighbours_kept": list(self.kept),
            "on_plateau": self.on_plateau,
            "windows": len(self.kept),
        }


def spreads(dials: Sequence[Dial], choices: Sequence[Places]) -> tuple[Chosen, ...]:
    """Return what each dial was set to over the windows, and how far apart that is."""
    places = np.array(choices)
    return tuple(
        Chosen(
            dial.name,
            dial.current,
            tuple(dial.values[place] for place in column),
            float((column.max() - column.min()) / (len(dial.values) - 1)),
        )
        for dial, column in zip(dials, places.T, strict=True)
    )


def beside(dials: Sequence[Dial], places: Places) -> list[Places]:
    """Return the settings with one dial one step up or down from `places`."""
    return [
        (*places[:position], place, *places[position + 1 :])
        for position, dial in enumerate(dials)
        for place in (places[position] - 1, places[position] + 1)
        if 0 <= place < len(dial.values)
    ]


def share_kept(sharpe: float, others: Sequence[float]) -> float | None:
    """Return the share of neighbours with at least half of `sharpe`, None if that is not above 0.

    A choice without a neighbour keeps nothing.
    """
    if sharpe <= 0.0:
        return None
    return float(np.mean(np.array(others) >= 0.5 * sharpe)) if others else 0.0
