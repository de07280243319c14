"""What a genome wants on the last closed bar, and the intents that follow; pure, nothing is sent.

The rules, sizes and levels are those of `kasauti.backtest.kernel`; the difference is that an
order names its worst price beforehand, so quantities are sized at the limit instead of the fill.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_FLOOR, Decimal

import numpy as np

from kasauti.errors import DataError
from kasauti.execution.limits import Limits
from kasauti.execution.model import (
    Intent,
    Offset,
    OrderSide,
    Protection,
    Purpose,
    round_to_tick,
)
from kasauti.execution.ranking import rank_key
from kasauti.execution.views import Position
from kasauti.genome.model import Distance, DistanceKind, Genome, Side
from kasauti.market.bars import Bars
from kasauti.market.calendar import Session
from kasauti.market.markets import Market

ENTRY_SLIP = Decimal("0.01")  # above the close an entry still pays; a wider gap is not chased
EXIT_SLIP = Decimal("0.05")  # below the close an exit still takes before its stop goes back
WINDOW = timedelta(minutes=10)  # after the open, by the design


@dataclass(frozen=True)
class Candidate:
    """A genome with its approved score.

    Attributes
    ----------
    genome : Genome
    score : Decimal
    exits_only : bool
        It may not enter any more; what it holds is still closed by its rules.
    """

    genome: Genome
    score: Decimal
    exits_only: bool = False


@dataclass(frozen=True)
class Signal:
    """What one genome wants in one symbol after the close of `day`.

    Attributes
    ----------
    purpose : Purpose
        ENTRY, or EXIT of a position of this genome.
    side, quantity
        Quantity in shares; of an entry as sized at its limit, 0 if not even one share fits.
    close, limit_price : Decimal
    protection : Protection or None
        Of an entry.
    reason : str
        ``entry``, ``exit`` or ``max_bars``; of an entry of 0 shares, why.
    signal_version : str
        Hash of genome, bars and day.
    parent : str or None
        Entry key of the position to be closed.
    """

    symbol: str
    genome_hash: str
    purpose: Purpose
    side: OrderSide
    quantity: int
    close: Decimal
    limit_price: Decimal
    day: date
    score: Decimal
    reason: str
    signal_version: str
    protection: Protection | None = None
    parent: str | None = None


@dataclass(frozen=True)
class Trailed:
    """A position's stop after the close, moved by its trail."""

    symbol: str
    stop_price: Decimal


def signals_for(
    bars: Bars,
    candidates: Sequence[Candidate],
    *,
    positions: Mapping[str, Position],
    limits: Limits,
    market: Market,
    equity: Decimal,
    cash: Decimal,
) -> list[Signal]:
    """Return the signals on the last bar, ranked: exits first, then entries by `rank_key`.

    Parameters
    ----------
    bars : Bars
        Daily, up to the bar that was just closed.
    candidates : sequence of Candidate
    positions : mapping of symbol to Position
        One position a symbol; it belongs to the genome that opened it.
    limits : Limits
        The risk gene is capped by its risk per trade, charges of both legs included.
    market : Market
    equity, cash : Decimal
        At the close.

    Raises
    ------
    DataError
        For intraday or empty bars.
    """
    if not bars.is_daily or 0 in bars.shape:
        raise DataError("signals are decided on daily bars: give at least one closed session")
    from kasauti.backtest.engine import Backtester  # numba; only where signals are decided

    engine = Backtester(bars, market=market)
    found: list[Signal] = []
    for candidate in candidates:
        genome = candidate.genome
        if genome.side is Side.SHORT and not market.daily_shorts:
            continue
        enter, leave = engine.rules(genome)
        decided = _Decided(bars, candidate, _version(genome, bars), market)
        for row, symbol in enumerate(bars.symbols):
            if not np.isfinite(bars.close[row, -1]):
                continue
            position = positions.get(symbol)
            if position is not None and position.genome_hash == genome.hash:
                reason = _exit_reason(bars, genome, position, bool(leave[row, -1]))
                if reason:
                    found.append(decided.exit(row, position, reason))
            elif position is None and enter[row, -1] and not candidate.exits_only:
                atr = float(engine.features.atr()[row, -1])
                entry = decided.entry(row, atr, limits, equity, cash)
                if entry is not None:
                    found.append(entry)
    return rank_signals(found)


def rank_signals(signals: Iterable[Signal]) -> list[Signal]:
    """Return exits first, then entries: the higher score first, then hash, then symbol."""
    return sorted(
        signals,
        key=lambda s: (
            s.purpose is Purpose.ENTRY,
            rank_key(s.score, s.genome_hash, s.symbol),
        ),
    )


def to_intents(signals: Iterable[Signal], session: Session) -> list[Intent]:
    """Return the intents of `signals` for `session`: from its open, for ten minutes.

    An entry without a share is no intent. Equal signals give equal keys, whoever decides them.
    """
    return [
        Intent(
            key=f"{signal.genome_hash[:16]}|{signal.signal_version[:16]}|{signal.symbol}"
            f"|{signal.purpose.value}",
            genome_hash=signal.genome_hash,
            signal_version=signal.signal_version,
            symbol=signal.symbol,
            side=signal.side,
            quantity=signal.quantity,
            purpose=signal.purpose,
            limit_price=signal.limit_price,
            valid_from=session.open,
            valid_until=session.open + WINDOW,
            reference_price=signal.close,
            protection=signal.protection,
            score=signal.score,
            parent=signal.parent,
        )
        for signal in signals
        if signal.quantity > 0
    ]


