"""Combinatorial purged cross-validation of a few candidates' returns; how they trade is not here.

The bars are cut into N groups; every choice of k of them is tested once, after the best candidate
was chosen on the others. The tested groups join to ``k / N * C(N, k)`` paths, each of which covers
all bars: a distribution of out-of-sample Sharpe ratios instead of one (Lopez de Prado, Advances in
Financial Machine Learning, 2018, chapter 12).
"""

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kasauti.errors import VerdictRefused
from kasauti.market.bars import Booleans, Floats

GROUPS, TESTED = 8, 2
"""28 splits and 7 paths: an eighth of the bars always outlasts the longest purge, a tenth."""

Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Sharpe ratios of the paths, annualised.

    Attributes
    ----------
    groups, tested : int
    splits : int
    paths : tuple of float
        Sharpe ratio of each path, every bar of it out of sample.
    trained_sharpe : float
        Mean over the splits of the chosen candidate's Sharpe ratio on its training bars.
    kept : int
        Splits that chose candidate 0, the numbers as they are.
    """

    groups: int
    tested: int
    splits: int
    paths: tuple[float, ...]
    trained_sharpe: float
    kept: int

    def to_figures(self) -> dict[str, Any]:
        """Return what a report shows."""
        low, middle, high = np.quantile(self.paths, [0.05, 0.5, 0.95])
        return {
            "groups": self.groups,
            "tested": self.tested,
            "splits": self.splits,
            "paths": list(self.paths),
            "lowest_5_percent": float(low),
            "median": float(middle),
            "highest_5_percent": float(high),
            "positive": float(np.mean(np.array(self.paths) > 0.0)),
            "trained_sharpe": self.trained_sharpe,
            "kept_own_numbers": self.kept,
        }


def splits_of(groups: int, tested: int) -> Places:
    """Return the tested groups of every split, shape (C(groups, tested), tested)."""
    return np.array(list(combinations(range(groups), tested)), dtype=np.int64)


def paths_of(groups: int, tested: int) -> Places:
    """Return which split tests each group of each path.

    Returns
    -------
    ndarray of shape (paths, groups), int64
        Every split serves as many groups as it tests, each once.
    """
    splits = splits_of(groups, tested)
    return np.array([np.flatnonzero((splits == group).any(axis=1)) for group in range(groups)]).T


def group_edges(bars: int, groups: int) -> Places:
    """Return where the groups begin and the last one ends; the last takes what is left over."""
    return np.append(np.arange(groups) * (bars // groups), bars)


def training_bars(bars: int, groups: int, tested: int, purge: int, embargo: int) -> Booleans:
    """Return the bars that each split may learn from.

    Parameters
    ----------
    bars, groups, tested : int
    purge : int
        Bars left out before and after every tested stretch, because what was decided there may
        have been settled on the other side.
    embargo : int
        Bars left out after a tested stretch on top of that: what follows resembles it.

    Returns
    -------
    ndarray of shape (splits, bars), bool

    Raises
    ------
    VerdictRefused
        Where a group is no longer than what would be left out around it.
    """
    if purge + embargo >= bars // groups - 1:
        raise VerdictRefused(
            f"{bars} bars in {groups} groups leave {bars // groups} bars a group, and "
            f"{purge + embargo} would be left out beside each tested one: bring a longer history, "
            "or shorten max_bars"
        )
    edges = group_edges(bars, groups)
    splits = splits_of(groups, tested)
    learn = np.ones((len(splits), bars), dtype=np.bool_)
    for row, chosen in zip(learn, splits, strict=True):
        for group in chosen.tolist():
            row[max(0, edges[group] - purge) : edges[group + 1] + purge + embargo] = False
    return learn


def cross_validate(
    returns: Floats,
    exits: Floats,
    *,
    bars_a_year: float,
    purge: int,
    embargo: int,
    fewest_trades: int,
    groups: int = GROUPS,
    tested: int = TESTED,
) -> CrossValidation:
    """Choose the best candidate on the training bars of every split and join what it then earned.

    Parameters
    ----------
    returns : ndarray of shape (C, T), float64
        A bar; the first candidate is the strategy as it is, the others must not have been chosen by
        looking at these bars.
    exits : ndarray of shape (C, T), float64
        Trades that ended on each bar.
    bars_a_year : float
    purge, embargo : int
        See `training_bars`.
    fewest_trades : int
        A candidate with fewer in training, or with less than half as many as the first, cannot be
        chosen; if none can, the first is.

    Raises
    ------
    VerdictRefused
        As `training_bars`, and where a return is not finite.
    """
    if not np.isfinite(returns).all():
        raise VerdictRefused("a return is not a finite number: mend the bars that it came from")
    learn = training_bars(returns.shape[1], groups, tested, purge, embargo)
    squared = returns * returns
    splits, joined = splits_of(groups, tested), paths_of(groups, tested)
    trained = _sharpe(_over(returns, learn), _over(squared, learn), learn.sum(axis=1))
    made = _over(exits, learn)
    worth = np.where(made >= np.maximum(fewest_trades, made[0] / 2), trained, -np.inf)
    worth[0] = np.where(np.isneginf(worth).all(axis=0), 0.0, worth[0])
    chosen = worth.argmax(axis=0)  # the first of equals: the numbers as they are

    starts = group_edges(returns.shape[1], groups)
    sums = np.add.reduceat(returns, starts[:-1], axis=1)
    squares = np.add.reduceat(squared, starts[:-1], axis=1)
    of = chosen[joined], np.arange(groups)[None, :]
    paths = _sharpe(sums[of].sum(axis=1), squares[of].sum(axis=1), np.array(returns.shape[1]))
    year = math.sqrt(bars_a_year)
    return CrossValidation(
        groups,
        tested,
        len(splits),
        tuple((paths * year).tolist()),
        float(trained[chosen, np.arange(len(splits))].mean() * year),
        int((chosen == 0).sum()),
    )


def _over(values: Floats, learn: Booleans) -> Floats:
    """Return the sums of `values` (C, T) over the bars of every split, shape (C, splits)."""
    # running sums, not a matrix product: one thread, and no cores to wait for
    running = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(values, axis=1, out=running[:, 1:])
    found = np.empty((len(values), len(learn)))
    for split, row in enumerate(learn):
        change = np.diff(row.astype(np.int8), prepend=0, append=0)
        starts, stops = np.flatnonzero(change > 0), np.flatnonzero(change < 0)
        found[:, split] = (running[:, stops] - running[:, starts]).sum(axis=1)
    return found


def _sharpe(sums: Floats, squares: Floats, counts: NDArray[Any]) -> Floats:
    """Return mean over standard deviation (ddof 1); 0 where nothing varies."""
    variance = (squares - sums * sums / counts) / (counts - 1)
    # what rounding leaves of an equal return's variance is none
    varies = variance > 1e-20
    ratio: Floats = np.where(varies, sums / counts / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
    return ratio
