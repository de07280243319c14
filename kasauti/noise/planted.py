"""Worlds with an edge of known strength, and the strategy that holds it; the search sees neither.

While the planted rule holds on a close, the next bar's close is lifted by the edge; while it does
not, it is lowered by as much, so the market as a whole gains nothing. The opens stay: what is
planted is earned during the session, by whoever bought at its open. A rule that follows the trend
and one that buys dips are planted by turns.

Known is the Sharpe ratio of the planted strategy net of all charges and slippage in the long run:
the lift is found by simulating the strategy with the engine over centuries of such markets. In
one world of 15 years it scatters by a quarter either way, as a true edge's would.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from kasauti.backtest import Account, Backtester, Score
from kasauti.backtest.metrics import SESSIONS_A_YEAR
from kasauti.compiled import njit
from kasauti.errors import DataError
from kasauti.genome import Genome, genome_from_genes
from kasauti.market.bars import Bars, Floats
from kasauti.market.markets import get_market
from kasauti.noise.worlds import (
    FIRST_CLOSE,
    LEAST_RATIO,
    Base,
    Generator,
    Stuff,
    draw,
    side_by_side,
    to_bars,
)
from kasauti.regimes.model import REGIMES, OnlineLabels

WINDOW = 20
RISK, STOP = 0.03, 5.0  # a notional of about 0.43 of equity: 5 to 7 % volatility a year

YEARS, WORLDS = 15, 24
"""Of each world, and worlds, by which a lift is found: 360 years know a Sharpe ratio to 0.05."""

STEPS = 6
HIGHEST_LIFT = 0.5  # of a day's deviation: an annual Sharpe ratio above 5


class Rule(StrEnum):
    """What the planted strategy acts on."""

    TREND = "trend"
    DIP = "dip"


_WORDS = {
    Rule.TREND: (f"close > sma(close, {WINDOW})", f"close < sma(close, {WINDOW})"),
    Rule.DIP: ("close < sma(close, 5)", "close > sma(close, 5)"),
}
_WINDOWS = {Rule.TREND: WINDOW, Rule.DIP: 5}


@dataclass(frozen=True)
class Plant:
    """An edge to plant.

    Attributes
    ----------
    rule : Rule
    lift : float
        Added to or taken from the close-to-close return.
    """

    rule: Rule
    lift: float


def strategy(rule: Rule) -> Genome:
    """Return the planted strategy in the genome language."""
    entry, leave = _WORDS[rule]
    return genome_from_genes(
        {
            "entry": entry,
            "exit": leave,
            "side": "long",
            "stop": {"atr": STOP},
            "regimes": [regime.value for regime in REGIMES],
            "risk": RISK,
        }
    )


def plant_world(
    base: Base, generator: Generator, sessions: int, plant: Plant, rng: np.random.Generator
) -> Bars:
    """Return a world with the edge in it."""
    return _planted(base, draw(base, generator, sessions, rng), plant)


def _planted(base: Base, stuff: Stuff, plant: Plant) -> Bars:
    prices = np.empty_like(stuff.shapes)
    _string_planted(
        stuff.shapes + base.drift,
        _WINDOWS[plant.rule],
        plant.rule is Rule.TREND,
        plant.lift,
        prices,
    )
    return to_bars(base, stuff, prices)


def find_lift(
    base: Base,
    generator: Generator,
    rule: Rule,
    sharpe: float,
    seed: int,
    *,
    worlds: int = WORLDS,
) -> float:
    """Return the lift that gives the planted strategy the net Sharpe ratio `sharpe` a year.

    The same draws serve every step, so the Sharpe ratio grows with the lift and the secant rule
    finds it. 0 where the market rises so much that half holding it earns that Sharpe ratio anyhow.

    Raises
    ------
    DataError
        No lift on this side of reason reaches it.
    """
    drawn = _drawn(base, generator, seed, worlds)
    low, high = 0.0, HIGHEST_LIFT * base.volatility
    below, above = (_mean_sharpe(base, drawn, Plant(rule, lift)) for lift in (low, high))
    if below >= sharpe:
        return low
    if sharpe >= above:
        raise DataError(
            f"a {rule} edge on {base.name} can have a Sharpe ratio from {below:.2f} to "
            f"{above:.2f}, not {sharpe}"
        )
    for _ in range(STEPS):
        lift = low + (high - low) * (sharpe - below) / (above - below)
        found = _mean_sharpe(base, drawn, Plant(rule, lift))
        if found < sharpe:
            low, below = lift, found
        else:
            high, above = lift, found
    return low + (high - low) * (sharpe - below) / (above - below)


def long_run_sharpe(
    base: Base, generator: Generator, plant: Plant, seed: int, worlds: int = WORLDS
) -> float:
    """Return the mean annual net Sharpe ratio of the planted strategy over many worlds."""
    return _mean_sharpe(base, _drawn(base, generator, seed, worlds), plant)


def _drawn(base: Base, generator: Generator, seed: int, worlds: int) -> list[Stuff]:
    sessions = YEARS * SESSIONS_A_YEAR
    return [
        draw(base, generator, sessions, np.random.default_rng([seed, k])) for k in range(worlds)
    ]


def _mean_sharpe(base: Base, drawn: Sequence[Stuff], plant: Plant) -> float:
    """Trade the worlds that the draws make side by side: each has an account of its own."""
    panel = side_by_side([_planted(base, stuff, plant) for stuff in drawn])
    return float(np.mean(_score(panel, strategy(plant.rule)).symbol_sharpe))


def net_sharpe(bars: Bars, genome: Genome) -> float:
    """Return the annual Sharpe ratio of `genome`, net of charges and slippage."""
    return _score(bars, genome).sharpe


def _score(bars: Bars, genome: Genome) -> Score:
    account = Account(charges=get_market(bars.market).charges)
    labels = None
    if len(genome.regimes) == len(REGIMES):  # then no label matters
        labels = OnlineLabels(np.zeros(bars.shape[1], dtype=np.int8))
    return Backtester(bars, account=account, labels=labels).score(genome)


@njit
def _string_planted(shapes: Floats, window: int, trend: bool, lift: float, prices: Floats) -> None:
    before = FIRST_CLOSE
    total = 0.0
    for t in range(len(shapes)):
        move = 0.0
        if t >= window:
            above = before * window > total
            move = lift if above == trend else -lift
        opened = max(1.0 + shapes[t, 0], LEAST_RATIO)
        closed = max(1.0 + shapes[t, 3] + move, LEAST_RATIO)
        prices[t, 0] = before * opened
        prices[t, 1] = before * max(1.0 + shapes[t, 1] + max(move, 0.0), opened, closed)
        prices[t, 2] = before * min(
            max(1.0 + shapes[t, 2] + min(move, 0.0), LEAST_RATIO), opened, closed
        )
        before *= closed
        prices[t, 3] = before
        total += before
        if t >= window:
            total -= prices[t - window, 3]
