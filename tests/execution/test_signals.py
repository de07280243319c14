"""Signals are the engine's decisions; quantities hold the profile's risk."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.backtest import Backtester
from kasauti.errors import DataError
from kasauti.execution.limits import profile
from kasauti.execution.model import Offset, OrderSide, Product, Protection, Purpose
from kasauti.execution.signals import (
    Candidate,
    Sizing,
    rank_signals,
    signals_for,
    to_intents,
    trailed,
)
from kasauti.execution.views import Position
from kasauti.genome import genome_from_genes
from kasauti.genome.model import Genome
from kasauti.market.bars import Bars
from kasauti.market.markets import NSE
from tests.execution.world import CALENDAR, DAYS, LIMITS, TODAY, at, bars_of

D = Decimal
GENES: dict[str, Any] = {
    "entry": "close > lag(close, 1)",
    "exit": "close < lag(close, 1)",
    "side": "long",
    "stop": {"fraction": 0.05},
    "regimes": ["bull", "bear", "sideways", "volatile"],
    "risk": 0.01,
}


def genome(**changes: Any) -> Genome:
    return genome_from_genes(GENES | changes)


def closes(*values: float) -> list[tuple[float, float, float, float]]:
    return [(value, value + 1, value - 1, value) for value in values]


BARS = bars_of({"UP": closes(100, 101, 102), "DOWN": closes(100, 99, 98)})


def decide(bars: Bars = BARS, *genomes: Genome, **changes: Any) -> list[Any]:
    arguments: dict[str, Any] = {
        "positions": {},
        "limits": LIMITS,
        "market": NSE,
        "equity": D(100_000),
        "cash": D(100_000),
    }
    candidates = [Candidate(g, D(1)) for g in genomes or (genome(),)]
    return signals_for(bars, candidates, **(arguments | changes))


def held(symbol: str, strategy: Genome, **changes: Any) -> Position:
    position = Position(
        symbol,
        10,
        "parent",
        strategy.hash,
        at(9, 15, day=DAYS[0]),
        Product.DELIVERY,
        10,
        D(1_000),
        stop_price=D(95),
    )
    return replace(position, **changes)


def test_an_entry_on_the_last_bar() -> None:
    (signal,) = decide()
    assert (signal.symbol, signal.purpose, signal.side) == ("UP", Purpose.ENTRY, OrderSide.BUY)
    assert signal.close == 102
    assert signal.limit_price == D("103.02"), "1 % above the close, on the tick"
    assert signal.protection == Protection(Offset(D("0.05"), of_price=True))
    (intent,) = to_intents([signal], CALENDAR.table[3])
    assert intent.valid_from == CALENDAR.table[3].open
    assert intent.valid_until - intent.valid_from == timedelta(minutes=10)


def test_equal_bars_give_equal_intents_and_other_bars_other_keys() -> None:
    session = CALENDAR.table[3]
    again = bars_of({"UP": closes(100, 101, 102), "DOWN": closes(100, 99, 98)})
    assert to_intents(decide(), session) == to_intents(decide(again), session)
    moved = bars_of({"UP": closes(100, 101.5, 102), "DOWN": closes(100, 99, 98)})
    assert to_intents(decide(), session)[0].key != to_intents(decide(moved), session)[0].key


def test_an_exit_for_the_genome_that_holds() -> None:
    strategy = genome()
    (signal, _) = decide(positions={"DOWN": held("DOWN", strategy)})
    assert (signal.symbol, signal.purpose, signal.reason) == ("DOWN", Purpose.EXIT, "exit")
    assert (signal.side, signal.quantity, signal.parent) == (OrderSide.SELL, 10, "parent")
    other = genome(risk=0.02)
    assert [s.symbol for s in decide(positions={"DOWN": held("DOWN", other)})] == ["UP"]


def test_no_entry_where_something_is_held() -> None:
    assert decide(positions={"UP": held("UP", genome(risk=0.02))}) == []


@pytest.mark.parametrize(("max_bars", "leaves"), [(3, True), (4, False)])
def test_a_time_stop_exits_at_the_open_of_entry_bar_plus_max_bars(
    max_bars: int, leaves: bool
) -> None:
    strategy = genome(max_bars=max_bars)
    signals = decide(BARS, strategy, positions={"UP": held("UP", strategy)})
    assert [s.reason for s in signals] == (["max_bars"] if leaves else [])


def test_an_exit_once_decided_is_not_taken_back() -> None:
    strategy = genome()
    signals = decide(positions={"UP": held("UP", strategy, leaving=True)})
    assert [s.purpose for s in signals] == [Purpose.EXIT]


def test_no_signal_on_a_missing_close_and_none_from_intraday_bars() -> None:
    row = [*closes(100, 101), (102.0, 103.0, 101.0, float("nan"))]
    assert decide(bars_of({"UP": row})) == []
    stamps = ["2026-07-13T09:15:00", "2026-07-13T09:20:00", "2026-07-13T09:25:00"]
    intraday = replace(BARS, times=np.array(stamps, dtype="datetime64[s]"))
    with pytest.raises(DataError, match="daily"):
        decide(intraday)


def test_a_short_is_no_signal_where_it_cannot_be_held() -> None:
    assert decide(BARS, genome(side="short")) == []


def test_less_than_one_share_is_said_and_is_no_intent() -> None:
    (signal,) = decide(limits=profile(), equity=D(5_000), cash=D(50))
    assert signal.quantity == 0 and "less than one share" in signal.reason
    assert to_intents([signal], CALENDAR.table[3]) == []


def test_rank_is_exits_then_score_then_hash() -> None:
    strong, weak = genome(), genome(risk=0.02)
    found = signals_for(
        bars_of({"UP": closes(100, 101, 102), "DOWN": closes(100, 99, 98)}),
        [Candidate(weak, D(1)), Candidate(strong, D(2))],
        positions={"DOWN": held("DOWN", weak)},
        limits=LIMITS,
        market=NSE,
        equity=D(100_000),
        cash=D(100_000),
    )
    assert [(s.purpose, s.genome_hash) for s in found] == [
        (Purpose.EXIT, weak.hash),
        (Purpose.ENTRY, strong.hash),
        (Purpose.ENTRY, weak.hash),
    ]
    assert rank_signals(reversed(found)) == found


def test_a_trail_follows_the_highest_high_since_entry() -> None:
    bars = bars_of(
        {
            "UP": [
                (100.0, 130.0, 99.0, 100.0),
                (100.0, 104.0, 99.0, 101.0),
                (101.0, 110.0, 100.0, 105.0),
                (105.0, 106.0, 99.0, 100.0),
            ]
        }
    )
    position = held("UP", genome(), opened_at=at(9, 15, day=DAYS[1]), trail=Offset(D(4)))
    assert [t.stop_price for t in trailed(bars, {"UP": position})] == [D(106)]
    share = replace(position, trail=Offset(D("0.1"), of_price=True))
    assert [t.stop_price for t in trailed(bars, {"UP": share})] == [D(99)]


@settings(deadline=None, max_examples=300, derandomize=True)
@given(
    price=st.integers(10, 500_000),
    stop=st.integers(1, 5_000),
    risk=st.integers(1, 100),
    cash=st.integers(0, 25_000),
    name=st.sampled_from(["ultra-conservative", "conservative", "moderate"]),
)
def test_sizing_holds_the_risk_of_the_profile_and_wastes_no_share(
    price: int, stop: int, risk: int, cash: int, name: str
) -> None:
    limits, limit = profile(name), D(price) / 100
    protection = Protection(Offset(D(stop) / 10_000, of_price=True))
    sizing = Sizing(limit, OrderSide.BUY, protection, D(risk) / 100, NSE, TODAY)
    quantity = sizing.quantity(limits, limits.capital, D(cash))

    def within(shares: int) -> bool:
        value, at_stop = shares * limit, shares * limit * (1 - D(stop) / 10_000)
        buy = NSE.charges.charge(TODAY, True, True, value).total
        sell = NSE.charges.charge(TODAY, False, True, at_stop).total
        return (
            value - at_stop + buy + sell <= limits.risk_per_trade
            and value + buy <= cash
            and value <= limits.capital
            and shares * limit * D(stop) / 10_000 <= limits.capital * D(risk) / 100
            and shares <= limits.max_quantity
        )

    assert quantity >= 0
    assert quantity == 0 or within(quantity)
    assert not within(quantity + 1)


def test_entries_are_those_of_the_engine_on_every_bar() -> None:
    rng = np.random.default_rng(3)
    steps = rng.normal(0, 0.02, 7)
    rows = closes(*(100 * np.exp(np.cumsum(steps))))
    bars, strategy = bars_of({"UP": rows}), genome()
    enter = Backtester(bars).rules(strategy)[0][0]
    seen = [bool(decide(bars.between(0, stop), strategy)) for stop in range(1, 8)]
    assert seen == enter.tolist() and any(seen) and not all(seen)
