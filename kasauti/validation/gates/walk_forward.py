"""Gate 2: what is tuned on the past must pay on the next stretch."""

from typing import Any

import numpy as np

from kasauti.errors import VerdictRefused
from kasauti.market.bars import Bars
from kasauti.validation import walk_forward
from kasauti.validation.gates.model import FEWEST_TRADES, Case, Gate

CURVE_POINTS = 200
"""Of a joined curve in the figures: what a report can draw."""


def examine(case: Case, outcome: walk_forward.WalkForward | VerdictRefused) -> Gate:
    """Judge whether re-tuning on the past pays on the next stretch."""
    if isinstance(outcome, VerdictRefused):
        return Gate("walk_forward", False, str(outcome))
    anchored, rolling = outcome.anchored, outcome.rolling
    figures = {
        **_walk_figures(case.bars, anchored),
        "tried": len(outcome.tried),
        "rolling": _walk_figures(case.bars, rolling),
        "stability": outcome.stability.to_figures(),
        "cross_validation": outcome.crossed.to_figures(),
    }
    passed = anchored.holds and anchored.trades >= FEWEST_TRADES
    reason = (
        f"re-tuned in {len(anchored.pieces)} windows it earned a Sharpe of "
        f"{anchored.joined_sharpe:.2f} on the bars after each, against "
        f"{anchored.trained_sharpe:.2f} on the bars it was tuned on"
    )
    if anchored.trades < FEWEST_TRADES:
        reason += f": {anchored.trades} trades are too few to say anything"
    elif anchored.joined_sharpe <= 0.0:
        reason += ": it earns nothing where it was not tuned"
    elif not anchored.holds:
        reason += ": less than half is left"
    if rolling.holds != anchored.holds:
        reason += (
            f"; tuned on equally long stretches it {'would hold' if rolling.holds else 'does not'} "
            f"({rolling.joined_sharpe:.2f} against {rolling.trained_sharpe:.2f}): how far back "
            "one looks matters here"
        )
    return Gate("walk_forward", passed, reason, figures)


def _walk_figures(bars: Bars, walk: walk_forward.Walk) -> dict[str, Any]:
    sessions = bars.sessions
    windows = [
        {
            "train_from": str(sessions[piece.window.train_start]),
            "train_until": str(sessions[piece.window.train_stop - 1]),
            "from": str(sessions[piece.window.test_start]),
            "until": str(sessions[piece.window.test_stop - 1]),
            "trained_sharpe": piece.trained_sharpe,
            "sharpe": piece.traded_sharpe,
            "trades": piece.trades,
            "chosen": piece.chosen.hash,
        }
        for piece in walk.pieces
    ]
    return {
        "joined_sharpe": walk.joined_sharpe,
        "trained_sharpe": walk.trained_sharpe,
        "efficiency": walk.efficiency,
        "holds": walk.holds,
        "t": walk.t,
        "trades": walk.trades,
        "windows": windows,
        "curve": _curve(bars, walk),
    }


def _curve(bars: Bars, walk: walk_forward.Walk) -> dict[str, list[Any]]:
    """Return dates and values of the joined equity, which begins at 1, at a few hundred bars."""
    growth = np.cumprod(1.0 + walk.returns)
    first = walk.pieces[0].window.test_start
    places = np.unique(np.linspace(0, len(growth) - 1, CURVE_POINTS).astype(int))
    return {
        "dates": [str(day) for day in bars.sessions[first + places]],
        "equity": [round(float(value), 6) for value in growth[places]],
    }
