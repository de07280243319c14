"""The family of a genome: what stays when its numbers are tuned; nothing else is named here."""

import hashlib

from kasauti.genome.model import Expression, Genome, Number, Series
from kasauti.genome.text import to_text
from kasauti.genome.tree import rebuild

_BLANK = Series("_")


def family(genome: Genome) -> str:
    """Return the sha256 of side and both trees with every constant and window blanked.

    Other genes (stop, target, trail, max_bars, regimes, risk) do not found a new family.
    """
    parts = (genome.side.value, _shape(genome.entry), _shape(genome.exit))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _shape(expression: Expression) -> str:
    return to_text(rebuild(expression, _blanked))


def _blanked(node: Expression) -> Expression:
    return _BLANK if isinstance(node, Number) else node
