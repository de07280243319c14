"""A slow, obvious simulator of DESIGN section 4: one symbol, one bar after the other, no numba.

Written from the design's text, not from the kernel: plain dictionaries, plain Python floats, and
the exact Decimal charges. Where the design leaves a detail open it follows the list in
`kasauti.backtest.kernel`.
"""

import math
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from kasauti.backtest.account import Account
from kasauti.genome.model import Distance, DistanceKind, Genome, Side
from kasauti.regimes.model import REGIMES

Bar = dict[str, Any]
"""open, high, low, close, volume, atr, day, label, entry, exit, square_off."""


@dataclass
class Run:
    """Everything that happened."""

    equity: list[float] = field(default_factory=list)
    trades: list[dict[str, Any]] = field(default_factory=list)
    open: dict[str, Any] | None = None
    charges: float = 0.0
    held: int = 0
    counters: dict[str, int] = field(
        default_factory=lambda: {"small": 0, "undefined": 0, "no volume": 0}
    )


def is_whole(bar: Bar) -> bool:
    return all(math.isfinite(bar[name]) for name in ("open", "high", "low", "close"))


def charge(account: Account, day: date, is_buy: bool, is_delivery: bool, value: float) -> float:
    return float(account.charges.charge(day, is_buy, is_delivery, Decimal(value)).total)


def variable_rate(account: Account, day: date) -> float:
    """What a delivery purchase costs beside brokerage, taken from two large exact charges."""
    small = account.charges.charge(day, True, True, Decimal(10) ** 9)
    rates = account.charges.in_force(day)
    brokerage = small.brokerage * (1 + rates.gst)
    return float((small.total - brokerage) / Decimal(10) ** 9)


def usual_volume(bars: list[Bar], t: int) -> float | None:
    """Mean volume of the twenty bars before t, or None where there is none."""
    known = [bar["volume"] for bar in bars[max(0, t - 20) : t] if math.isfinite(bar["volume"])]
    mean = sum(known) / len(known) if known else 0.0
    return mean if mean > 0 else None


def slipped(
    account: Account, price: float, is_buy: bool, quantity: int, volume: float | None
) -> float:
    slip = account.slippage.half_spread
    if volume is not None:
        slip += account.slippage.impact * math.sqrt(quantity / volume)
    slip = min(slip, 0.5)
    return price * (1 + slip) if is_buy else price * (1 - slip)


def distance(gene: Distance | None, atr: float, price: float) -> float | None:
    if gene is None:
        return None
    if gene.kind is DistanceKind.ATR:
        return gene.value * atr if math.isfinite(atr) and atr > 0 else math.nan
    return gene.value * price


