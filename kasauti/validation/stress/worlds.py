"""Worlds as one panel, a symbol a world: real bars first, then made ones; and what a genome loses.

All worlds of a panel begin at the same position. Indicators and regimes read what that world's own
market did; a position that the genome holds where the world begins is carried into it.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kasauti.backtest import Account, Backtester
from kasauti.backtest.kernel import TRADE
from kasauti.backtest.moments import GROUPS
from kasauti.backtest.population import Setting, trace
from kasauti.backtest.tape import filled_closes
from kasauti.features.bits import pack
from kasauti.features.evaluate import Features, Values
from kasauti.genome import Genome
from kasauti.genome.codes import Population
from kasauti.market.bars import FIELDS, PRICE_FIELDS, Bars, Floats
from kasauti.market.markets import Market
from kasauti.regimes.model import REGIMES, UNKNOWN, OnlineLabels
from kasauti.regimes.online import label_closes
from kasauti.validation.stress.history import History
from kasauti.validation.stress.scenarios import Recipe
from kasauti.validation.stress.windows import loss_of

LABELLED = 400
"""Real sessions that a world's regimes are read from: the labels' warm-up and most of a year of
volatility. All of the history would cost a judge seconds."""

WIDEST = 20.0
"""Of a world's log prices, either way: nothing that trades, and still a number."""

Codes = NDArray[np.int8]


class WorldFeatures(Features):
    """Features of a panel in which every symbol has its own market series, each of shape (S, T)."""

    def __init__(self, bars: Bars, own: dict[str, Floats]) -> None:
        super().__init__(bars)
        self._own = own

    def _series(self, name: str) -> Values:
        return self._own[name] if name in self._own else super()._series(name)


