"""Which of a search's genomes go to trial; nothing is judged here."""

from collections.abc import Callable, Sequence

import numpy as np

from kasauti.backtest import Backtester
from kasauti.evolution.effective import SAME_BEHAVIOUR
from kasauti.evolution.outcome import FrontMember
from kasauti.genome import Genome, family
from kasauti.market.bars import Floats
from kasauti.validation.plateau import plateaus

MOST_CANDIDATES = 3
"""What the noise certificate covers: more candidates a search would need their own error rate."""


def candidates(front: Sequence[FrontMember], backtester: Backtester) -> tuple[Genome, ...]:
    """Return a search's genomes that go to trial, best first.

    Parameters
    ----------
    front : sequence of FrontMember
        As `SearchResult.front` gives it.
    backtester : Backtester
        Over the searched bars.
    """
    genomes = [member.genome for member in front]
    merits = dict(zip(genomes, plateaus(backtester, genomes), strict=True))
    found = best(front, merits.__getitem__, backtester.returns)
    return tuple(member.genome for member in found)


def best(
    front: Sequence[FrontMember],
    merit: Callable[[Genome], float],
    returns: Callable[[Genome], Floats],
    most: int = MOST_CANDIDATES,
) -> tuple[FrontMember, ...]:
    """Return the best of a front, best first, no two of them relatives.

    The one with the highest `merit` is the best: the search has turned every Sharpe ratio on the
    front up, and not every one equally. Each candidate is of another family, since the hold-out
    opens once for a family, and shares less than half of its variance with every better one: a
    second opinion on the same trades would waste an opening. What lost money is no candidate.

    Parameters
    ----------
    front : sequence of FrontMember
    merit : callable
        How good a genome is, as `kasauti.validation.plateau.plateau_t` says; equals stay in the
        front's order.
    returns : callable
        Returns a bar of a genome on the searched bars, such as `Backtester.returns`.
    most : int
    """
    earned = [one for one in front if min(one.fitness["total_return"], one.fitness["sharpe"]) > 0.0]
    chosen: list[FrontMember] = []
    families: set[str] = set()
    series: list[Floats] = []
    for member in sorted(earned, key=lambda one: merit(one.genome), reverse=True):
        if len(chosen) == most:
            break
        kin = family(member.genome)
        if kin in families:
            continue
        own = returns(member.genome)
        if any(np.corrcoef(own, other)[0, 1] > SAME_BEHAVIOUR for other in series):
            continue
        series.append(own)
        families.add(kin)
        chosen.append(member)
    return tuple(chosen)
