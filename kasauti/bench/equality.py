"""Whether vectorbt traded what the engine traded; what it costs stands elsewhere."""

from dataclasses import dataclass

import numpy as np

from kasauti.backtest.result import Scores
from kasauti.backtest.second_opinion import SMALLEST, differences
from kasauti.backtest.vectorbt_call import Engine, running
from kasauti.bench.conventional import Conventional
from kasauti.market.bars import Floats


@dataclass(frozen=True)
class Equality:
    """Over one vectorbt engine's genomes: trades compared, genomes that differ, worst figure.

    `max_relative_difference` is over total return, Sharpe ratio and maximum drawdown of the
    engine's fused pass, and over the equity curves of its traced one, of genomes that traded.
    """

    genomes: int
    trades: int
    differing_genomes: int
    max_relative_difference: float


def compare_with(
    conventional: Conventional, scores: Scores, engine: Engine, batch: int
) -> Equality:
    """Compare every trade and figure with vectorbt's on the same genomes.

    Parameters
    ----------
    conventional : Conventional
    scores : Scores
        Of the same genomes by the fused pass.
    engine : {"numba", "rust"}
    batch : int
        Columns a call.
    """
    trades, differing, furthest, first = 0, 0, 0.0, 0
    with running(engine):
        for portfolio in conventional.portfolios(engine, batch):
            columns = conventional.columns[first : first + batch]
            found = differences(conventional.tester, portfolio, columns)
            trades += found.trades
            differing += sum(count > 0 for count in found.differing)
            furthest, first = max(furthest, found.furthest), first + batch
    ours = np.column_stack([scores.total_return, scores.sharpe, scores.max_drawdown])
    traded = np.array([len(column.trades) > 0 for column in conventional.columns])
    theirs = conventional.run(engine, batch)
    furthest = max(furthest, _furthest(ours[traded], theirs[traded]))
    return Equality(len(conventional), trades, differing, furthest)


def _furthest(ours: Floats, theirs: Floats) -> float:
    """Return the largest relative difference of figures; drawdown has no sign of its own here."""
    ours, theirs = ours.copy(), theirs.copy()
    ours[:, 2], theirs[:, 2] = np.abs(ours[:, 2]), np.abs(theirs[:, 2])
    scale = np.maximum(np.maximum(np.abs(ours), np.abs(theirs)), SMALLEST)
    return float(np.max(np.abs(ours - theirs) / scale, initial=0.0))
