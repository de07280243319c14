"""What is left of a strategy when the world differs a little from its backtest; nobody judges here.

Five changes: trading costs twice as much, orders fill a bar later, prices are a little different,
each number of the genome takes the next value, and each symbol is left out in turn. The measure is
always the same: the share of the Sharpe ratio that remains.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from kasauti.backtest import Account, Backtester, Slippage
from kasauti.backtest.metrics import SESSIONS_A_YEAR, returns_of, sharpe_ratio
from kasauti.genome import Genome
from kasauti.genome.codes import Population
from kasauti.market.bars import Bars, Floats
from kasauti.market.charges import RATE_FIELDS, ChargeSchedule
from kasauti.validation.decisions import later, trade_decisions
from kasauti.validation.tuning import dials, turned

COST_FACTOR = 2  # the usual margin for a bad year: spreads double in every crash of the reference
JITTER = 0.10  # of a bar's own range either way: what two data vendors' prices differ by
JITTERED_WORLDS = 5
PLATEAU = 0.5  # a neighbour stands on the same plateau if it keeps at least half of the Sharpe

_TAX_ON_CHARGES = "gst"  # a rate on the other charges: doubled with them, it would count four times


@dataclass(frozen=True)
class Change:
    """One change and what it leaves.

    Attributes
    ----------
    name : str
    sharpe : float
        Annualised, with the change.
    kept : float or None
        Share of the strategy's own Sharpe; None where that is not positive, so that nothing can
        be kept.
    words : str
        For a trader.
    """

    name: str
    sharpe: float
    kept: float | None
    words: str


@dataclass(frozen=True)
class Neighbour:
    """The genome with one dial turned by one step."""

    dial: str
    value: float
    sharpe: float
    kept: float | None


@dataclass(frozen=True)
class Robustness:
    """Every change to one genome.

    Attributes
    ----------
    sharpe : float
        Without any change.
    dearer, delayed, jittered, turned : Change
        `jittered` is the median world of `worlds`, `turned` the median of `neighbours`.
    worlds : tuple of float
        Sharpe in each jittered world.
    neighbours : tuple of Neighbour
    plateau : float or None
        Share of the neighbours that keep at least half of the Sharpe; None without any.
    left_out : tuple of Change
        One a symbol, empty where there is a single one.
    """

    sharpe: float
    dearer: Change
    delayed: Change
    jittered: Change
    turned: Change
    worlds: tuple[float, ...]
    neighbours: tuple[Neighbour, ...]
    plateau: float | None
    left_out: tuple[Change, ...]

    @property
    def worst_left_out(self) -> Change | None:
        """The symbol whose absence costs most."""
        return min(self.left_out, key=lambda change: change.sharpe, default=None)

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes, in the order of a report."""
        return (self.dearer, self.delayed, self.jittered, self.turned, *self.left_out)


def robustness(backtester: Backtester, genome: Genome, *, seed: int = 0) -> Robustness:
    """Trade `genome` under every change.

    Parameters
    ----------
    backtester : Backtester
        Over the bars to examine; its regime labels serve every change.
    genome : Genome
    seed : int
        Of the jittered prices.
    """
    steps = neighbours_of(genome)
    population = Population.of([genome, *(child for _, _, child in steps)])
    own, *around = backtester.scores(population).sharpe.tolist()
    neighbours = tuple(
        Neighbour(dial, value, sharpe, kept_of(sharpe, own))
        for (dial, value, _), sharpe in zip(steps, around, strict=True)
    )
    worlds = _jittered_sharpes(backtester, genome, seed)
    return Robustness(
        own,
        _dearer(backtester, genome, own),
        _delayed(backtester, genome, own),
        _jittered(worlds, own),
        _turned(neighbours, own),
        worlds,
        neighbours,
        _plateau(neighbours),
        _left_out(backtester, genome, own),
    )


def kept_of(sharpe: float, own: float) -> float | None:
    """Return the share of `own` that `sharpe` is; None where there is nothing to keep."""
    return sharpe / own if own > 0.0 else None


def neighbours_of(genome: Genome) -> list[tuple[str, float, Genome]]:
    """Return dial, value and genome of every legal step of one dial by one place of its lattice."""
    found = []
    for dial in dials(genome):
        at = dial.values.index(dial.current)
        for place in (at - 1, at + 1):
            if 0 <= place < len(dial.values):
                value = dial.values[place]
                child = turned(genome, {dial.name: value})
                if child is not None:
                    found.append((dial.name, value, child))
    return found


def dearer(account: Account, factor: int = COST_FACTOR) -> Account:
    """Return `account` with all charges and the half-spread times `factor`."""
    rows = tuple(
        replace(row, **{name: getattr(row, name) * Decimal(factor) for name in _charged_fields()})
        for row in account.charges.rows
    )
    charges = ChargeSchedule(f"{account.charges.name} times {factor}", rows)
    slippage = Slippage(account.slippage.half_spread * factor, account.slippage.impact)
    return replace(account, charges=charges, slippage=slippage)


