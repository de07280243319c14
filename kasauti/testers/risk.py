"""The risk tester: how much can be lost, for how long, and can the account be ruined."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kasauti.backtest.metrics import returns_of
from kasauti.market.bars import Booleans, Floats
from kasauti.testers.exam import Exam
from kasauti.testers.model import Bound, Check, Evidence, Opinion, check, opinion, refusal
from kasauti.testers.performance import by_period
from kasauti.testers.uses import gene_uses, listed_genes
from kasauti.validation.gates.model import Gate

NAME = "risk"

DRAWDOWN = Bound(-0.30, -0.12)  # half again what one crash may cost; -12 % is borne by most
UNDER_WATER = Bound(0.60, 0.25)  # of all the time: nobody follows what loses for most of his years
WORST_MONTH = Bound(-0.15, -0.06)  # -15 % is October 1987 with most of the account in the market
SHORTFALL = Bound(-0.05, -0.02)  # mean of the worst twentieth of its days
TAIL = 0.05
STREAK = Bound(20.0, 8.0, blocks=False)  # people stop at ten losses; one in two ends there by luck
STRESS = Bound(-0.20, -0.10)  # the stress gate's limit, and half of it
RUIN = Bound(0.10, 0.01)  # chance of losing RUINED within RUIN_YEARS
RUINED = 1 / 3  # of the account: it takes a gain of half to come back
RUIN_YEARS = 3
RUIN_PATHS = 1000


@dataclass(frozen=True)
class RiskEvidence(Evidence):
    """What the risk tester measured; a gene's figure is the worst trade where it acted.

    Attributes
    ----------
    drawdown, under_water : float
        Deepest fall from a peak, and the longest time below one as a share of all bars.
    worst_month, worst_day, shortfall : float
    loss_streak : int
        Losing trades in a row, by their exits.
    exposure : float
        Share of bars and symbols with a position.
    largest_position, mean_position : float
        Value over the symbol's account, the mean while held.
    risked : float
        Mean share of the account that was lost had the stop filled where it stood.
    stress_worst : float or None
        The stress gate's worst loss, None where it was not asked or tested nothing.
    ruin : float
        Chance of losing a third of one account in three years, its own trades redrawn.
    """

    drawdown: float
    under_water: float
    worst_month: float
    worst_day: float
    shortfall: float
    loss_streak: int
    exposure: float
    largest_position: float
    mean_position: float
    risked: float
    stress_worst: float | None
    ruin: float


def examine(exam: Exam) -> Opinion:
    """Return the risk tester's opinion."""
    if exam.unmeasurable is not None:
        return refusal(NAME, exam.unmeasurable, Evidence(listed_genes(exam.genome)))
    evidence = measure(exam)
    return opinion(NAME, questions(exam, evidence), evidence)


def measure(exam: Exam) -> RiskEvidence:
    """Return the figures of a genome that traded."""
    trades = exam.trades
    equity = exam.passes.equity.sum(axis=0)
    returns = returns_of(equity)
    held = exam.held_value > 0.0
    days = returns[held.any(axis=0)]

    def worst_trade(_: str, touched: Booleans) -> float:
        return float(trades.returned[touched].min())

    return RiskEvidence(
        genes=gene_uses(exam, worst_trade),
        drawdown=exam.case.result.metrics.max_drawdown,
        under_water=longest_under_water(equity) / len(equity),
        worst_month=float(by_period(exam.bars.times, "M", returns)[1].min()),
        worst_day=float(returns.min()),
        shortfall=mean_of_worst(days),
        loss_streak=longest_run((trades.profit <= 0.0)[np.argsort(trades.exit_bar, kind="stable")]),
        exposure=float(held.mean()),
        largest_position=float(exam.held_value.max()),
        mean_position=float(exam.held_value[held].mean()) if held.any() else 0.0,
        risked=float(
            np.mean(trades.quantity * trades.entry_price * trades.planned / trades.equity)
        ),
        stress_worst=worst_loss(exam.found.get("stress")),
        ruin=ruin_of(
            trades.returned,
            len(trades) / len(exam.bars.symbols) / exam.years,
            np.random.default_rng([exam.case.seed, 1]),
        ),
    )


