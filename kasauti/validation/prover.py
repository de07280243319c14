"""Proves that features, labels, signals and whole strategies use nothing of the future.

Which functions of bars there are to prove stands here; the trials themselves in
`kasauti.features.causality`. Beside the proof of a strategy: what acting a bar late would cost it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kasauti.backtest import Backtester
from kasauti.backtest.engine import Passes
from kasauti.backtest.kernel import DELISTED, STOP, TARGET, TRAIL
from kasauti.backtest.metrics import SESSIONS_A_YEAR, sharpe_ratio
from kasauti.errors import DataError, VerdictRefused
from kasauti.features.causality import (
    Function,
    Leak,
    WarmUp,
    choose_cuts,
    choose_starts,
    find_all_leaks,
    measure_warm_up,
)
from kasauti.features.evaluate import Features
from kasauti.features.warmth import declared_warm_up
from kasauti.genome import Genome, Side, parse_expression
from kasauti.genome.language import FUNCTIONS, Parameter
from kasauti.genome.model import Expression, Series
from kasauti.genome.tree import prefix
from kasauti.market.bars import Bars, Floats
from kasauti.regimes import online
from kasauti.regimes.model import UNKNOWN

FEWEST_BARS = 300
"""The regime labels begin after 219; of fewer bars a proof would be about nothing."""
CUTS, MOVES, STARTS = 6, 2, 3
SUSPICIOUS = 0.5
"""A Sharpe ratio above this that loses more than half by waiting one bar deserves a second look."""

_WITHIN_THE_BAR = (STOP, TRAIL, TARGET)
_CHANGED: Mapping[str, str] = {
    "truncation": "were cut off",
    "future noise": "were changed at random",
    "future missing": "were missing",
    "future times ten": "were ten times as high",
}


class Kind(StrEnum):
    """What a subject of a proof is."""

    FEATURE = "feature"
    LABEL = "label"
    SIGNAL = "signal"
    STRATEGY = "strategy"


@dataclass(frozen=True)
class Subject:
    """A function of bars, and the warm-up that is declared for it, None where it has no end."""

    name: str
    kind: Kind
    function: Function
    declared: int | None = None


@dataclass(frozen=True)
class Proof:
    """What the trials of one subject found.

    Attributes
    ----------
    name : str
    kind : Kind
    leaks : tuple of Leak
    said : str or None
        The first finding in plain words.
    warm_up : WarmUp
        Measured.
    declared : int or None
        The warm-up that was promised, None where none was.
    empty : bool
        Whether it has no value on these bars, so that nothing was proved of it.
    """

    name: str
    kind: Kind
    leaks: tuple[Leak, ...]
    said: str | None
    warm_up: WarmUp
    declared: int | None
    empty: bool

    @property
    def passed(self) -> bool:
        """Whether nothing was found against it."""
        return self.said is None

    def to_json(self) -> dict[str, Any]:
        """Return the proof as plain values."""
        return {
            "name": self.name,
            "kind": self.kind.value,
            "passed": self.passed,
            "found": self.said,
            "leaks": len(self.leaks),
            "warm_up_needed": self.warm_up.needed,
            "warm_up_declared": self.declared,
            "no_value": self.empty,
        }


@dataclass(frozen=True)
class Lag:
    """What a strategy earns from close to close without costs, as it is and a bar later."""

    sharpe: float
    delayed: float

    @property
    def suspicious(self) -> bool:
        """Whether so much hangs on one bar that the data deserve a second look."""
        return self.sharpe > SUSPICIOUS and self.delayed < 0.5 * self.sharpe

    def to_json(self) -> dict[str, Any]:
        """Return the figures by name."""
        return {
            "sharpe": self.sharpe,
            "sharpe_a_bar_later": self.delayed,
            "lost": self.sharpe - self.delayed,
            "suspicious": self.suspicious,
        }


@dataclass(frozen=True)
class Report:
    """All proofs over one panel.

    Attributes
    ----------
    bars, cuts, starts : int
    tolerance : float
        Of the warm-up.
    proofs : tuple of Proof
    lag : Lag or None
        Of a strategy.
    """

    bars: int
    cuts: int
    starts: int
    tolerance: float
    proofs: tuple[Proof, ...]
    lag: Lag | None = None

    @property
    def proved(self) -> bool:
        """Whether nothing was found against any subject."""
        return all(proof.passed for proof in self.proofs)

    @property
    def reason(self) -> str:
        """The first finding, or what was proved, in one sentence."""
        found = next((proof.said for proof in self.proofs if proof.said), None)
        if found is not None:
            return found
        named = sum(not proof.empty for proof in self.proofs)
        return (
            f"{named} of {len(self.proofs)} subjects have values, and none of them changed when "
            f"the data were cut, or everything later was changed, at {self.cuts} places"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``kasauti prove --json`` prints."""
        return {
            "proved": self.proved,
            "reason": self.reason,
            "bars": self.bars,
            "cuts": self.cuts,
            "starts": self.starts,
            "tolerance": self.tolerance,
            "subjects": [proof.to_json() for proof in self.proofs],
            "lag": None if self.lag is None else self.lag.to_json(),
        }


