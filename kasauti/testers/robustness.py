"""The robustness tester: does it survive a world that differs a little from the backtest."""

from dataclasses import dataclass

import numpy as np

from kasauti.market.bars import Booleans
from kasauti.testers.exam import Exam
from kasauti.testers.model import Bound, Check, Evidence, Opinion, check, opinion, refusal
from kasauti.testers.uses import gene_uses, listed_genes
from kasauti.validation.robustness import Change

NAME = "robustness"

SHARPE = Bound(0.0, 0.5)  # of nothing, nothing can be kept
# Doubled costs leave (1 - 2c) / (1 - c) of a profit of which costs took the share c: nothing at a
# half, a loss as large as the profit was at two thirds. Charges are fixed by law and do not double
# overnight, so a loss alone is a doubt.
DEARER = Bound(-1.0, 0.5)
DELAYED = Bound(0.0, 0.5)
# A position of h bars that begins one bar late misses about 1 / h of its move: only one that is
# held for a week must bear it. A faster one is told so.
SLOW_BARS = 5.0
DELAYED_FAST = Bound(0.0, 0.5, blocks=False)
JITTERED = Bound(0.25, 0.8)  # a tenth of a bar's range is noise: who lives on it has no edge
PLATEAU = Bound(1 / 3, 0.75)  # two of three neighbours failing is a peak, and peaks are luck
LEFT_OUT = Bound(0.0, 0.5)  # without one symbol the others must still earn


@dataclass(frozen=True)
class RobustnessEvidence(Evidence):
    """What the robustness tester measured; a gene's figure is its profit if charges double.

    Attributes
    ----------
    sharpe : float
    changes : tuple of (str, float, float or None)
        Name, Sharpe ratio, share of the own one that is kept.
    worlds : tuple of float
        Sharpe ratio in each world of slightly different prices.
    neighbours : tuple of (str, float, float)
        Dial, its value, Sharpe ratio.
    plateau : float or None
        Share of the neighbours that keep at least half.
    mean_held : float
        Bars.
    """

    sharpe: float
    changes: tuple[tuple[str, float, float | None], ...]
    worlds: tuple[float, ...]
    neighbours: tuple[tuple[str, float, float], ...]
    plateau: float | None
    mean_held: float


def examine(exam: Exam) -> Opinion:
    """Return the robustness tester's opinion."""
    if exam.unmeasurable is not None:
        return refusal(NAME, exam.unmeasurable, Evidence(listed_genes(exam.genome)))
    evidence = measure(exam)
    return opinion(NAME, questions(exam, evidence), evidence)


def measure(exam: Exam) -> RobustnessEvidence:
    """Return the figures of a genome that traded."""
    trades, found = exam.trades, exam.robustness
    capital = exam.case.backtester.account.capital * len(exam.bars.symbols)

    def dearer_profit(_: str, touched: Booleans) -> float:
        return float((trades.profit - trades.charges)[touched].sum()) / capital

    return RobustnessEvidence(
        genes=gene_uses(exam, dearer_profit),
        sharpe=found.sharpe,
        changes=tuple((one.name, one.sharpe, one.kept) for one in found.changes),
        worlds=found.worlds,
        neighbours=tuple((one.dial, one.value, one.sharpe) for one in found.neighbours),
        plateau=found.plateau,
        mean_held=float(np.mean(trades.held)),
    )


def questions(exam: Exam, evidence: RobustnessEvidence) -> list[Check]:
    """Hold the figures against this tester's bounds."""
    found = exam.robustness

    def change_check(change: Change, bound: Bound) -> Check:
        return check(change.name, change.kept, bound, change.words)

    checks = [
        check("own sharpe", found.sharpe, SHARPE, f"its own Sharpe ratio is {found.sharpe:.2f}"),
        change_check(found.dearer, DEARER),
        change_check(found.delayed, DELAYED if evidence.mean_held >= SLOW_BARS else DELAYED_FAST),
        change_check(found.jittered, JITTERED),
        check(found.turned.name, found.plateau, PLATEAU, found.turned.words),
    ]
    worst = found.worst_left_out
    if worst is not None:
        checks.append(change_check(worst, LEFT_OUT))
    return checks
