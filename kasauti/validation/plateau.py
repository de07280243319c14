"""What a strategy and its neighbours earn beyond the index, as one t; no threshold is here.

A search turns every number of a genome to where luck was greatest, so the best strategy's own t
says little: it stands on a peak. Its neighbourhood was not chosen. A market that rises lifts
whoever holds it, so what counts is the part that the index does not explain. And wild days drown
what calm days show, so they count less. When this was chosen, on 100 worlds without an edge and 54
with one of net Sharpe 1.5 and at .25 % false approvals, the strategy's own t joined with the sealed
one told 52 % of the edges from luck, its t beyond the index 81 %, that of its neighbourhood 89 to
93 %; at .1 %, 85 to 87 % without the days' weights and 92 to 94 % with them. What holds now is
measured by `kasauti noise`.
"""

from collections.abc import Sequence

import numpy as np

from kasauti.backtest import Backtester
from kasauti.genome import Genome
from kasauti.market.bars import Bars, Floats
from kasauti.regimes.online import market_closes
from kasauti.validation.statistics.alpha import alpha_over_index
from kasauti.validation.statistics.ewma import ewma_deviation
from kasauti.validation.statistics.sample import t_statistic
from kasauti.validation.tuning import Dial, dials, turned

NEIGHBOURS = 16
REACH = 1  # steps of its lattice that each number may be away
OUTLIER = 3.0  # deviations of the index
_DRAWS = 4 * NEIGHBOURS  # some are no legal genome: windows may have crossed


def neighbourhood(genome: Genome) -> tuple[Genome, ...]:
    """Return genomes around one: every number at random stays or moves by one step of its lattice.

    They belong to the genome: drawn from its hash, they are the same for everyone who asks. A
    genome without a number that can be turned is its own neighbourhood.
    """
    around = [dial.within(REACH) for dial in dials(genome)]
    rng = np.random.default_rng(int(genome.hash[:16], 16))
    found: list[Genome] = []
    for _ in range(_DRAWS if around else 0):
        neighbour = turned(genome, _draw(around, rng))
        if neighbour is not None:
            found.append(neighbour)
        if len(found) == NEIGHBOURS:
            break
    return tuple(found) or (genome,)


def plateau_t(backtester: Backtester, genome: Genome) -> float:
    """Return the t, beyond the index, of holding the genome's whole neighbourhood in equal parts.

    0 where nothing ever moves the account.
    """
    return plateaus(backtester, [genome])[0]


def plateaus(backtester: Backtester, genomes: Sequence[Genome]) -> list[float]:
    """Return the `plateau_t` of each genome, from one evaluation of all neighbourhoods."""
    around = [neighbourhood(genome) for genome in genomes]
    returns = backtester.returns_of_all([one for some in around for one in some])
    ends = np.cumsum([len(some) for some in around])
    index = index_returns(backtester.bars)
    return [
        excess_t(returns[end - len(some) : end].mean(axis=0), index)
        for some, end in zip(around, ends, strict=True)
    ]


def excess_t(returns: Floats, index: Floats) -> float:
    """Return the t of what the index does not explain; of all where the index never moves.

    Parameters
    ----------
    returns, index : ndarray of shape (T,)
    """
    if np.ptp(returns) == 0.0 or np.ptp(index) == 0.0:
        return t_statistic(returns)
    return alpha_over_index(returns, index, weights=calm_weights(index)).t


def calm_weights(index: Floats) -> Floats:
    """Return what each bar counts, shape (T,): less after wild bars, and less on an outlier.

    ``deviation ** -0.5 * min(1, OUTLIER * deviation / |index|) ** 2``: between least squares
    (equal) and a full correction for volatility (``deviation ** -2``), which would let a few calm
    years decide; an index bar beyond `OUTLIER` deviations pulls no more than one of that size
    (Mallows 1975). Only the index sets them, never the strategy: no loss can be weighted away.
    """
    deviation = ewma_deviation(index)
    size = np.abs(index) / deviation
    outlying: Floats = np.maximum(size / OUTLIER, 1.0)
    weights: Floats = (deviation / deviation.mean()) ** -0.5 / outlying**2
    return weights


def index_returns(bars: Bars) -> Floats:
    """Return the market's returns a bar, shape (T,): 0 on the first and where a close is missing.

    The market is the index where there is one, else the only symbol, else the equal-weight panel.
    """
    levels = market_closes(bars)
    known = np.isfinite(levels)
    if not known.any():
        return np.zeros(len(levels))
    carried = levels[np.maximum.accumulate(np.where(known, np.arange(len(levels)), 0))]
    carried = np.where(np.isfinite(carried), carried, levels[known][0])
    return np.concatenate([[0.0], carried[1:] / carried[:-1] - 1.0])


def _draw(around: Sequence[Dial], rng: np.random.Generator) -> dict[str, float]:
    return {dial.name: dial.values[rng.integers(len(dial.values))] for dial in around}
