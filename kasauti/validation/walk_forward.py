"""Walk-forward: re-tune on the past, trade the next stretch, join the pieces; no verdict here."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from kasauti.backtest import Backtester
from kasauti.backtest.metrics import SESSIONS_A_YEAR, sharpe_ratio, t_statistic
from kasauti.errors import VerdictRefused
from kasauti.genome import Genome
from kasauti.market.bars import Floats
from kasauti.validation.tuning import Dial, dials, turned

if TYPE_CHECKING:
    import optuna

WINDOWS = 8
FIRST_TRAINING = (
    0.4  # of the searched bars: 3 of 8 years are the least that a tuning can learn from
)
EMBARGO = 0.01  # of the searched bars, after Lopez de Prado 2018, chapter 7
TRIALS = 20
FEWEST_TRADES = 10  # in training; a Sharpe of fewer tunes to luck
_WORTHLESS = -1e9


@dataclass(frozen=True)
class Window:
    """Positions on the time axis: train on ``0..train_stop``, trade ``test_start..test_stop``.

    Stops are exclusive. Between the two lie the purged and the embargoed bars.
    """

    train_stop: int
    test_start: int
    test_stop: int


@dataclass(frozen=True, eq=False)
class Piece:
    """One window's outcome: what was chosen on the training bars and what it then did."""

    window: Window
    chosen: Genome
    trained_sharpe: float
    traded_sharpe: float
    trades: int


@dataclass(frozen=True, eq=False)
class WalkForward:
    """The joined outcome.

    Attributes
    ----------
    pieces : tuple of Piece
    returns : ndarray
        Returns of the traded stretches, one after the other.
    joined_sharpe, trained_sharpe : float
        Annualised; of the joined returns, and the mean over the windows' training bars.
    t : float
        t of the joined mean return.
    tried : tuple of Genome
        Every distinct genome that was tried, the original among them.
    """

    pieces: tuple[Piece, ...]
    returns: Floats
    joined_sharpe: float
    trained_sharpe: float
    t: float
    tried: tuple[Genome, ...]

    @property
    def holds(self) -> bool:
        """Whether re-tuning holds: joined Sharpe above 0 and at least half of in-sample."""
        return self.joined_sharpe > 0.0 and self.joined_sharpe >= 0.5 * self.trained_sharpe


def windows_of(
    bars: int, horizon: int, *, count: int = WINDOWS, first_training: float = FIRST_TRAINING
) -> tuple[Window, ...]:
    """Return anchored windows that trade everything after the first training stretch.

    Parameters
    ----------
    bars : int
        Number of searched bars.
    horizon : int
        Longest holding in bars: so many bars before each traded stretch are purged from training,
        because what was decided on them is settled inside the stretch. As many bars as `EMBARGO`
        says come on top.
    count : int
    first_training : float
        Share of the bars before the first traded stretch.

    Raises
    ------
    VerdictRefused
        Where the gap leaves too little to train on.
    """
    first = math.floor(bars * first_training)
    gap = horizon + math.ceil(EMBARGO * bars)
    if first - gap < gap or (bars - first) < count:
        raise VerdictRefused(
            f"{bars} bars with a holding time of up to {horizon} leave {first - gap} bars to "
            "train on: bring a longer history, or shorten max_bars"
        )
    edges = [first + math.floor(k * (bars - first) / count) for k in range(count + 1)]
    return tuple(Window(start - gap, start, stop) for start, stop in pairwise(edges))


def holding_horizon(backtester: Backtester, genome: Genome) -> int:
    """Return the longest holding of the genome's closed trades in bars, at most a tenth of all."""
    trades = backtester.passes(genome).trades
    longest = max(
        (int(np.max(t["exit_bar"] - t["entry_bar"])) for t in trades if len(t)), default=0
    )
    longest = max(longest, genome.max_bars or 0, 1)
    return min(longest, backtester.bars.shape[1] // 10)


def walk_forward(
    backtester: Backtester,
    genome: Genome,
    *,
    seed: int = 0,
    trials: int = TRIALS,
    progress: Callable[[int, int], None] | None = None,
) -> WalkForward:
    """Re-tune `genome` on each training stretch and trade the next one.

    Parameters
    ----------
    backtester : Backtester
        Over the searched bars.
    genome : Genome
        Its own numbers are the first trial of every window.
    seed : int
        Of the sampler; the same seed, the same result.
    trials : int
        Per window.
    progress : callable, optional
        Called with windows done and windows in all.
    """
    windows = windows_of(backtester.bars.shape[1], holding_horizon(backtester, genome))
    turnable = dials(genome)
    tried: dict[str, Genome] = {genome.hash: genome}
    pieces, returns = [], []
    for position, window in enumerate(windows):
        chosen, trained = _tune(
            backtester, genome, turnable, window, seed + position, trials, tried
        )
        traded = backtester.score(chosen, window.test_start, window.test_stop)
        pieces.append(Piece(window, chosen, trained, traded.sharpe, traded.trades))
        returns.append(backtester.returns(chosen, window.test_start, window.test_stop))
        if progress is not None:
            progress(position + 1, len(windows))
    joined = np.concatenate(returns)
    bars_a_year = float(SESSIONS_A_YEAR * backtester.bars.bars_a_session)
    return WalkForward(
        tuple(pieces),
        joined,
        float(sharpe_ratio(joined, bars_a_year)),
        float(np.mean([piece.trained_sharpe for piece in pieces])),
        float(t_statistic(joined)),
        tuple(tried.values()),
    )


def _tune(
    backtester: Backtester,
    genome: Genome,
    turnable: tuple[Dial, ...],
    window: Window,
    seed: int,
    trials: int,
    tried: dict[str, Genome],
) -> tuple[Genome, float]:
    """Return the best of the tried genomes on the training bars, and its Sharpe there."""
    found: dict[str, tuple[float, Genome]] = {}

    def worth(candidate: Genome | None) -> float:
        if candidate is None:
            return _WORTHLESS
        tried.setdefault(candidate.hash, candidate)
        if candidate.hash not in found:
            score = backtester.score(candidate, 0, window.train_stop)
            enough = score.trades >= FEWEST_TRADES
            found[candidate.hash] = (score.sharpe if enough else _WORTHLESS, candidate)
        return found[candidate.hash][0]

    own = worth(genome)
    if turnable:
        _search(turnable, lambda values: worth(turned(genome, values)), seed, trials)
    best, chosen = max(found.values(), key=lambda pair: pair[0])
    if best <= _WORTHLESS:  # nothing traded enough: the genome as it is, for what it is
        return genome, backtester.score(genome, 0, window.train_stop).sharpe
    return (genome, own) if own == best else (chosen, best)


def _search(
    turnable: tuple[Dial, ...], worth: Callable[[dict[str, float]], float], seed: int, trials: int
) -> None:
    import optuna

    def objective(trial: "optuna.Trial") -> float:
        places = {d.name: trial.suggest_int(d.name, 0, len(d.values) - 1) for d in turnable}
        return worth({d.name: d.values[places[d.name]] for d in turnable})

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, n_ei_candidates=10)
        )
        study.enqueue_trial({d.name: d.values.index(d.current) for d in turnable})
        study.optimize(objective, n_trials=trials, n_jobs=1)
    finally:
        optuna.logging.set_verbosity(level)
