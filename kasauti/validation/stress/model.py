"""What a scenario costs and what all scenarios together say; no scenario is made here."""

from dataclasses import dataclass

from kasauti.genome import Side

WORST_LOSS = -0.20
GAP = "overnight gap"


@dataclass(frozen=True)
class Loss:
    """What one scenario cost: lowest close-marked equity over equity at its start, minus 1.

    `how` says how the figure was found where the scenario's name does not.
    """

    scenario: str
    symbol: str
    loss: float
    how: str = ""

    @property
    def kills(self) -> bool:
        """Whether it is over the 20 % that a strategy may lose."""
        return self.loss < WORST_LOSS


@dataclass(frozen=True)
class Stress:
    """All scenarios of one genome.

    Attributes
    ----------
    losses : tuple of Loss
        The worst account in each historical crash that the bars cover.
    synthetic : tuple of Loss
        Every made scenario.
    untested : tuple of str
        Historical crashes that the bars do not cover, or cover in part.
    cold : tuple of str
        Replayed crashes that began before 219 sessions, what regimes need, were known.
    differing : tuple of str
        Covered crashes whose fall in these bars is not the recorded one, in words.
    notes : tuple of str
        What a reader has to know of how the figures were found.
    """

    losses: tuple[Loss, ...]
    synthetic: tuple[Loss, ...]
    untested: tuple[str, ...]
    cold: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def fatal(self) -> tuple[Loss, ...]:
        """Scenarios that kill."""
        return tuple(loss for loss in (*self.losses, *self.synthetic) if loss.kills)

    @property
    def caps_tier(self) -> bool:
        """Whether untested history allows no more than the lowest capital tier."""
        return bool(self.untested or self.cold or self.differing)


def describe(loss: Loss, side: Side) -> str:
    """Return a scenario in words for a trader."""
    if loss.scenario == GAP:
        return (
            f"a gap overnight against the {side.value} position in {loss.symbol}: {loss.loss:.1%}"
        )
    told = f" ({loss.how})" if loss.how else ""
    return f"{loss.scenario} in {loss.symbol}: {loss.loss:.1%}{told}"
