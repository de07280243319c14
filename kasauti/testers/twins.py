"""The same trading at other times: random twins of a genome and its decisions taken late."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from kasauti.backtest.population import Table
from kasauti.market.bars import Booleans
from kasauti.testers.exam import Exam, Integers
from kasauti.validation.decisions import later, trade_decisions

TWINS = 200
LAGS = (1, 2, 3, 5)  # bars; up to a trading week
MOST_DECISIONS = 2**26  # of twins at a time: 64 MB
CLOSEST = 0.01  # of all bars: a twin nearer in time still trades on the genome's own knowledge


@dataclass(frozen=True)
class Twins:
    """How the genome stands among its twins.

    A twin takes all decisions of the genome, entries and exits together, at another time: moved by
    one random number of those bars on which a symbol can be traded, what falls off the end at the
    beginning. Number, clustering and length of the positions stay, and so do side, stops and size.
    Only the timing is random.

    Attributes
    ----------
    sharpe : tuple of float
        Of each twin, annualised.
    chance : float
        Share of the twins, the genome counted as one, that did at least as well: a p-value.
    exposure : float
        Mean number of bars that twins held a position, over the genome's own.
    late : tuple of float
        Sharpe of the genome with every decision taken `LAGS` bars later.
    """

    sharpe: tuple[float, ...]
    chance: float
    exposure: float
    late: tuple[float, ...]


def twins_of(exam: Exam) -> Twins:
    """Trade the genome, its late versions and `TWINS` seeded twins."""
    late = _traded(exam, [np.stack([d, *(later(d, lag) for lag in LAGS)]) for d in exam.decided])
    own, held = float(late.sharpe[0]), float(late.held[0])
    at_once = max(1, MOST_DECISIONS // exam.bars.close.size)
    tables = [
        _traded(exam, [_moved(exam, decisions, offsets) for decisions in exam.decided])
        for offsets in np.array_split(_offsets(exam), -(-TWINS // at_once))
    ]
    sharpe = np.concatenate([table.sharpe for table in tables])
    exposure = float(np.concatenate([table.held for table in tables]).mean())
    return Twins(
        tuple(sharpe.tolist()),
        (1 + int((sharpe >= own).sum())) / (1 + TWINS),
        exposure / held if held else 0.0,
        tuple(late.sharpe[1:].tolist()),
    )


def _traded(exam: Exam, decisions: Sequence[Booleans]) -> Table:
    enter, leave = decisions
    return trade_decisions(exam.case.backtester, exam.genome, enter, leave)


def _moved(exam: Exam, decisions: Booleans, offsets: Integers) -> Booleans:
    """Return the decisions moved by each offset among the bars that can be traded, (N, S, T)."""
    whole = exam.case.backtester.panel.whole
    moved = np.zeros((len(offsets), *decisions.shape), dtype=np.bool_)
    for row, taken in enumerate(decisions):
        places = np.flatnonzero(whole[row, 1:] & np.isfinite(exam.bars.close[row, :-1]))
        count = len(places)
        if count == 0:
            continue
        twice = np.concatenate([taken[places], taken[places]])
        turned = sliding_window_view(twice, count)[-offsets % count]
        if places[-1] - places[0] == count - 1:  # no gaps: copied as a block, ten times faster
            moved[:, row, places[0] : places[-1] + 1] = turned
        else:
            moved[:, row, places] = turned
    return moved


def _offsets(exam: Exam) -> Integers:
    length = exam.bars.shape[1]
    nearest = max(1, int(length * CLOSEST))
    rng = np.random.default_rng([exam.case.seed, 2])
    choices = np.arange(nearest, max(length - nearest, nearest + 1))
    drawn: Integers = rng.choice(choices, TWINS, replace=len(choices) < TWINS)
    return drawn
