"""Which of a search's genomes go to trial; nothing is judged here."""

from collections.abc import Sequence

from kasauti.evolution.outcome import FrontMember
from kasauti.genome import family

MOST_CANDIDATES = 3
"""What the noise certificate covers: more candidates a search would need their own error rate."""


def best(front: Sequence[FrontMember], most: int = MOST_CANDIDATES) -> tuple[FrontMember, ...]:
    """Return the candidates for the trial, best first, each of another family.

    The front comes in order of merit: first those whose lower quartile of symbols and regimes is
    above zero, among them by Sharpe ratio. All were measured on the same bars, so the order by
    Sharpe is also the order by any lower confidence bound of it (Lo 2002). One of a family is
    enough, since the hold-out opens once for a family. What lost money is no candidate.

    Parameters
    ----------
    front : sequence of FrontMember
        As `SearchResult.front` gives it.
    most : int

    Raises
    ------
    ValueError
        `most` is negative.
    """
    if most < 0:
        raise ValueError(f"most is {most}: give 0 or more")
    chosen: dict[str, FrontMember] = {}
    for member in front:
        if member.fitness["total_return"] > 0.0 and member.fitness["sharpe"] > 0.0:
            chosen.setdefault(family(member.genome), member)
    return tuple(chosen.values())[:most]
