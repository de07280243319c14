"""Which numbers of a genome may be re-tuned, and a genome with other ones; nothing is searched."""

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kasauti.errors import GenomeError
from kasauti.genome import check_genome
from kasauti.genome.language import ARITHMETIC, FUNCTIONS
from kasauti.genome.lattice import (
    ATR_MULTIPLES,
    BAR_LIMITS,
    FRACTIONS,
    LEVELS,
    SCALES,
    parameter_values,
)
from kasauti.genome.model import Binary, Call, Distance, DistanceKind, Expression, Genome, Number
from kasauti.genome.tree import children, prefix, with_children
from kasauti.genome.units import unit_of

_LATTICES = {DistanceKind.ATR: ATR_MULTIPLES, DistanceKind.FRACTION: FRACTIONS}


@dataclass(frozen=True)
class Dial:
    """One number of a genome that may be turned.

    Attributes
    ----------
    name : str
        ``entry.3`` (fourth constant of the entry rule), ``exit.0``, ``stop``, ``max_bars`` ...
    values : tuple of float
        Ascending; the genome's own value is one of them.
    current : float
    """

    name: str
    values: tuple[float, ...]
    current: float

    def within(self, reach: int) -> "Dial":
        """Return the dial with only the values that are at most `reach` steps from its own."""
        own = self.values.index(self.current)
        return replace(self, values=self.values[max(0, own - reach) : own + reach + 1])


def dials(genome: Genome) -> tuple[Dial, ...]:
    """Return every numeric gene on its lattice: constants and windows of both rules, distances.

    Risk is none of them: it scales every return alike, so a Sharpe ratio cannot tune it.
    """
    found = []
    for rule in ("entry", "exit"):
        found += _constants(rule, getattr(genome, rule))
    for name in ("stop", "target", "trail"):
        distance: Distance | None = getattr(genome, name)
        if distance is not None:
            found.append(_dial(name, _LATTICES[distance.kind], distance.value))
    if genome.max_bars is not None:
        found.append(_dial("max_bars", BAR_LIMITS, genome.max_bars))
    return tuple(dial for dial in found if len(dial.values) > 1)


def setting(dials: Sequence[Dial], places: Sequence[int]) -> dict[str, float]:
    """Return the value of every dial at its place among the dial's values."""
    return {dial.name: dial.values[place] for dial, place in zip(dials, places, strict=True)}


def turned(genome: Genome, values: Mapping[str, float]) -> Genome | None:
    """Return `genome` with the dials in `values` set, or None where that is no legal genome."""
    child = replace(
        genome,
        entry=_with_constants("entry", genome.entry, values),
        exit=_with_constants("exit", genome.exit, values),
        max_bars=int(values["max_bars"]) if "max_bars" in values else genome.max_bars,
    )
    for name in ("stop", "target", "trail"):
        if name in values:
            distance = getattr(genome, name)
            child = replace(child, **{name: replace(distance, value=values[name])})
    try:
        return check_genome(child)
    except GenomeError:  # windows that must increase, as in macd, may have crossed
        return None


def _dial(name: str, lattice: Sequence[float], current: float) -> Dial:
    values = [float(value) for value in lattice]
    if current not in values:
        insort(values, float(current))
    return Dial(name, tuple(values), float(current))


def _constants(rule: str, expression: Expression) -> list[Dial]:
    found = []
    for parent in prefix(expression):
        operands = children(parent)
        for place, operand in enumerate(operands):
            if isinstance(operand, Number):
                found.append((operand, _lattice(parent, place)))
    names = (f"{rule}.{position}" for position in range(len(found)))
    return [
        _dial(name, lattice, number.value)
        for name, (number, lattice) in zip(names, found, strict=True)
        if lattice
    ]


def _lattice(parent: Expression, place: int) -> Sequence[float]:
    """Return the values that breeding gives to the constant at `place` under `parent`."""
    if isinstance(parent, Call):
        parameter = FUNCTIONS[parent.function].parameters[place]
        if parameter.is_literal:
            return parameter_values(parent.function, parameter)
    if isinstance(parent, Binary) and parent.operator in ARITHMETIC:
        return SCALES if parent.operator in ("*", "/") else ()
    beside = [operand for operand in children(parent) if not isinstance(operand, Number)]
    return LEVELS.get(unit_of(beside[0]), ()) if beside else ()


def _with_constants(rule: str, expression: Expression, values: Mapping[str, float]) -> Expression:
    position = -1

    def change(node: Expression) -> Expression:
        nonlocal position
        operands = list(children(node))
        for place, operand in enumerate(operands):  # its own constants first: the order of dials
            if isinstance(operand, Number):
                position += 1
                operands[place] = Number(values.get(f"{rule}.{position}", operand.value))
        return with_children(
            node, tuple(o if isinstance(o, Number) else change(o) for o in operands)
        )

    return change(expression)