def prove_language(bars: Bars, rng: np.random.Generator, *, cuts: int = CUTS) -> Report:
    """Prove every function of the language that these bars can feed, and the regime labels."""
    subjects = [
        Subject(text, Kind.FEATURE, partial(_values, tree), declared_warm_up(tree))
        for text, tree in _calls(bars)
    ]
    return prove(bars, [*subjects, _labels()], rng, cuts=cuts)


def prove_genome(
    backtester: Backtester, genome: Genome, rng: np.random.Generator, *, cuts: int = CUTS
) -> Report:
    """Prove the labels, the signals and the positions of one strategy, and measure its lag.

    Raises
    ------
    VerdictRefused
        Where it never trades: nothing could be proved of its positions.
    """
    passes = backtester.passes(genome)
    if not entered_and_held(passes, backtester.bars)[0].any():
        raise VerdictRefused(
            "the strategy never trades on these bars, so nothing can be proved of its positions: "
            "loosen its entry rule, or bring bars on which it trades"
        )
    subjects = [
        _labels(),
        Subject("entry and exit", Kind.SIGNAL, partial(_signals, backtester, genome)),
        Subject("positions", Kind.STRATEGY, partial(_positions, backtester, genome)),
    ]
    report = prove(backtester.bars, subjects, rng, cuts=cuts)
    return replace(report, lag=lag_of(passes, backtester.bars, genome.side))


def prove(
    bars: Bars, subjects: Sequence[Subject], rng: np.random.Generator, *, cuts: int = CUTS
) -> Report:
    """Put every subject through all trials: truncation, a changed future, a later start.

    Parameters
    ----------
    bars : Bars
    subjects : sequence of Subject
    rng : numpy Generator
        Chooses the cuts, the starts and the noise.
    cuts : int
        Random ones; those around the largest moves come on top.

    Raises
    ------
    DataError
        Too few bars to prove anything, or bars that lack a series that a subject reads.
    """
    if bars.shape[1] < FEWEST_BARS:
        raise DataError(
            f"{bars.shape[1]} bars prove nothing: bring at least {FEWEST_BARS}, because the regime "
            f"labels alone begin after {online.WARM_UP}"
        )
    places = choose_cuts(bars, rng, cuts, MOVES)
    starts = choose_starts(bars, rng, STARTS)
    seed = int(rng.integers(2**31))
    leaks = find_all_leaks({one.name: one.function for one in subjects}, bars, places, seed)
    proofs = []
    for one in subjects:
        warm_up = measure_warm_up(one.function, bars, starts)
        said = _say(bars, one, leaks[one.name], warm_up)
        empty = not _says_anything(np.asarray(one.function(bars)))
        proofs.append(
            Proof(one.name, one.kind, tuple(leaks[one.name]), said, warm_up, one.declared, empty)
        )
    return Report(bars.shape[1], len(places), len(starts), warm_up.tolerance, tuple(proofs))


def decisions(backtester: Backtester, genome: Genome, bars: Bars) -> NDArray[Any]:
    """Return entry and exit signals, shares bought and shares held, shape (4 S, T).

    Parameters
    ----------
    backtester : Backtester
        Whose account, dialect and market are used; its bars are not.
    genome : Genome
    bars : Bars
        Regimes are labelled anew on these.
    """
    own = _over(backtester, bars)
    return np.concatenate([*own.rules(genome), *entered_and_held(own.passes(genome), bars)])


def entered_and_held(passes: Passes, bars: Bars) -> tuple[Floats, Floats]:
    """Return the shares bought (or sold short) on every bar and those held over its close, (S, T).

    A position that ends because its symbol does counts as held on that last bar: nobody knew on it
    that no other would follow.
    """
    entered, held = np.zeros(bars.shape), np.zeros(bars.shape)
    for row, (closed, open_) in enumerate(zip(passes.trades, passes.open, strict=True)):
        trades = np.concatenate([closed, open_])
        np.add.at(entered[row], trades["entry_bar"], trades["quantity"])
        _hold(held[row], trades, trades["exit_bar"] + (trades["reason"] == DELISTED))
    return entered, held


