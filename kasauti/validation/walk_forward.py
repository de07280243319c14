"""Walk-forward: re-tune on the past, trade the next stretch, join the pieces; no verdict here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kasauti.backtest import Backtester
from kasauti.backtest.engine import Passes
from kasauti.backtest.metrics import SESSIONS_A_YEAR, returns_of, sharpe_ratio, t_statistic
from kasauti.errors import VerdictRefused
from kasauti.genome import Genome
from kasauti.genome.codes import Population
from kasauti.market.bars import Floats
from kasauti.validation.cross_validation import CrossValidation, cross_validate
from kasauti.validation.retuning import (
    FEWEST_TRADES,
    TRIALS,
    Choice,
    Retuned,
    Settings,
    retune,
)
from kasauti.validation.stability import Stability, beside, share_kept, spreads
from kasauti.validation.tuning import dials
from kasauti.validation.windows import Scheme, Window, embargo_of, windows_of


@dataclass(frozen=True, eq=False)
class Piece:
    """One window's outcome: what was chosen on the training bars and what it then did."""

    window: Window
    chosen: Genome
    trained_sharpe: float
    traded_sharpe: float
    trades: int


@dataclass(frozen=True, eq=False)
class Walk:
    """The joined outcome of one scheme.

    Attributes
    ----------
    scheme : Scheme
    pieces : tuple of Piece
    returns : ndarray
        Returns of the traded stretches, one after the other.
    joined_sharpe, trained_sharpe : float
        Annualised; of the joined returns, and the mean over the windows' training bars.
    t : float
        t of the joined mean return.
    """

    scheme: Scheme
    pieces: tuple[Piece, ...]
    returns: Floats
    joined_sharpe: float
    trained_sharpe: float
    t: float

    @property
    def trades(self) -> int:
        """Closed trades of the traded stretches."""
        return sum(piece.trades for piece in self.pieces)

    @property
    def efficiency(self) -> float | None:
        """Traded over trained Sharpe ratio; None where tuning found nothing that earns."""
        return self.joined_sharpe / self.trained_sharpe if self.trained_sharpe > 0.0 else None

    @property
    def holds(self) -> bool:
        """Whether re-tuning holds: joined Sharpe above 0 and at least half of in-sample."""
        return self.joined_sharpe > 0.0 and self.joined_sharpe >= 0.5 * self.trained_sharpe


@dataclass(frozen=True, eq=False)
class WalkForward:
    """Both schemes, and what was learned beside them.

    Attributes
    ----------
    anchored, rolling : Walk
        The anchored one decides.
    stability : Stability
        Of the anchored choices.
    crossed : CrossValidation
        Of the genome's own numbers and of those that were drawn before any bar was seen.
    tried : tuple of Genome
        Every distinct genome that was tried, the original first.
    """

    anchored: Walk
    rolling: Walk
    stability: Stability
    crossed: CrossValidation
    tried: tuple[Genome, ...]

    @property
    def holds(self) -> bool:
        """Whether re-tuning holds in the scheme that decides."""
        return self.anchored.holds


def holding_horizon(backtester: Backtester, genome: Genome) -> int:
    """Return the longest holding of the genome's closed trades in bars, at most a tenth of all."""
    return _horizon(backtester.passes(genome), genome, backtester.bars.shape[1])


def walk_forward(
    backtester: Backtester, genome: Genome, *, seed: int = 0, trials: int = TRIALS
) -> WalkForward:
    """Re-tune `genome` on each training stretch and trade the next one, in both schemes.

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

    Raises
    ------
    VerdictRefused
        Too few bars to train on, nothing to tune, a genome that never trades, or returns that are
        not finite.
    """
    settings = Settings(genome, dials(genome))
    own = backtester.passes(genome)
    _require_tunable(settings, own)
    bars = backtester.bars.shape[1]
    horizon = _horizon(own, genome, bars)
    windows = {scheme: windows_of(bars, horizon, scheme) for scheme in Scheme}
    stretches = dict.fromkeys(one.train for scheme in Scheme for one in windows[scheme])
    found = retune(backtester, settings, list(stretches), seed=seed, trials=trials)
    anchored, rolling = (_walk(backtester, scheme, windows[scheme], found) for scheme in Scheme)
    choices = [found.choices[window.train] for window in windows[Scheme.ANCHORED]]
    return WalkForward(
        anchored,
        rolling,
        Stability(
            spreads(settings.dials, [choice.places for choice in choices]),
            _kept(backtester, settings, windows[Scheme.ANCHORED], choices),
        ),
        _cross(backtester, [own, *(backtester.passes(one) for one in found.drawn[1:])], horizon),
        found.tried,
    )