def longest_under_water(equity: Floats) -> int:
    """Return the most bars in a row below an earlier high."""
    return longest_run(equity < np.maximum.accumulate(equity))


def longest_run(flags: Booleans) -> int:
    """Return the length of the longest run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return int(np.max(edges[1::2] - edges[::2], initial=0))


def worst_loss(gate: Gate | None) -> float | None:
    """Return the worst of all losses that the stress gate lists, None where it lists none."""
    return None if gate is None else min(_losses(gate.figures), default=None)


def _losses(figures: Any) -> Iterator[float]:
    """Yield what stands under the name ``loss`` anywhere in a gate's figures."""
    if isinstance(figures, Mapping):
        for name, value in figures.items():
            if name == "loss" and isinstance(value, float | int):
                yield float(value)
            else:
                yield from _losses(value)
    elif isinstance(figures, list | tuple):
        for value in figures:
            yield from _losses(value)


def mean_of_worst(returns: Floats) -> float:
    """Return the mean of the worst twentieth, one return at least."""
    if not len(returns):
        return 0.0
    count = max(1, int(len(returns) * TAIL))
    return float(np.partition(returns, count - 1)[:count].mean())


def ruin_of(returned: Floats, trades_a_year: float, rng: np.random.Generator) -> float:
    """Return the chance of losing `RUINED` of an account in `RUIN_YEARS`, its trades redrawn.

    Parameters
    ----------
    returned : ndarray of shape (N,), float64
        Profit of each trade as a fraction of the account, drawn with replacement.
    trades_a_year : float
        Of one account.
    rng : numpy.random.Generator
    """
    ahead = max(1, round(trades_a_year * RUIN_YEARS))
    growth = np.log1p(np.maximum(returned, -0.999))
    paths = np.cumsum(growth[rng.integers(0, len(growth), (RUIN_PATHS, ahead))], axis=1)
    return float(np.mean(paths.min(axis=1) <= np.log1p(-RUINED)))


def questions(exam: Exam, found: RiskEvidence) -> list[Check]:
    """Hold the figures against this tester's bounds."""
    return [
        check(
            "drawdown",
            found.drawdown,
            DRAWDOWN,
            f"at its worst it stood {-found.drawdown:.1%} below its peak",
        ),
        check(
            "under water",
            found.under_water,
            UNDER_WATER,
            f"once it took {found.under_water * exam.years:.1f} of {exam.years:.1f} years to make "
            "a new high",
        ),
        check(
            "worst month",
            found.worst_month,
            WORST_MONTH,
            f"its worst month was {found.worst_month:.1%}",
        ),
        check(
            "shortfall",
            found.shortfall,
            SHORTFALL,
            f"on its worst days, one in twenty, it lost {-found.shortfall:.2%} on average",
        ),
        check(
            "losing streak",
            float(found.loss_streak),
            STREAK,
            f"it lost {found.loss_streak} times in a row; positions were up to "
            f"{found.largest_position:.0%} of the account",
        ),
        _stress_check(exam.found.get("stress"), found.stress_worst),
        check(
            "ruin",
            found.ruin,
            RUIN,
            f"with its own trades drawn anew, {found.ruin:.1%} of accounts lose a third within "
            f"{RUIN_YEARS} years",
        ),
    ]


def _stress_check(gate: Gate | None, worst: float | None) -> Check:
    """Say what the stress gate said: what may be lost is decided there, not here."""
    told = "" if worst is None else f"; the worst that it found is {worst:.1%}"
    if gate is None:
        return check("stress", None, STRESS, "the stress laboratory was not asked")
    if not gate.passed:
        return check("stress", STRESS.bad, STRESS, f"the stress laboratory refuses it{told}")
    value = None if worst is None else max(worst, float(np.nextafter(STRESS.bad, 0.0)))
    return check("stress", value, STRESS, f"the stress laboratory lets it pass{told}")
