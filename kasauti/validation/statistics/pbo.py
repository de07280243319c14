"""Probability of backtest overfitting, by symmetric cross-validation; no threshold is set here."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kasauti.errors import DataError
from kasauti.validation.statistics.blas import one_thread
from kasauti.validation.statistics.sample import checked_matrix

Floats = NDArray[np.float64]
_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Overfitting:
    """What picking the best in one half meant for the other half, over all splits.

    Attributes
    ----------
    probability : float
        Share of splits whose winner came out at or below the median of the other half (PBO).
    logits : ndarray
        (splits,), ln(w / (1 - w)) of the winner's relative rank w = rank / (N + 1).
    in_sample, out_of_sample : float
        The winner's mean Sharpe a period in the half that chose it, and in the other.
    dropped : int
        Oldest periods left out so that all blocks are equally long.
    """

    probability: float
    logits: Floats
    in_sample: float
    out_of_sample: float
    dropped: int


def backtest_overfitting(returns: ArrayLike, blocks: int = 16) -> Overfitting:
    """Split the periods in every way into two halves of blocks; follow each half's winner.

    Bailey, Borwein, Lopez de Prado and Zhu, The Probability of Backtest Overfitting (2017). Block
    sums of the returns and of their squares make the Sharpe of every half one matrix product. The
    value without any edge is .5, and one matrix scatters by .13 around it.

    Parameters
    ----------
    returns : array_like
        (strategies, periods). Where `blocks` does not divide the periods, the oldest are dropped.
    blocks : int
        Even; 16 make 12,870 splits.

    Raises
    ------
    DataError
        On under two strategies, an odd number of blocks, blocks under two periods, values that are
        not finite or a strategy that never varies.
    """
    matrix = checked_matrix(returns, "returns of the strategies", fewest=2)
    if blocks < 2 or blocks % 2 or blocks > 20:
        raise DataError(f"{blocks} blocks: need an even number from 2 to 20")
    strategies, periods = matrix.shape
    length, dropped = divmod(periods, blocks)
    if length < 2:
        raise DataError(f"{periods} periods in {blocks} blocks: need at least two in each")
    sums, squares, offset = _block_sums(matrix[:, dropped:].reshape(strategies, blocks, length))
    half = length * blocks // 2
    chosen = _halves(blocks)
    found = []
    # Combinations come in lexical order: the last is the complement of the first, so the first
    # half of them and their complements are all splits. A few at a time stay in the cache.
    with one_thread():
        for start in range(0, len(chosen) // 2, _AT_ONCE):
            part = chosen[start : min(start + _AT_ONCE, len(chosen) // 2)]
            one = _sharpe(part @ sums, part @ squares, half, offset)
            other = _sharpe((1.0 - part) @ sums, (1.0 - part) @ squares, half, offset)
            found += [_follow(one, other), _follow(other, one)]
    relative, in_sample, out_of_sample = np.concatenate(found, axis=1)
    return Overfitting(
        probability=float(np.mean(relative <= 0.5)),
        logits=np.log(relative / (1.0 - relative)),
        in_sample=float(in_sample.mean()),
        out_of_sample=float(out_of_sample.mean()),
        dropped=dropped,
    )


def _follow(chooses: Floats, follows: Floats) -> Floats:
    """Return (3, splits): the winner's relative rank in the other half, and both its Sharpes."""
    splits = np.arange(len(chooses))
    winner = chooses.argmax(axis=1)
    achieved = follows[splits, winner]
    below = np.count_nonzero(follows < achieved[:, None], axis=1)
    equal = np.count_nonzero(follows == achieved[:, None], axis=1)
    relative = (below + 0.5 * (equal + 1)) / (chooses.shape[1] + 1)
    return np.stack([relative, chooses[splits, winner], achieved])


def _block_sums(blocked: Floats) -> tuple[Floats, Floats, Floats]:
    """Return sums and squares (blocks, strategies) of standardised returns, and their old means."""
    mean = blocked.mean(axis=(1, 2))
    deviation = blocked.std(axis=(1, 2))
    scale = np.where(deviation > 0, deviation, 1.0)
    # Sums of squares of centred values lose no digits.
    centred = (blocked - mean[:, None, None]) / scale[:, None, None]
    squares = np.einsum("sbt,sbt->bs", centred, centred)
    return np.ascontiguousarray(centred.sum(axis=2).T), squares, mean / scale


def _sharpe(sums: Floats, squares: Floats, periods: int, offset: Floats) -> Floats:
    """Return (splits, strategies); a strategy that stood still in a half has 0 there."""
    average = sums / periods
    variance = (squares - sums * average) / (periods - 1)
    variance[variance <= 1e-12] = np.inf
    return (average + offset) / np.sqrt(variance)


@lru_cache(maxsize=4)
def _halves(blocks: int) -> Floats:
    chosen = np.array(list(combinations(range(blocks), blocks // 2)))
    indicator = np.zeros((len(chosen), blocks))
    np.put_along_axis(indicator, chosen, 1.0, axis=1)
    return indicator