def _require_tunable(settings: Settings, own: Passes) -> None:
    if not settings.dials:
        raise VerdictRefused(
            "the strategy has no number that could be set otherwise, so re-tuning can say nothing "
            "of it: write a window, a level or a distance into it"
        )
    if not any(len(records) for records in own.trades):
        raise VerdictRefused(
            "the strategy never closes a trade on the searched bars, so there is nothing to "
            "re-tune: loosen its entry rule"
        )
    _require_finite(own.equity)


def _require_finite(values: Floats) -> None:
    if not np.isfinite(values).all():
        raise VerdictRefused(
            "the strategy's equity is not a number on some bars, so nothing can be said of it: "
            "mend the bars that it trades"
        )


def _horizon(own: Passes, genome: Genome, bars: int) -> int:
    held = [int(np.max(one["exit_bar"] - one["entry_bar"])) for one in own.trades if len(one)]
    return min(max([*held, genome.max_bars or 0, 1]), bars // 10)


def _walk(
    backtester: Backtester, scheme: Scheme, windows: Sequence[Window], found: Retuned
) -> Walk:
    pieces, returns = [], []
    for window in windows:
        choice = found.choices[window.train]
        traded = backtester.passes(choice.genome, *window.test)
        equity = traded.equity.sum(axis=0)
        _require_finite(equity)
        returns.append(returns_of(equity))
        pieces.append(
            Piece(
                window,
                choice.genome,
                choice.sharpe,
                traded.panel_sharpe,
                sum(len(records) for records in traded.trades),
            )
        )
    joined = np.concatenate(returns)
    return Walk(
        scheme,
        tuple(pieces),
        joined,
        float(sharpe_ratio(joined, _bars_a_year(backtester))),
        float(np.mean([piece.trained_sharpe for piece in pieces])),
        float(t_statistic(joined)),
    )


def _kept(
    backtester: Backtester,
    settings: Settings,
    windows: Sequence[Window],
    choices: Sequence[Choice],
) -> tuple[float | None, ...]:
    """Return how many of each choice's neighbours hold on its own training bars."""
    around = [settings.legal(beside(settings.dials, choice.places)) for choice in choices]
    every = {places: one for found in around for places, one in found.items()}
    if not every:
        return tuple(share_kept(choice.sharpe, []) for choice in choices)
    scores = backtester.scores_over(
        Population.of(every.values()), [window.train for window in windows]
    )
    row = {places: position for position, places in enumerate(every)}
    return tuple(
        share_kept(choice.sharpe, [float(score.sharpe[row[places]]) for places in found])
        for choice, found, score in zip(choices, around, scores, strict=True)
    )


def _cross(backtester: Backtester, candidates: Sequence[Passes], horizon: int) -> CrossValidation:
    bars = backtester.bars.shape[1]
    returns = np.array([returns_of(one.equity.sum(axis=0)) for one in candidates])
    exits = np.array(
        [
            np.bincount(np.concatenate([t["exit_bar"] for t in one.trades]), minlength=bars)[:bars]
            for one in candidates
        ],
        dtype=np.float64,
    )
    return cross_validate(
        returns,
        exits,
        bars_a_year=_bars_a_year(backtester),
        purge=horizon,
        embargo=embargo_of(bars),
        fewest_trades=FEWEST_TRADES,
    )


def _bars_a_year(backtester: Backtester) -> float:
    return float(SESSIONS_A_YEAR * backtester.bars.bars_a_session)
