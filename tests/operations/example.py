"""One whole report of invented figures, for looking at it and for the tests."""

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np

from kasauti.market.bars import Bars
from kasauti.operations.plots import Generation
from kasauti.operations.report_data import (
    CandidateFacts,
    ControlRow,
    DatasetFacts,
    Death,
    FillRow,
    FindingRow,
    GateRow,
    IntentRow,
    JudgedStrategy,
    PositionRow,
    RegimeScore,
    ReplayFacts,
    ReportData,
    SearchFacts,
    Survivor,
    TradeRow,
)

GENES = {
    "entry": "crosses_above(ema(close, 12), ema(close, 26)) and rsi(close, 14) < 70",
    "exit": "close < sma(close, 50)",
    "side": "long",
    "stop": {"atr": 2.5},
    "target": {"fraction": 0.12},
    "max_bars": 40,
    "regimes": ["bull", "sideways"],
    "risk": 0.01,
}
HASH = "3fa2b1c4d5e6f708" * 4
REFERENCE = "77aa01d2e3f4a5b6" * 4


def panel(symbols: tuple[str, ...], length: int, seed: int = 1) -> Bars:
    rng = np.random.default_rng(seed)
    times = np.datetime64("2000-01-03") + np.arange(length)
    close = 100 * np.exp(np.cumsum(rng.normal(0.0003, 0.011, (len(symbols), length)), axis=1))
    return Bars("sample", symbols, times, close, close, close, close, close)


def trade(number: int) -> TradeRow:
    entry = np.datetime64("2001-03-01") + 17 * number
    profit = (-1) ** number * 1234.5 * (number % 7 + 1)
    return TradeRow(
        symbol=("AAPL", "IBM", "MSFT")[number % 3],
        side="long",
        quantity=120 + 10 * number,
        entry_time=entry,
        entry_price=101.25 + number,
        exit_time=entry + 11,
        exit_price=103.5 + number,
        reason=("rule", "stop", "target", "time")[number % 4],
        charges=88.4,
        profit=profit,
    )


def example(length: int = 3000, trades: int = 60, approved: bool = False) -> ReportData:
    rng = np.random.default_rng(5)
    bars = panel(("NASDAQ", "SP500", "AAPL", "IBM", "MSFT", "GOOG"), length)
    codes = np.repeat(rng.integers(0, 4, length // 100 + 1), 100)[:length].astype(np.int8)
    codes[: length // 15] = -1
    gates: tuple[GateRow, ...] = (
        GateRow("causality", True, "No value before a cut changed when the data was cut.", {}),
        GateRow(
            "walk-forward",
            False,
            "The joined Sharpe ratio outside the training windows is below zero.",
            {"joined_sharpe": -0.12, "trained_sharpe": 0.81, "windows": [2008, 2009, 2010]},
        ),
        GateRow("sealed range", None, "Not opened: an earlier gate failed.", {}),
    )
    if approved:
        gates = tuple(GateRow(gate.name, True, "Held.", {}) for gate in gates)
    controls = (
        ControlRow("K01", "kill switch", True),
        ControlRow("K05", "fresh bars", True),
        ControlRow("K09", "price band", True),
        ControlRow("K12", "risk a trade", True),
    )
    denied = (*controls[:1], ControlRow("K05", "fresh bars", False, "the last bar is 4 days old"))
    return ReportData(
        title="Report on the sample",
        made_at=datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
        dataset=DatasetFacts(
            name="sample",
            source="daily bars that ship inside PyPI packages",
            bars=bars,
            data_version="a1b2c3d4" * 8,
            sealed_from=bars.times[-1] + 1,
            sealed_until=bars.times[-1] + length // 4,
            sealed_sessions=length // 4,
            findings=(
                FindingRow(
                    "sp500.csv",
                    None,
                    "2,261 opens before 2008 repeat the close of the day before",
                    "Nothing to do: no order is filled on them.",
                ),
                FindingRow("AAPL.csv", 1204, "high below low", "Ask the vendor.", "error", 1),
            ),
            regime_codes=codes,
            regime_closes=bars.close[0],
        ),
        search=SearchFacts(
            evaluations=20_000,
            distinct=17_412,
            registered=123_456,
            seed=7,
            seconds=14.2,
            generations=tuple(
                Generation(1000 * (n + 1), 0.3 + 0.45 * (1 - np.exp(-n / 5)), -0.3 + 0.02 * n)
                for n in range(20)
            ),
            deaths=(
                Death("beaten by another", 9_310, "Another strategy was better in everything."),
                Death("hardly ever traded", 4_022, "Fewer than 30 trades: nothing can be known."),
                Death("lost to charges", 3_101, "The gain before charges was smaller than them."),
            ),
        ),
        survivors=tuple(
            Survivor(
                HASH if n == 2 else f"{n:04x}" * 16,
                GENES,
                {
                    "return for risk": 0.35 + 0.04 * n,
                    "consistency": 0.8 - 0.05 * n,
                    "simplicity": -12.0 + n,
                },
            )
            for n in range(9)
        ),
        candidate=CandidateFacts(
            hash=HASH,
            genes=GENES,
            times=bars.times,
            equity=1_000_000 * bars.close[2] / bars.close[2, 0],
            benchmark=1_000_000 * bars.close[1] / bars.close[1, 0],
            benchmark_name="holding the index",
            metrics={
                "sharpe": 0.61,
                "trades": 1184,
                "win_rate": 0.43,
                "exposure": 0.62,
                "charges": 134_567.8,
            },
            regimes=(
                RegimeScore("bull", 640, 0.00042),
                RegimeScore("bear", 0, float("nan")),
                RegimeScore("sideways", 531, -0.00011),
                RegimeScore("volatile", 13, 0.002),
            ),
            trades=tuple(trade(n) for n in range(trades)),
        ),
        judged=(
            JudgedStrategy(HASH, approved, gates),
            JudgedStrategy(REFERENCE, False, gates[:2], is_reference=True),
        ),
        replay=ReplayFacts(
            strategy=REFERENCE,
            genes={**GENES, "side": "long"},
            approved=False,
            first=np.datetime64("2018-12-03"),
            last=np.datetime64("2018-12-28"),
            net_profit=Decimal("-152.35"),
            charges=Decimal("41.20"),
            intents=(
                IntentRow(
                    "KS-7f3a-0001",
                    "SP500",
                    "Buy",
                    4,
                    Decimal("2507.35"),
                    "accepted",
                    "All controls passed.",
                    controls,
                ),
                IntentRow(
                    "KS-7f3a-0002",
                    "NASDAQ",
                    "Buy",
                    1,
                    Decimal("6584.50"),
                    "denied",
                    "The last bar is 4 days old.",
                    denied,
                ),
            ),
            fills=(
                FillRow(
                    datetime(2018, 12, 28, 9, 30),
                    "SP500",
                    "Bought",
                    4,
                    Decimal("2507.35"),
                    Decimal("41.20"),
                ),
            ),
            positions=(
                PositionRow("SP500", 4, Decimal("2507.35"), Decimal("2479.55"), Decimal("-152.35")),
            ),
            profit_times=np.datetime64("2018-12-28") + np.arange(3),
            profit=np.array([-41.2, -90.0, -152.35]),
        ),
        missing=(
            "Live trading with a broker: there is paper trading only.",
            "Stress scenarios and the five testers.",
        ),
        versions={"Kasauti": "0.1.0", "vectorbt": "1.2.0", "Account": "₹10,00,000"},
    )
