"""The sceptic: everything that argues against the genome, luck first."""

from dataclasses import dataclass

import numpy as np

from kasauti.backtest.metrics import returns_of, sharpe_ratio
from kasauti.genome.tree import prefix
from kasauti.market.bars import Booleans, Floats
from kasauti.regimes.model import REGIMES
from kasauti.testers.exam import Exam, Integers
from kasauti.testers.model import Bound, Check, Evidence, Opinion, check, opinion, refusal
from kasauti.testers.twins import LAGS, TWINS, twins_of
from kasauti.testers.uses import gene_uses, listed_genes
from kasauti.validation import statistics
from kasauti.validation.gates.model import FEWEST_TRADES
from kasauti.validation.robustness import kept_of

NAME = "sceptic"

TRADES = Bound(FEWEST_TRADES - 1, 100.0)  # under 30 a mean is not known to within its own size
RECENT = Bound(0.0, 0.6)  # Sharpe of the last third over that of all: what has died is not traded
ONE_SYMBOL = Bound(1.0, 0.7)  # at 1 all other symbols together earned nothing
ONE_YEAR = Bound(1.0, 0.4)  # at 1 it earned nothing outside one year
ONE_REGIME = Bound(1.0, 0.8, blocks=False)  # gate 3 approves regime by regime
TRADES_A_NODE = Bound(1.0, 4.0)  # a rule with more parts than trades is a list of exceptions
OVER_LUCK = Bound(0.6, 1.2, blocks=False)  # t over that of the luckiest; gate 5 counts properly
TWINS_CHANCE = Bound(0.05, 0.01)  # the usual 5 %: above, its timing is no better than anybody's
LATE = Bound(0.0, 0.5, blocks=False)  # a fast edge may be gone in a day and still be real
LIKENESS = Bound(0.9, 0.5)  # correlation with holding, where holding is as good
AS_GOOD = 0.1  # of Sharpe: no difference that ten years could show


@dataclass(frozen=True)
class ScepticEvidence(Evidence):
    """What the sceptic measured; a gene's figure is its profit in the last third.

    Attributes
    ----------
    trades : int
    sharpe, t : float
    thirds : tuple of three float
        Sharpe ratio in each third of the bars.
    best_symbol, best_year, best_regime : tuple of (str, float)
        The one that earned most, and its share of the net profit of closed trades; 1 where there
        is no profit.
    nodes : int
        Of both rules.
    trials : int
    luckiest_t : float
        Expected t of the best of so many worthless strategies.
    chance : float
        Share of random twins that did as well.
    twins_sharpe, twins_exposure : float
        Their mean Sharpe ratio, and the time they held over the genome's own.
    late : tuple of float
        Sharpe ratio with decisions taken 1, 2, 3 and 5 bars later.
    likeness, holding_sharpe : float
        Correlation of the returns with those of holding every symbol (for a short: of shorting
        it), and its Sharpe ratio.
    """

    trades: int
    sharpe: float
    t: float
    thirds: tuple[float, float, float]
    best_symbol: tuple[str, float]
    best_year: tuple[str, float]
    best_regime: tuple[str, float]
    nodes: int
    trials: int
    luckiest_t: float
    chance: float
    twins_sharpe: float
    twins_exposure: float
    late: tuple[float, ...]
    likeness: float
    holding_sharpe: float


def examine(exam: Exam) -> Opinion:
    """Return the sceptic's opinion."""
    if exam.unmeasurable is not None:
        return refusal(NAME, exam.unmeasurable, Evidence(listed_genes(exam.genome)))
    evidence = measure(exam)
    return opinion(NAME, questions(exam, evidence), evidence)


