"""Single events at the worst moment: a gap, market-wide halts, a frozen feed, an exit in a drought.

Each begins after the close over which the genome really held most, and is traded by the engine on
the genome's own bars up to there, so the position is the one that it really held.
"""

from dataclasses import dataclass

import numpy as np

from kasauti.backtest import Account
from kasauti.backtest.tape import LARGEST_SLIPPAGE, filled_closes, mean_volume_before
from kasauti.genome import Genome, Side
from kasauti.market.bars import Bars, Floats
from kasauti.market.charge_kernels import leg_charges
from kasauti.market.markets import Market
from kasauti.validation.stress.history import History
from kasauti.validation.stress.model import GAP, Loss
from kasauti.validation.stress.positions import Exposure
from kasauti.validation.stress.scenarios import DROUGHT_SPREAD, DROUGHT_VOLUME, SESSIONS
from kasauti.validation.stress.windows import is_index
from kasauti.validation.stress.worlds import Worlds

STOCK_GAP, INDEX_GAP = 0.20, 0.10

REOPENING = 0.05
"""How much further a halted market reopens: prudent, it was under 1 % on 2020-03-23."""

HALTS = ((0.10, 45), (0.15, 105), (0.20, None))
"""NSE's index circuit breaker in the morning: fall, and minutes halted; None is the session's
rest. Nothing fills while it falls there or while it is halted."""

FROZEN = 5
"""Bars on which a frozen feed repeats its close, a week of sessions."""

AFTERWARDS = 5
"""Bars at the last price, on which the genome may still act."""

PARTICIPATION = 0.10
"""Of a session's volume, SEBI's and AMFI's liquidity test."""

ADVERSE = 1.645
"""Standard deviations that the price moves against the position while it is sold: 95 %."""


@dataclass(frozen=True)
class Event:
    """Closes relative to the last real one, and whether anything fills on each of those bars."""

    name: str
    steps: tuple[tuple[float, bool], ...]


def gap_of(bars: Bars, symbol: str) -> float:
    """Return the overnight gap that a position must survive: 20 % for a share, 10 % an index."""
    return INDEX_GAP if is_index(bars, symbol) else STOCK_GAP


def events_of(bars: Bars, gap: float, side: Side) -> tuple[Event, ...]:
    """Return the events against a position on that side."""
    sign = -1.0 if side is Side.LONG else 1.0
    beyond = (1.0 + sign * gap, True)
    events = [Event(GAP, (beyond,))]
    for fall, minutes in HALTS:
        halted = 1.0 + sign * fall
        bars_halted = _bars_halted(bars, minutes)
        reopened = (halted * (1.0 + sign * REOPENING), True)
        events.append(
            Event(f"market-wide halt at {fall:.0%}", (*((halted, False),) * bars_halted, reopened))
        )
    events.append(Event("frozen feed", (*((1.0, False),) * FROZEN, beyond)))
    return tuple(events)


def event_losses(
    history: History, genome: Genome, exposure: Exposure, account: Account, market: Market
) -> tuple[Loss, ...]:
    """Return the loss of every event after the close of the worst exposure."""
    events = events_of(history.bars, gap_of(history.bars, history.symbol), genome.side)
    worlds = _worlds(history, events, exposure.position, account, market)
    losses = worlds.losses(genome)
    return tuple(
        Loss(event.name, history.symbol, float(loss))
        for event, loss in zip(events, losses, strict=True)
    )


def exit_in_drought(history: History, side: Side, exposure: Exposure, account: Account) -> Loss:
    """Return the loss of selling the largest position at 10 % of a tenth of the usual volume.

    A slice a session, at ten times the half-spread and the impact of its share of the volume, while
    the price moves 1.645 standard deviations against it; what is left after a quarter is marked.
    Without a volume it is sold at once.
    """
    name, sign = "exit in a liquidity drought", 1.0 if side is Side.LONG else -1.0
    if exposure.equity <= 0.0:
        return Loss(name, history.symbol, -1.0, "nothing was left before it began")
    bars, row, at = history.bars, history.row, exposure.position
    usual = mean_volume_before(bars.volume[row : row + 1])[0, at] * history.bars_a_session
    volume = float(usual) * DROUGHT_VOLUME
    a_session = max(np.floor(volume * PARTICIPATION), 1.0) if volume > 0.0 else np.inf
    deviation = float(np.std(history.returns, ddof=1))
    rates = account.charges.rates(bars.times[at : at + 1])[0]
    price = moved = float(history.closes[at])
    proceeds, left, session = 0.0, exposure.quantity, 0
    while left >= 1.0 and session < SESSIONS:
        session += 1
        moved = price * np.exp(-sign * ADVERSE * deviation * np.sqrt(session))
        sold = min(a_session, left)
        slippage = account.slippage.half_spread * DROUGHT_SPREAD
        if volume > 0.0:
            slippage += account.slippage.impact * np.sqrt(sold / volume)
        value = sold * moved * (1.0 - sign * min(slippage, LARGEST_SLIPPAGE))
        proceeds += sign * value - float(leg_charges(rates, sign < 0.0, True, value))
        left -= sold
    worth = proceeds + sign * left * moved
    loss = (worth - sign * exposure.quantity * price) / exposure.equity
    if not volume > 0.0:
        how = "no volume is known, so sold at once"
    elif left >= 1.0:
        how = f"not sold after {SESSIONS} sessions"
    else:
        how = f"{session} {'session' if session == 1 else 'sessions'} to sell what it held"
    return Loss(name, history.symbol, float(loss), how)


def _bars_halted(bars: Bars, minutes: int | None) -> int:
    if bars.is_daily:
        return 1
    if minutes is None:
        return bars.bars_a_session
    step = int(np.min(np.diff(bars.times)).astype("timedelta64[s]").astype(int))
    return max(1, -(-minutes * 60 // step))


def _worlds(
    history: History, events: tuple[Event, ...], at: int, account: Account, market: Market
) -> Worlds:
    bars, row = history.bars.between(0, at + 1), history.row
    longest = max(len(event.steps) for event in events) + AFTERWARDS
    factors, fills = np.empty((len(events), longest)), np.ones((len(events), longest), dtype=bool)
    for number, event in enumerate(events):
        levels, filled = zip(*event.steps, strict=True)
        factors[number] = levels[-1]
        factors[number, : len(levels)] = levels
        fills[number, : len(levels)] = filled

    def extended(values: Floats, made: Floats) -> Floats:
        return np.concatenate([np.repeat(values[None], len(events), axis=0), made], axis=1)

    close = float(history.closes[at]) * factors
    traded = np.where(fills, close, np.nan)
    open_, high, low = (
        extended(prices[row], traded) for prices in (bars.open, bars.high, bars.low)
    )
    usual = mean_volume_before(history.bars.volume[row : row + 1])[0, at]
    volume = extended(bars.volume[row], np.where(fills, usual, np.nan))
    own = {}
    for name, values in bars.series.items():
        last = float(filled_closes(values)[-1])
        own[name] = extended(values, last * factors if name == "index" else 0.0 * factors + last)
    later = history.times_after(bars.times[-1], -(-longest // history.bars_a_session))[:longest]
    panel = Bars(
        bars.market,
        tuple(event.name for event in events),
        np.concatenate([bars.times, later]),
        open_,
        high,
        low,
        extended(bars.close[row], close),
        volume,
        series={name: np.full(at + 1 + longest, np.nan) for name in bars.series},
    )
    codes = np.repeat(history.codes[None, : at + 1], len(events), axis=0)
    return Worlds(panel, at, own, codes, None, account, market)
