"""What a page says of one strategy on the searched bars, from a backtest; no drawing is here."""

from dataclasses import fields

import numpy as np

from kasauti.backtest import Backtester, Trade
from kasauti.genome import Genome
from kasauti.market.bars import Bars, Floats
from kasauti.operations.report_data import CandidateFacts, RegimeScore, TradeRow
from kasauti.regimes.model import REGIMES
from kasauti.regimes.online import market_closes


def candidate_facts(genome: Genome, backtester: Backtester) -> CandidateFacts:
    """Run `genome` over the backtester's bars and return its curves, figures and trades."""
    result, score = backtester.run(genome), backtester.score(genome)
    bars = backtester.bars
    return CandidateFacts(
        hash=genome.hash,
        genes=genome.to_genes(),
        times=result.times,
        equity=result.panel_equity,
        benchmark=_held(bars, float(result.panel_equity[0])),
        benchmark_name=f"holding {bars.index_symbol or 'the symbols'}",
        metrics=result.metrics.to_json(),
        regimes=tuple(
            RegimeScore(regime.value, score.regime_trades[code], score.regime_mean[code])
            for code, regime in enumerate(REGIMES)
        ),
        trades=tuple(map(_trade, sorted(result.trades, key=lambda one: str(one.entry_time)))),
    )


def _trade(trade: Trade) -> TradeRow:
    return TradeRow(**{one.name: getattr(trade, one.name) for one in fields(TradeRow)})


def _held(bars: Bars, capital: float) -> Floats | None:
    closes = market_closes(bars)
    known = closes[np.isfinite(closes)]
    if not len(known):
        return None
    held: Floats = closes / known[0] * capital
    return held
