"""Trading on decisions given bar by bar: later ones, ones at other times; no rules here."""

import numpy as np

from kasauti.backtest import Backtester
from kasauti.backtest.population import Table, empty_table, score_population
from kasauti.errors import UsageError
from kasauti.features.bits import pack
from kasauti.genome import Genome
from kasauti.genome.codes import ALL_REGIMES, Population
from kasauti.market.bars import Booleans


def trade_decisions(
    backtester: Backtester, genome: Genome, enter: Booleans, leave: Booleans
) -> Table:
    """Return the figures of `genome` with other decisions than its own, N times in one pass.

    Stop, target, trail, time stop, side and size stay the genome's; the ATR is that of the bar on
    which the decision is acted upon. Regimes are not asked again: they are part of the decision.

    Parameters
    ----------
    backtester : Backtester
    genome : Genome
    enter, leave : ndarray of shape (N, S, T), bool
        Decisions on each close, as `Backtester.rules` returns them.

    Returns
    -------
    Table
        Columns of shape (N,), (N, S) or (N, 4), over all bars.

    Raises
    ------
    UsageError
        For decisions of another shape.
    """
    shape = (len(enter), *backtester.bars.shape)
    if enter.shape != shape or leave.shape != shape:
        raise UsageError(f"decisions have shapes {enter.shape} and {leave.shape}, not {shape}")
    count = len(enter)
    genes = np.repeat(Population.of([genome]).genes, count)
    genes["regimes"] = ALL_REGIMES
    packed = np.concatenate([pack(enter), pack(leave)])
    which = np.arange(2 * count).reshape(2, count).T
    windows = np.array([[0, shape[2]]])
    table = empty_table(1, count, shape[1])
    score_population(backtester.setting, packed, np.ascontiguousarray(which), genes, windows, table)
    return Table(*(column[0] for column in table))


def later(decisions: Booleans, bars: int) -> Booleans:
    """Return decisions (..., T) taken `bars` bars later; the last ones are never acted upon."""
    moved = np.zeros_like(decisions)
    moved[..., bars:] = decisions[..., : decisions.shape[-1] - bars]
    return moved