@dataclass(frozen=True, eq=False)
class Worlds:
    """W worlds of one symbol.

    Attributes
    ----------
    bars : Bars
        A row a world.
    start : int
        Position of the last real bar, on whose close the loss begins to count.
    own : dict of str to ndarray of shape (W, T)
        The market's series in each world.
    real_codes : ndarray of shape (W, start + 1), int8
        Regimes of the real bars, as they were known.
    markets : ndarray of shape (W, N + H) or None
        Session closes from which the regimes of the made bars are read, the last H of them made.
        None: they stay what they were on the last real bar.
    account, market
        What trades in them.
    """

    bars: Bars
    start: int
    own: dict[str, Floats]
    real_codes: Codes
    markets: Floats | None
    account: Account
    market: Market

    @cached_property
    def setting(self) -> Setting:
        """What the kernel reads, regimes aside: those differ from world to world."""
        unknown = OnlineLabels(np.full(self.bars.shape[1], UNKNOWN, dtype=np.int8))
        backtester = Backtester(
            self.bars, account=self.account, labels=unknown, market=self.market, memory=1
        )
        return backtester.setting

    @cached_property
    def codes(self) -> Codes:
        """Regime of every bar in every world, shape (W, T)."""
        made = self.bars.shape[1] - self.start - 1
        codes = np.repeat(self.real_codes[:, -1:], self.bars.shape[1], axis=1)
        codes[:, : self.start + 1] = self.real_codes
        if self.markets is None:
            return codes
        sessions = len(np.unique(self.bars.sessions[self.start + 1 :]))
        labels = label_closes(self.markets)[:, -sessions - 1 :]
        # within an intraday session only the label of the session before is known
        known = labels[:, 1:] if self.bars.is_daily else labels[:, :-1]
        codes[:, self.start + 1 :] = np.repeat(known, made // sessions, axis=1)
        return codes

    def losses(self, genome: Genome) -> Floats:
        """Return the loss of `genome` in every world, shape (W,); see `Loss`."""
        features = WorldFeatures(self.bars, self.own)
        entry, leave = features.evaluate(genome.entry), features.evaluate(genome.exit)
        if len(genome.regimes) < len(REGIMES):
            allowed = [code for code, regime in enumerate(REGIMES) if regime in genome.regimes]
            entry = entry & np.isin(self.codes, allowed)
        entries, leaves = pack(entry), pack(leave)
        genes = Population.of([replace(genome, regimes=frozenset(REGIMES))]).genes
        worlds, length = self.bars.shape
        records, sizes = np.empty(length + 1, dtype=TRADE), np.ones(length)
        equity, sums, draw = np.empty(length), np.zeros((GROUPS, 2)), np.zeros(2)
        losses = np.empty(worlds)
        for world in range(worlds):
            trace(
                self.setting,
                world,
                entries[world],
                leaves[world],
                genes,
                0,
                length,
                records,
                sizes,
                equity,
                sums,
                draw,
            )
            losses[world] = loss_of(equity[self.start :])
        return losses


def build(history: History, recipe: Recipe, account: Account, market: Market) -> Worlds:
    """Return the worlds of a recipe.

    Every world has the same times: those of the last real sessions and of business days after them,
    so that charges are today's whenever its real bars were.
    """
    warm, bars, row = history.warm_sessions, history.bars, history.row
    real = history.places[recipe.starts[:, None] + np.arange(1 - warm, 1)]
    real = real.reshape(len(real), -1)
    prices = _made(history, recipe, history.closes, [getattr(bars, f)[row] for f in PRICE_FIELDS])
    volume = bars.volume[row][_flat(history, recipe)] * recipe.volume
    open_, high, low, close, volume = (
        np.concatenate([getattr(bars, name)[row][real], made], axis=1)
        for name, made in zip(FIELDS, (*prices, volume), strict=True)
    )
    times = bars.times[history.places[-warm:]].ravel()
    later = history.times_after(times[-1], recipe.drawn.shape[1])
    spread = replace(
        account.slippage, half_spread=min(account.slippage.half_spread * recipe.half_spread, 0.5)
    )
    panel = Bars(
        bars.market,
        tuple(f"{history.symbol} {number}" for number in range(len(real))),
        np.concatenate([times, later]),
        open_,
        high,
        low,
        close,
        volume,
        series={name: np.full(len(times) + len(later), np.nan) for name in bars.series},
    )
    return Worlds(
        panel,
        real.shape[1] - 1,
        _market_series(history, recipe, real),
        history.codes[real],
        _session_closes(history, recipe),
        replace(account, slippage=spread),
        market,
    )


def _flat(history: History, recipe: Recipe) -> NDArray[np.int64]:
    """Return the position of the real bar behind every made one, shape (W, H k)."""
    return history.places[recipe.drawn].reshape(len(recipe.drawn), -1)


def _made(history: History, recipe: Recipe, closes: Floats, fields: list[Floats]) -> list[Floats]:
    """Return `fields` of a price series over the made bars, each of shape (W, H k).

    `closes` are its closes, filled; all fields move by the same scale and shift.
    """
    before = closes[history.before]
    last = np.log(closes[history.places[:, -1]] / before)
    moves = recipe.scale * last[recipe.drawn]
    if recipe.total is None:
        shift = (1.0 - recipe.scale) * last.mean()
    else:
        missing = np.log1p(recipe.total) - moves.sum(axis=1, keepdims=True)
        shift = np.repeat(missing / moves.shape[1], moves.shape[1], axis=1)
    moves = np.cumsum(moves + shift, axis=1) - moves  # log level before each session, and its shift
    level = closes[history.places[recipe.starts, -1]]
    made = []
    for values in fields:
        relative = np.log(values[history.places] / before[:, None])[recipe.drawn]
        logs = moves[:, :, None] + recipe.scale[:, :, None] * relative
        prices = np.exp(np.clip(logs, -WIDEST, WIDEST)).reshape(len(level), -1)
        made.append(level[:, None] * prices)
    return made


def _market_series(history: History, recipe: Recipe, real: NDArray[np.int64]) -> dict[str, Floats]:
    series = history.bars.series
    own = {}
    if "index" in series:
        closes = filled_closes(series["index"])
        (made,) = _made(history, recipe, closes, [closes])
        own["index"] = np.concatenate([series["index"][real], made], axis=1)
    if "vix" in series:
        if recipe.vix is None:
            made = series["vix"][_flat(history, recipe)]
        else:
            made = np.repeat(recipe.vix, history.bars_a_session, axis=1)
        own["vix"] = np.concatenate([series["vix"][real], made], axis=1)
    return own


def _session_closes(history: History, recipe: Recipe) -> Floats:
    last = history.places[:, -1]
    first = recipe.starts[:, None] + np.arange(1 - LABELLED, 1)
    real = np.where(first >= 0, history.market[last[np.maximum(first, 0)]], np.nan)
    (made,) = _made(history, recipe, history.market, [history.market])
    ends = made[:, history.bars_a_session - 1 :: history.bars_a_session]
    return np.concatenate([real, ends], axis=1)