def trailed(bars: Bars, positions: Mapping[str, Position]) -> list[Trailed]:
    """Return where the trails of `positions` stand after the last bar.

    A trail follows the highest high (lowest low for a short) of whole bars from the entry bar on,
    and the fill price. Its distance is fixed in money, or a fraction of that high.
    """
    moved = []
    for symbol, position in positions.items():
        if position.trail is None or symbol not in bars.symbols:
            continue
        row = bars.symbols.index(symbol)
        since = bars.sessions >= np.datetime64(position.opened_at.date())
        whole = since & _whole(bars, row)
        best = position.average_price
        extremes = (bars.high if position.sign > 0 else bars.low)[row, whole]
        for price in extremes:
            best = max(best, _exact(price)) if position.sign > 0 else min(best, _exact(price))
        level = best - position.sign * position.trail.amount(best)
        moved.append(Trailed(symbol, level))
    return moved


@dataclass(frozen=True)
class _Decided:
    """Builds the signals of one candidate on the last bar."""

    bars: Bars
    candidate: Candidate
    version: str
    market: Market

    @property
    def day(self) -> date:
        day: date = self.bars.sessions[-1].astype(object)
        return day

    def limit(self, close: Decimal, side: OrderSide, slip: Decimal) -> Decimal:
        price = close * (1 + side.sign * slip)
        tick = self.market.tick_size(price, self.day)
        return round_to_tick(price, tick, up=side is OrderSide.BUY)

    def exit(self, row: int, position: Position, reason: str) -> Signal:
        close = _exact(self.bars.close[row, -1])
        side = OrderSide.SELL if position.sign > 0 else OrderSide.BUY
        return Signal(
            position.symbol,
            position.genome_hash,
            Purpose.EXIT,
            side,
            abs(position.quantity) - position.foreign,
            close,
            self.limit(close, side, EXIT_SLIP),
            self.day,
            self.candidate.score,
            reason,
            self.version,
            parent=position.parent,
        )

    def entry(
        self, row: int, atr: float, limits: Limits, equity: Decimal, cash: Decimal
    ) -> Signal | None:
        genome = self.candidate.genome
        distances = (genome.stop, genome.target, genome.trail)
        needs_atr = any(d is not None and d.kind is DistanceKind.ATR for d in distances)
        if needs_atr and not (np.isfinite(atr) and atr > 0):
            return None
        close = _exact(self.bars.close[row, -1])
        side = OrderSide.BUY if genome.side is Side.LONG else OrderSide.SELL
        limit = self.limit(close, side, ENTRY_SLIP)
        stop, target, trail = (_offset(distance, atr) for distance in distances)
        assert stop is not None
        protection = Protection(stop, target, trail)
        sizing = Sizing(limit, side, protection, Decimal(repr(genome.risk)), self.market, self.day)
        quantity = sizing.quantity(limits, equity, cash)
        return Signal(
            self.bars.symbols[row],
            genome.hash,
            Purpose.ENTRY,
            side,
            quantity,
            close,
            limit,
            self.day,
            self.candidate.score,
            "entry" if quantity else "less than one share within risk and cash",
            self.version,
            protection,
        )


@dataclass(frozen=True)
class Sizing:
    """How many shares an entry may buy at its limit; section 4.3 under the profile's caps."""

    limit: Decimal
    side: OrderSide
    protection: Protection
    risk: Decimal
    market: Market
    day: date

    def quantity(self, limits: Limits, equity: Decimal, cash: Decimal) -> int:
        """Return the largest whole number of shares within risk, cash and the profile.

        ``floor(risk * E / d)`` with d the stop distance as the genome has it, then down until
        distance to the first stop times quantity plus both legs' charges is within the profile's
        risk per trade, and the value plus charges within cash.
        """
        distance = self.protection.stop.amount(self.limit)
        if distance <= 0 or equity <= 0:
            return 0
        wanted = (self.risk * equity / distance).to_integral_value(ROUND_FLOOR)
        low, high = 0, int(min(wanted, Decimal(limits.max_quantity)))
        while low < high:  # both conditions get harder with every share
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._fits(middle, limits, cash) else (low, middle - 1)
        return low

    def _fits(self, quantity: int, limits: Limits, cash: Decimal) -> bool:
        value = quantity * self.limit
        stop = self.protection.stop_price(self.limit, self.side)
        if stop <= 0:
            return False
        is_buy = self.side is OrderSide.BUY
        schedule = self.market.charges
        entry = schedule.charge(self.day, is_buy, True, value).total
        leaving = schedule.charge(self.day, not is_buy, True, quantity * stop).total
        risked = abs(self.limit - stop) * quantity + entry + leaving
        most = min(limits.max_order_value, limits.max_position_value, limits.max_gross)
        return risked <= limits.risk_per_trade and value + entry <= cash and value <= most


def _exit_reason(bars: Bars, genome: Genome, position: Position, leave: bool) -> str:
    if leave or position.leaving:
        return "exit"
    opened = int(np.searchsorted(bars.sessions, np.datetime64(position.opened_at.date())))
    if genome.max_bars is not None and bars.shape[1] >= opened + genome.max_bars:
        return "max_bars"
    return ""


def _offset(distance: Distance | None, atr: float) -> Offset | None:
    if distance is None:
        return None
    if distance.kind is DistanceKind.FRACTION:
        return Offset(Decimal(repr(distance.value)), of_price=True)
    return Offset((Decimal(repr(distance.value)) * Decimal(repr(atr))).quantize(Decimal("0.0001")))


def _version(genome: Genome, bars: Bars) -> str:
    text = f"{genome.hash}|{bars.data_version}|{bars.sessions[-1]}"
    return hashlib.sha256(text.encode()).hexdigest()


def _whole(bars: Bars, row: int) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    prices = np.stack([bars.open[row], bars.high[row], bars.low[row], bars.close[row]])
    return np.asarray(np.isfinite(prices).all(axis=0))


def _exact(value: float) -> Decimal:
    return Decimal(repr(float(value)))