def lag_of(passes: Passes, bars: Bars, side: Side) -> Lag:
    """Return what the positions earn as they are, and entered and left one bar later.

    A position earns from the close before its entry to the close before its exit, or to that of the
    bar within which a stop or a target took it out; no costs, so that nothing but the bar of
    waiting differs.
    """
    shares = np.zeros(bars.shape)
    for row, (closed, open_) in enumerate(zip(passes.trades, passes.open, strict=True)):
        trades = np.concatenate([closed, open_])
        stops = trades["exit_bar"] + np.isin(trades["reason"], _WITHIN_THE_BAR)
        _hold(shares[row], trades, stops)
    known = np.isfinite(bars.close)
    last = np.maximum.accumulate(np.where(known, np.arange(bars.shape[1]), 0), axis=1)
    close = np.take_along_axis(bars.close, last, axis=1)
    change = np.nan_to_num(np.diff(close, axis=1)) * (1.0 if side is Side.LONG else -1.0)
    equity = passes.equity.sum(axis=0)[:-1]
    alive = equity > 0.0
    scale = np.divide(1.0, equity, out=np.zeros_like(equity), where=alive)
    now = (shares[:, 1:] * change).sum(axis=0) * scale
    late = (shares[:, :-1] * change).sum(axis=0) * scale
    year = float(SESSIONS_A_YEAR * bars.bars_a_session)
    return Lag(float(sharpe_ratio(now, year)), float(sharpe_ratio(late, year)))


def _hold(shares: Floats, trades: NDArray[np.void], stops: NDArray[np.int64]) -> None:
    """Write the quantity of each trade into `shares`, from its entry bar to before its stop."""
    columns = (trades["entry_bar"], stops, trades["quantity"])
    for first, stop, quantity in zip(*(one.tolist() for one in columns), strict=True):
        shares[first:stop] = quantity


def _over(backtester: Backtester, bars: Bars) -> Backtester:
    return Backtester(
        bars, account=backtester.account, dialect=backtester.dialect, market=backtester.market
    )


def _values(tree: Expression, bars: Bars) -> NDArray[Any]:
    return Features(bars).evaluate(tree)


def _signals(backtester: Backtester, genome: Genome, bars: Bars) -> NDArray[Any]:
    return np.concatenate(_over(backtester, bars).rules(genome))


def _positions(backtester: Backtester, genome: Genome, bars: Bars) -> NDArray[Any]:
    return np.concatenate(entered_and_held(_over(backtester, bars).passes(genome), bars))


def _labels() -> Subject:
    return Subject("regime labels", Kind.LABEL, lambda bars: online.label_online(bars).codes)


def _calls(bars: Bars) -> list[tuple[str, Expression]]:
    """Return one call of every function whose series these bars have."""
    known = set(Features(bars).series)
    found = []
    for name, function in FUNCTIONS.items():
        arguments = (_argument(one, place) for place, one in enumerate(function.parameters))
        text = f"{name}({', '.join(arguments)})"
        tree = parse_expression(text)
        named = {node.name for node in prefix(tree) if isinstance(node, Series)}
        if named | set(function.reads) <= known:
            found.append((text, tree))
    return found


def _argument(parameter: Parameter, place: int) -> str:
    if parameter.is_literal:
        return f"{10 if parameter.default is None else parameter.default:g}"
    return ("close", "sma(close, 5)")[place]


def _says_anything(values: NDArray[Any]) -> bool:
    if values.dtype == np.bool_:
        return bool(values.any())
    if values.dtype == np.int8:  # regime codes
        return bool((values != UNKNOWN).any())
    return bool(np.isfinite(values).any())


def _say(bars: Bars, subject: Subject, leaks: Sequence[Leak], warm_up: WarmUp) -> str | None:
    """Return in plain words what was found first, None for nothing."""
    if leaks:
        first = leaks[0]
        return (
            f"{subject.name}: looks ahead: its value on {bars.times[first.first_bad_position]} was "
            f"another when the bars from {bars.times[first.cut]} on {_CHANGED[first.what]}"
        )
    if subject.declared is None:
        return None
    if warm_up.needed is None or warm_up.needed > subject.declared:
        needed = "more bars than were tried" if warm_up.needed is None else f"{warm_up.needed} bars"
        return (
            f"{subject.name}: needs {needed} before its start is forgotten, and {subject.declared} "
            "are declared: what is computed on less history would differ"
        )
    return None