def simulate(
    bars: list[Bar], genome: Genome, account: Account, start: int = 0, stop: int | None = None
) -> Run:
    """Run `genome` over `bars`; see the module."""
    stop = len(bars) if stop is None else stop
    is_long = genome.side is Side.LONG
    any_regime = len(genome.regimes) == len(REGIMES)
    with_close = [i for i, bar in enumerate(bars) if math.isfinite(bar["close"])]
    last = with_close[-1] if with_close else -1

    run = Run()
    cash = account.capital
    position: dict[str, Any] | None = None
    mark = 0.0
    enter_next = False
    leave_next: str | None = None

    def no_volume_seen(t: int) -> None:
        if account.slippage.impact > 0 and usual_volume(bars, t) is None:
            run.counters["no volume"] += 1

    def open_position(t: int) -> None:
        nonlocal cash, position
        today, yesterday = bars[t], bars[t - 1]
        half = account.slippage.half_spread
        p = today["open"] * (1 + half if is_long else 1 - half)
        stop_d, target_d, trail_d = (
            distance(gene, yesterday["atr"], p)
            for gene in (genome.stop, genome.target, genome.trail)
        )
        if any(d is not None and math.isnan(d) for d in (stop_d, target_d, trail_d)):
            run.counters["undefined"] += 1
            return
        assert stop_d is not None
        by_risk = genome.risk * cash / stop_d
        by_cash = cash / (p * (1 + variable_rate(account, today["day"])))
        quantity = math.floor(min(by_risk, by_cash))
        volume = usual_volume(bars, t)
        while quantity >= 1:
            price = slipped(account, today["open"], is_long, quantity, volume)
            cost = charge(account, today["day"], is_long, True, quantity * price)
            if quantity * price + cost <= cash:
                break
            quantity -= 1
        if quantity < 1:
            run.counters["small"] += 1
            return
        no_volume_seen(t)
        cash += -quantity * price - cost if is_long else quantity * price - cost
        away = 1 if is_long else -1
        position = {
            "bar": t,
            "quantity": quantity,
            "price": price,
            "paid": cost,
            "stop": price - away * stop_d,
            "target": None if target_d is None else price + away * target_d,
            "trail distance": trail_d,
            "best": price,
        }

    def close_position(t: int, at: float, reason: str) -> None:
        nonlocal cash, position
        assert position is not None
        no_volume_seen(t)
        quantity, bought_on = position["quantity"], bars[position["bar"]]["day"]
        price = slipped(account, at, not is_long, quantity, usual_volume(bars, t))
        same_session = bars[t]["day"] == bought_on
        paid_in = position["paid"]
        if same_session:
            cash += paid_in
            paid_in = charge(account, bought_on, is_long, False, quantity * position["price"])
            cash -= paid_in
        paid_out = charge(account, bars[t]["day"], not is_long, not same_session, quantity * price)
        gain = quantity * (price - position["price"]) * (1 if is_long else -1)
        cash += quantity * price - paid_out if is_long else -quantity * price - paid_out
        run.charges += paid_in + paid_out
        run.trades.append(
            {
                "entry": position["bar"],
                "exit": t,
                "quantity": quantity,
                "entry price": position["price"],
                "exit price": price,
                "charges": paid_in + paid_out,
                "profit": gain - paid_in - paid_out,
                "reason": reason,
            }
        )
        position = None

    def protective_level(held: dict[str, Any]) -> tuple[float, str]:
        level, name = held["stop"], "stop"
        if genome.trail is not None:
            if genome.trail.kind is DistanceKind.ATR:
                gap = held["trail distance"]
            else:
                gap = genome.trail.value * held["best"]
            trail = held["best"] - gap if is_long else held["best"] + gap
            if (trail > level) if is_long else (trail < level):
                level, name = trail, "trail"
        return level, name

    for t in range(start, stop):
        bar = bars[t]
        if is_whole(bar):
            # At the open: what was decided before.
            if position is not None:
                reason = leave_next
                if reason is None and genome.max_bars is not None:
                    reason = "max_bars" if t >= position["bar"] + genome.max_bars else None
                if reason is None and not is_long and bar["square_off"]:
                    reason = "square_off"
                if reason is not None:
                    close_position(t, bar["open"], reason)
                    leave_next = None
            elif enter_next and (is_long or not bar["square_off"]):
                open_position(t)
            # At the open: gaps. During the bar: stop or trail, then target.
            if position is not None:
                level, name = protective_level(position)
                target = position["target"]
                at_open = bar["open"]
                if (at_open <= level) if is_long else (at_open >= level):
                    close_position(t, at_open, name)
                elif target is not None and (
                    (at_open >= target) if is_long else (at_open <= target)
                ):
                    close_position(t, at_open, "target")
                else:
                    run.held += 1
                    if (bar["low"] <= level) if is_long else (bar["high"] >= level):
                        close_position(t, level, name)
                    elif target is not None and (
                        (bar["high"] >= target) if is_long else (bar["low"] <= target)
                    ):
                        close_position(t, target, "target")
                    elif is_long:
                        position["best"] = max(position["best"], bar["high"])
                    else:
                        position["best"] = min(position["best"], bar["low"])
        elif position is not None:
            run.held += 1
        enter_next = False

        # At the close.
        if math.isfinite(bar["close"]):
            mark = bar["close"]
        if position is not None and t == last and last < len(bars) - 1:
            close_position(t, mark, "delisted")
        held_value = 0.0
        if position is not None:
            held_value = position["quantity"] * mark * (1 if is_long else -1)
        equity = cash + held_value
        run.equity.append(equity)
        if position is None:
            leave_next = None
            regime_allows = any_regime or (
                bar["label"] >= 0 and REGIMES[bar["label"]] in genome.regimes
            )
            enter_next = (
                bar["entry"] and not bar["exit"] and regime_allows and math.isfinite(bar["close"])
            )
        elif not is_long and equity <= 0:
            leave_next = "forced_cover"
        elif leave_next is None and bar["exit"] and math.isfinite(bar["close"]):
            leave_next = "exit"

    if position is not None:
        run.open = position
        run.charges += position["paid"]
    return run
