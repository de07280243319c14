"""The performance tester: what was earned, when, in which markets, and from how few trades."""

from dataclasses import dataclass

import numpy as np

from kasauti.backtest.metrics import returns_of, sharpe_ratio
from kasauti.market.bars import Booleans, Floats, Times
from kasauti.regimes.model import REGIMES
from kasauti.testers.exam import Exam
from kasauti.testers.model import Bound, Check, Evidence, Opinion, check, opinion, refusal
from kasauti.testers.uses import gene_uses, listed_genes
from kasauti.validation.gates.model import FEWEST_TRADES

NAME = "performance"

YEARLY_RETURN = Bound(0.0, 0.03)  # a loss is no strategy; 3 % a year is what a savings account pays
SHARPE = Bound(0.3, 1.0)  # 0.4 is an index held for decades: less than that is not worth the work
WINNING_YEARS = Bound(0.4, 0.65)  # a Sharpe of 0.4 wins in 65 % of years; chance alone in 50 %
FEWEST_YEARS = 3  # of fewer, a share says nothing
WORST_REGIME_T = Bound(-2.0, 0.0)  # a loss in one kind of market that chance does not explain
OVER_HOLDING = Bound(-0.5, 0.2, blocks=False)  # of Sharpe; gate 5 decides it by its alpha
BEST_TRADES = 5
# At 1 it earned nothing but for five trades. Trend followers live on few: a planted one of Sharpe
# 1.5 had .45 to .90 in 29 of 30 worlds of 12 years, and 1.11 in one.
CONCENTRATION = Bound(1.25, 0.6)


@dataclass(frozen=True)
class PerformanceEvidence(Evidence):
    """What the performance tester measured; a gene's figure is the profit where it acted.

    Attributes
    ----------
    total_return, yearly_return, sharpe : float
        After all costs.
    holding_return, holding_sharpe : float
        Of buying every symbol once.
    years : tuple of (int, float)
        Calendar years in which a position was held, and their returns.
    regimes : tuple of (str, float, float, int)
        Name, mean return a bar, its t, closed trades.
    best_trades : float
        Share of the net profit that the best five trades brought; 1 where there is no profit.
    trades : int
    """

    total_return: float
    yearly_return: float
    sharpe: float
    holding_return: float
    holding_sharpe: float
    years: tuple[tuple[int, float], ...]
    regimes: tuple[tuple[str, float, float, int], ...]
    best_trades: float
    trades: int


def examine(exam: Exam) -> Opinion:
    """Return the performance tester's opinion."""
    if exam.unmeasurable is not None:
        return refusal(NAME, exam.unmeasurable, Evidence(listed_genes(exam.genome)))
    evidence = measure(exam)
    return opinion(NAME, questions(exam, evidence), evidence)


def measure(exam: Exam) -> PerformanceEvidence:
    """Return the figures of a genome that traded."""
    trades, score, metrics = exam.trades, exam.case.score, exam.case.result.metrics
    capital = exam.case.backtester.account.capital * len(exam.bars.symbols)

    def profit(_: str, touched: Booleans) -> float:
        return float(trades.profit[touched].sum()) / capital

    holding = exam.holding
    return PerformanceEvidence(
        genes=gene_uses(exam, profit),
        total_return=metrics.total_return,
        yearly_return=metrics.cagr,
        sharpe=metrics.sharpe,
        holding_return=float(np.prod(1.0 + holding) - 1.0),
        holding_sharpe=float(sharpe_ratio(holding, exam.bars_a_year)),
        years=_years(exam),
        regimes=tuple(
            zip(
                (regime.value for regime in REGIMES),
                score.regime_mean,
                score.regime_t,
                score.regime_trades,
                strict=True,
            )
        ),
        best_trades=concentration(trades.profit),
        trades=len(trades),
    )


def by_period(times: Times, unit: str, returns: Floats) -> tuple[Times, Floats]:
    """Return the calendar periods (``Y``, ``M``) of the bars and their compounded returns."""
    periods, first = np.unique(times.astype(f"datetime64[{unit}]"), return_index=True)
    grown: Floats = np.multiply.reduceat(1.0 + returns, first)
    return periods, grown - 1.0


def _years(exam: Exam) -> tuple[tuple[int, float], ...]:
    returns = returns_of(exam.passes.equity.sum(axis=0))
    years, compounded = by_period(exam.bars.times, "Y", returns)
    held = np.asarray((exam.held_value > 0.0).any(axis=0), dtype=np.float64)
    in_market = by_period(exam.bars.times, "Y", held)[1] > 0.0
    return tuple(
        (int(str(year)), float(value))
        for year, value, was_in in zip(years, compounded, in_market, strict=True)
        if was_in
    )


def concentration(profit: Floats) -> float:
    """Return the share of all profit that the best five trades brought; 1 where there is none."""
    total = float(profit.sum())
    if total <= 0.0:
        return 1.0
    return float(np.sort(profit)[-BEST_TRADES:].sum()) / total


def questions(exam: Exam, found: PerformanceEvidence) -> list[Check]:
    """Hold the figures against this tester's bounds."""
    won = [value > 0.0 for _, value in found.years]
    known = [
        (name, t)
        for regime, (name, _, t, trades) in zip(REGIMES, found.regimes, strict=True)
        if trades >= FEWEST_TRADES and regime in exam.genome.regimes
    ]
    worst = min(known, key=lambda pair: pair[1], default=None)
    over = found.sharpe - found.holding_sharpe
    best = f"its best {BEST_TRADES} trades brought {found.best_trades:.0%} of the profit"
    return [
        check(
            "return",
            found.yearly_return,
            YEARLY_RETURN,
            f"it {_made(found.yearly_return)} a year after all costs",
        ),
        check("sharpe", found.sharpe, SHARPE, f"its Sharpe ratio is {found.sharpe:.2f}"),
        check(
            "years",
            float(np.mean(won)) if len(won) >= FEWEST_YEARS else None,
            WINNING_YEARS,
            f"it made money in {sum(won)} of {len(won)} years",
        ),
        check(
            "regimes",
            None if worst is None else worst[1],
            WORST_REGIME_T,
            f"no kind of market has {FEWEST_TRADES} trades, so none is known"
            if worst is None
            else f"of the markets it knows it does worst in {worst[0]} ones (t {worst[1]:.1f})",
        ),
        check(
            "holding",
            over,
            OVER_HOLDING,
            f"for the same risk, buying and holding earned {'less' if over > 0 else 'more'} "
            f"(Sharpe ratio {found.holding_sharpe:.2f})",
        ),
        check(
            "concentration",
            found.best_trades,
            CONCENTRATION,
            best
            if found.best_trades < 1.0
            else "without its best five trades it would have earned nothing",
        ),
    ]


def _made(value: float) -> str:
    return f"{'made' if value >= 0 else 'lost'} {abs(value):.1%}"
