"""The laboratory: one data set's worlds, prepared once, and a genome sent through all of them."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import cached_property
from threading import Lock

import numpy as np
from numpy.random import Generator

from kasauti.backtest import Account, Backtester, Result
from kasauti.errors import VerdictRefused
from kasauti.genome import Genome, Side
from kasauti.market.markets import Market
from kasauti.validation.stress import scenarios
from kasauti.validation.stress.events import event_losses, exit_in_drought, gap_of
from kasauti.validation.stress.garch import Volatility, fit_volatility
from kasauti.validation.stress.history import History
from kasauti.validation.stress.model import Loss, Stress
from kasauti.validation.stress.positions import largest_exposure
from kasauti.validation.stress.scenarios import MEDIAN, Recipe
from kasauti.validation.stress.windows import cold, crash_windows, differing, replay
from kasauti.validation.stress.worlds import Worlds, build

BARS_AT_ONCE = 400_000
"""Of all worlds together, some 80 MB; daily worlds are half of it, intraday ones go by in parts."""

KEPT = 2
"""Laboratories in memory, some 100 MB each on daily bars."""


class SymbolWorlds:
    """The stochastic worlds of one symbol for one side; each scenario is made when first wanted."""

    def __init__(
        self, history: History, side: Side, account: Account, market: Market, seed: int
    ) -> None:
        self.history = history
        self._direction = 1.0 if side is Side.LONG else -1.0
        self._account, self._market, self._seed = account, market, seed
        self._recipes: dict[int, Recipe] = {}
        self._made: dict[int, Worlds] = {}

    @cached_property
    def volatility(self) -> Volatility:
        """The fitted variance of the symbol's sessions."""
        return fit_volatility(self.history.returns)

    def losses(self, genome: Genome) -> tuple[Loss, ...]:
        """Return what decides of every scenario."""
        history = self.history
        makers: tuple[Callable[[Generator], Recipe], ...] = (
            lambda rng: scenarios.prescribed_crash(history, rng),
            lambda rng: scenarios.double_volatility(history, rng),
            lambda rng: scenarios.filtered_history(history, self.volatility, rng),
            lambda rng: scenarios.worst_windows(history, self._direction, rng),
            lambda rng: scenarios.drought(history, rng),
        )
        return tuple(self._loss(genome, number, make) for number, make in enumerate(makers))

    def _loss(self, genome: Genome, number: int, make: Callable[[Generator], Recipe]) -> Loss:
        if number not in self._recipes:
            seeds = [self._seed, number, *self.history.symbol.encode()]
            self._recipes[number] = make(np.random.default_rng(seeds))
        recipe = self._recipes[number]
        losses = np.concatenate([part.losses(genome) for part in self._parts(number, recipe)])
        share = "half" if recipe.quantile == MEDIAN else f"{recipe.quantile:.0%}"
        return Loss(
            recipe.name,
            self.history.symbol,
            float(np.quantile(losses, recipe.quantile, method="lower")),
            f"{share} of {len(losses)} worlds lose as much or more",
        )

    def _parts(self, number: int, recipe: Recipe) -> Iterable[Worlds]:
        """Return the worlds in parts that memory holds, and keep them where one part is enough."""
        if number in self._made:
            return (self._made[number],)
        history = self.history
        sessions = history.warm_sessions + recipe.drawn.shape[1]
        at_once = max(1, BARS_AT_ONCE // (sessions * history.bars_a_session))
        parts = (
            build(history, recipe.part(first, first + at_once), self._account, self._market)
            for first in range(0, len(recipe.starts), at_once)
        )
        if at_once < len(recipe.starts):
            return parts
        self._made[number] = next(parts)
        return (self._made[number],)


class Laboratory:
    """Sends genomes through every scenario on one data set; safe to share between threads.

    The stochastic worlds are those of the symbol whose account bears most risk: the largest share
    of its equity in the position, times the symbol's volatility. The worst account decides, as in a
    replay.

    Parameters
    ----------
    backtester : Backtester
        Its bars, labels, account and market are kept; its memory of expressions is not.
    seed : int
        Same seed, same worlds, whatever the number of threads.
    """

    def __init__(self, backtester: Backtester, seed: int = 0) -> None:
        self._bars, self._codes = backtester.bars, backtester.labels.codes
        self._account, self._market = backtester.account, backtester.market
        self._seed = seed
        self._symbols: dict[tuple[int, Side], SymbolWorlds] = {}
        self._lock = Lock()

    def examine(self, genome: Genome, result: Result) -> Stress:
        """Return the loss of `genome` in every scenario.

        Parameters
        ----------
        genome : Genome
        result : Result
            Its backtest over all bars.

        Raises
        ------
        VerdictRefused
            Where it never held a position, and where there is too little of the symbol, or nothing
            that moves, to make worlds of.
        """
        bars = self._bars
        exposures = [largest_exposure(bars, result, row) for row in range(len(bars.symbols))]
        if not any(one.share > 0.0 for one in exposures):
            raise VerdictRefused(
                "it never held a position over a close, so no crash can say anything of it"
            )
        riskiest = max(exposures, key=lambda one: one.share * self._deviations[one.row])
        gapped = max(exposures, key=lambda one: one.share * gap_of(bars, bars.symbols[one.row]))
        with self._lock:
            worlds = self._worlds(riskiest.row, genome.side)
            history = self._worlds(gapped.row, genome.side).history
            synthetic = (
                *event_losses(history, genome, gapped, self._account, self._market),
                exit_in_drought(history, genome.side, gapped, self._account),
                *worlds.losses(genome),
            )
        windows = crash_windows(bars.market)
        losses, untested = replay(bars, result, windows)
        replayed = [
            window for window in windows if any(window.name == one.scenario for one in losses)
        ]
        note = worlds.volatility.note
        return Stress(
            losses,
            synthetic,
            untested,
            cold(bars, replayed),
            differing(bars, replayed),
            (note,) if note else (),
        )

    @cached_property
    def _deviations(self) -> list[float]:
        """Standard deviation of each symbol's returns from bar to bar."""
        known = [close[np.isfinite(close)] for close in self._bars.close]
        return [float(np.std(np.diff(np.log(one)))) if len(one) > 1 else 0.0 for one in known]

    def _worlds(self, row: int, side: Side) -> SymbolWorlds:
        if (row, side) not in self._symbols:
            history = History.of(self._bars, row, self._codes)
            self._symbols[row, side] = SymbolWorlds(
                history, side, self._account, self._market, self._seed
            )
        return self._symbols[row, side]


_kept: OrderedDict[tuple[object, ...], Laboratory] = OrderedDict()
_lock = Lock()


def laboratory_of(backtester: Backtester, seed: int = 0) -> Laboratory:
    """Return the laboratory of a data set, account and seed: the one made before, while it is kept.

    GARCH takes a quarter of a second a symbol, the worlds as much: they are made once for a data
    set, known by its version, in this process.
    """
    key = (
        backtester.bars.data_version,
        backtester.labels.codes.tobytes(),
        backtester.account,
        backtester.market.name,
        seed,
    )
    with _lock:
        if key not in _kept:
            _kept[key] = Laboratory(backtester, seed)
        _kept.move_to_end(key)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
        return _kept[key]