def measure(exam: Exam) -> ScepticEvidence:
    """Return the figures of a genome that traded."""
    trades, year = exam.trades, exam.bars_a_year
    returns = returns_of(exam.passes.equity.sum(axis=0))
    holding = exam.side * exam.holding
    twins = twins_of(exam)
    before, middle, last = (
        float(sharpe_ratio(np.ascontiguousarray(part), year)) for part in np.array_split(returns, 3)
    )
    years = exam.bars.times.astype("datetime64[Y]").astype(np.int64) + 1970
    labels = exam.case.backtester.labels.codes[trades.entry_bar - 1].astype(np.int64)
    regimes = {-1: "unknown"} | {code: one.value for code, one in enumerate(REGIMES)}

    is_late = trades.exit_bar >= len(returns) * 2 // 3
    capital = exam.case.backtester.account.capital * len(exam.bars.symbols)

    def late_profit(_: str, touched: Booleans) -> float:
        return float(trades.profit[touched & is_late].sum()) / capital

    return ScepticEvidence(
        genes=gene_uses(exam, late_profit),
        trades=len(trades),
        sharpe=float(sharpe_ratio(returns, year)),
        t=exam.case.t,
        thirds=(before, middle, last),
        best_symbol=_best(dict(enumerate(exam.bars.symbols)), trades.row, trades.profit),
        best_year=_best({}, years[trades.exit_bar], trades.profit),
        best_regime=_best(regimes, labels, trades.profit),
        nodes=len(prefix(exam.genome.entry)) + len(prefix(exam.genome.exit)),
        trials=exam.case.trials,
        luckiest_t=statistics.expected_max_sharpe(max(exam.case.trials, 1)),
        chance=twins.chance,
        twins_sharpe=float(np.mean(twins.sharpe)),
        twins_exposure=twins.exposure,
        late=twins.late,
        likeness=_correlation(returns, holding),
        holding_sharpe=float(sharpe_ratio(holding, year)),
    )


def _best(names: dict[int, str], group: Integers, profit: Floats) -> tuple[str, float]:
    """Return the group of trades that earned most, and its share of all profit."""
    groups, place = np.unique(group, return_inverse=True)
    sums = np.bincount(place, weights=profit)
    best = int(sums.argmax())
    total = float(profit.sum())
    key = int(groups[best])
    return names.get(key, str(key)), float(sums[best]) / total if total > 0.0 else 1.0


def _correlation(one: Floats, other: Floats) -> float:
    """Return the correlation of two series; 0 where one of them never moves."""
    a, b = one - one.mean(), other - other.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0.0 else 0.0


def questions(exam: Exam, found: ScepticEvidence) -> list[Check]:
    """Hold the figures against this tester's bounds."""
    whole = found.sharpe
    no_better = whole <= found.holding_sharpe + AS_GOOD
    late = [kept_of(sharpe, whole) for sharpe in found.late]
    kept = [min(max(one, 0.0), 1.0) for one in late if one is not None]
    checks = [
        check(
            "trades",
            float(found.trades),
            TRADES,
            f"it rests on {found.trades} closed trades"
            + (
                f", and under {FEWEST_TRADES} prove nothing" if found.trades < FEWEST_TRADES else ""
            ),
        ),
        check(
            "recent",
            found.thirds[2] / whole if whole > 0.0 else RECENT.bad,
            RECENT,
            f"its Sharpe ratio was {found.thirds[0]:.2f} in the first third, {found.thirds[2]:.2f} "
            "in the last",
        ),
        _share_check("year", found.best_year, ONE_YEAR),
        check(
            "complexity",
            found.trades / found.nodes,
            TRADES_A_NODE,
            f"its rules have {found.nodes} parts, each backed by {found.trades / found.nodes:.0f} "
            "trades",
        ),
        check(
            "trials",
            found.t / found.luckiest_t if found.luckiest_t > 0.0 else OVER_LUCK.fine,
            OVER_LUCK,
            f"its t is {found.t:.1f}; the luckiest of {found.trials} worthless strategies would "
            f"show {found.luckiest_t:.1f}",
        ),
        check(
            "random twins",
            found.chance,
            TWINS_CHANCE,
            f"of {TWINS} twins that trade as often at random times, {found.chance:.1%} do as well",
        ),
        check(
            "late",
            float(np.mean(kept)) if kept else 0.0,
            LATE,
            "decided late it shows a Sharpe ratio of "
            + ", ".join(
                f"{sharpe:.2f} ({lag} bar{'s' if lag > 1 else ''})"
                for lag, sharpe in zip(LAGS, found.late, strict=True)
            ),
        ),
        check(
            "holding",
            found.likeness if no_better else min(found.likeness, LIKENESS.fine),
            LIKENESS,
            f"its returns move with those of holding by {found.likeness:.0%}"
            + (", and holding was as good" if no_better else ", but it earned more for its risk"),
        ),
    ]
    if len(exam.bars.symbols) > 1:
        checks.append(_share_check("symbol", found.best_symbol, ONE_SYMBOL))
    if len(exam.genome.regimes) > 1:
        checks.append(_share_check("regime", found.best_regime, ONE_REGIME))
    return checks


def _share_check(kind: str, best: tuple[str, float], bound: Bound) -> Check:
    name, share = best
    words = f"{kind} {name} brought {share:.0%} of the profit"
    if share >= bound.bad:
        words = f"without {kind} {name} it earned nothing"
    return check(f"one {kind}", share, bound, words)
