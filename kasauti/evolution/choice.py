"""Which of a search's genomes go to trial; nothing is judged here."""

from collections.abc import Callable, Sequence

import numpy as np

from kasauti.evolution.effective import SAME_BEHAVIOUR
from kasauti.evolution.outcome import FrontMember
from kasauti.genome import Genome, family
from kasauti.market.bars import Floats

MOST_CANDIDATES = 3
"""What the noise certificate covers: more candidates a search would need their own error rate."""


def best(
    front: Sequence[FrontMember],
    returns: Callable[[Genome], Floats] | None = None,
    most: int = MOST_CANDIDATES,
) -> tuple[FrontMember, ...]:
    """Return the candidates for the trial, best first, no two of them relatives.

    The front comes in order of merit: first those whose lower quartile of symbols and regimes is
    above zero, among them by Sharpe ratio. All were measured on the same bars, so the order by
    Sharpe is also the order by any lower confidence bound of it (Lo 2002). Each candidate is of
    another family, since the hold-out opens once for a family, and shares less than half of its
    variance with every better one: a second opinion on the same trades would waste an opening.
    What lost money is no candidate.

    Parameters
    ----------
    front : sequence of FrontMember
        As `SearchResult.front` gives it.
    returns : callable, optional
        Returns a bar of a genome on the searched bars, such as `Backtester.returns`; without it
        candidates differ by family alone.
    most : int
    """
    chosen: list[FrontMember] = []
    families: set[str] = set()
    series: list[Floats] = []
    for member in front:
        if len(chosen) == most:
            break
        kin = family(member.genome)
        if kin in families or min(member.fitness["total_return"], member.fitness["sharpe"]) <= 0.0:
            continue
        if returns is not None:
            own = returns(member.genome)
            if any(np.corrcoef(own, other)[0, 1] > SAME_BEHAVIOUR for other in series):
                continue
            series.append(own)
        families.add(kin)
        chosen.append(member)
    return tuple(chosen)