def jittered(bars: Bars, rng: np.random.Generator, worlds: int, share: float = JITTER) -> Bars:
    """Return `worlds` copies of every symbol with other prices, the first world's symbols first.

    Each price moves by up to `share` of its bar's range, evenly; high and low then include open
    and close. What is undefined stays so; a bar without a range does not move.

    Parameters
    ----------
    bars : Bars
    rng : numpy.random.Generator
    worlds : int
    share : float
    """
    span = np.nan_to_num(bars.high - bars.low)
    floor = np.nan_to_num(bars.low, nan=np.inf) / 2.0  # a price stays positive

    def moved(prices: Floats) -> Floats:
        noise = rng.uniform(-share, share, (worlds, *bars.shape))
        floors = np.where(np.isfinite(floor), floor, prices / 2.0)
        return np.maximum(prices + noise * span, floors)

    open_, high, low, close = map(moved, (bars.open, bars.high, bars.low, bars.close))
    highest, lowest = np.fmax(open_, close), np.fmin(open_, close)
    high = np.where(np.isnan(high), np.nan, np.fmax(high, highest))
    low = np.where(np.isnan(low), np.nan, np.fmin(low, lowest))
    open_, high, low, close = (
        prices.reshape(-1, bars.shape[1]) for prices in (open_, high, low, close)
    )
    return Bars(
        bars.market,
        tuple(f"{symbol} {world}" for world in range(worlds) for symbol in bars.symbols),
        bars.times,
        open_,
        high,
        low,
        close,
        np.tile(bars.volume, (worlds, 1)),
        series=bars.series,
    )


def _charged_fields() -> Sequence[str]:
    return [name for name in RATE_FIELDS if name != _TAX_ON_CHARGES]


def _like(backtester: Backtester, bars: Bars, account: Account) -> Backtester:
    """Return the same backtester over other bars, or with another account."""
    return Backtester(
        bars,
        account=account,
        dialect=backtester.dialect,
        labels=backtester.labels,
        market=backtester.market,
    )


def _dearer(backtester: Backtester, genome: Genome, own: float) -> Change:
    costly = _like(backtester, backtester.bars, dearer(backtester.account))
    sharpe = costly.score(genome).sharpe
    kept = kept_of(sharpe, own)
    return Change("costs twice as high", sharpe, kept, f"with costs doubled it {_keeps(kept)}")


def _delayed(backtester: Backtester, genome: Genome, own: float) -> Change:
    enter, leave = backtester.rules(genome)
    late = trade_decisions(backtester, genome, later(enter, 1)[None], later(leave, 1)[None])
    sharpe = float(late.sharpe[0])
    kept = kept_of(sharpe, own)
    words = f"with every order filled one bar later it {_keeps(kept)}"
    return Change("fills one bar later", sharpe, kept, words)


def _jittered_sharpes(backtester: Backtester, genome: Genome, seed: int) -> tuple[float, ...]:
    bars = backtester.bars
    rng = np.random.default_rng(seed)
    shaken = _like(backtester, jittered(bars, rng, JITTERED_WORLDS), backtester.account)
    equity = shaken.passes(genome).equity.reshape(JITTERED_WORLDS, *bars.shape)
    return tuple(_sharpe(bars, curve) for curve in equity.sum(axis=1))


def _jittered(worlds: Sequence[float], own: float) -> Change:
    sharpe = float(np.median(worlds))
    kept = kept_of(sharpe, own)
    words = f"with prices that differ by up to {JITTER:.0%} of a bar's range it {_keeps(kept)}"
    return Change("slightly different prices", sharpe, kept, words)


def _turned(neighbours: Sequence[Neighbour], own: float) -> Change:
    name = "neighbouring settings"
    if not neighbours:
        return Change(name, own, kept_of(own, own), "it has no number that could be turned")
    sharpe = float(np.median([one.sharpe for one in neighbours]))
    stand = sum(one.kept is not None and one.kept >= PLATEAU for one in neighbours)
    words = (
        f"{stand} of {len(neighbours)} neighbouring settings keep at least half of its Sharpe ratio"
    )
    return Change(name, sharpe, kept_of(sharpe, own), words)


def _plateau(neighbours: Sequence[Neighbour]) -> float | None:
    if not neighbours:
        return None
    return float(np.mean([one.kept is not None and one.kept >= PLATEAU for one in neighbours]))


def _left_out(backtester: Backtester, genome: Genome, own: float) -> tuple[Change, ...]:
    """Leave each symbol out; every symbol has its own account, so the others' curves stay."""
    bars = backtester.bars
    if len(bars.symbols) == 1:
        return ()
    equity = backtester.passes(genome).equity
    whole = equity.sum(axis=0)
    found = []
    for row, symbol in enumerate(bars.symbols):
        sharpe = _sharpe(bars, whole - equity[row])
        kept = kept_of(sharpe, own)
        found.append(
            Change(f"without {symbol}", sharpe, kept, f"without {symbol} it {_keeps(kept)}")
        )
    return tuple(found)


def _sharpe(bars: Bars, equity: Floats) -> float:
    year = float(SESSIONS_A_YEAR * bars.bars_a_session)
    return float(sharpe_ratio(returns_of(np.ascontiguousarray(equity)), year))


def _keeps(kept: float | None) -> str:
    if kept is None:
        return "cannot keep what it never earned"
    if kept <= 0.0:
        return "loses money"
    return f"keeps {kept:.0%} of its Sharpe ratio"
