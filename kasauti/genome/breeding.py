"""Random genomes and the operators that breed them, on DEAP trees; selection is in `evolution`.

Children depend on the passed generator alone, whatever other threads draw. Children of genomes
that pass `check_genome` pass it too; a changed rule keeps within the vocabulary's size and compares
nothing with itself.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from deap import gp

from kasauti.errors import GenomeError
from kasauti.genome.check import check_genome, check_rule
from kasauti.genome.family import family
from kasauti.genome.growth import bred_forms, constant_values, grow, grow_rule, is_growable
from kasauti.genome.language import JUNCTIONS, SERIES, Unit
from kasauti.genome.lattice import (
    ATR_MULTIPLES,
    BAR_LIMITS,
    FRACTIONS,
    RISKS,
    neighbour,
)
from kasauti.genome.model import Distance, DistanceKind, Expression, Genome, Side
from kasauti.genome.primitives import (
    FORM_OF,
    FORMS,
    UNIT_TYPES,
    from_breeding,
    literal,
    primitive_set,
    to_breeding,
)
from kasauti.genome.tree import prefix
from kasauti.genome.trivial import is_trivial
from kasauti.regimes.model import REGIMES, Regime

__all__ = [
    "DEFAULT_VOCABULARY",
    "Vocabulary",
    "family",
    "from_breeding",
    "mate",
    "mutate",
    "primitive_set",
    "random_genome",
    "to_breeding",
]

_TRIES = 20
_ENTRY_CONDITIONS = (0.3, 0.5, 0.2)
_EXIT_CONDITIONS = (0.6, 0.35, 0.05)
_GRAFT_CONDITIONS = (0.8, 0.2)
_GRAFT_DEPTH = 2
_UNIT_OF = {kind: unit for unit, kind in UNIT_TYPES.items()}
_LITERALS = (UNIT_TYPES[Unit.NUMBER], UNIT_TYPES[Unit.WINDOW])


@dataclass(frozen=True)
class Vocabulary:
    """What breeding may use.

    Attributes
    ----------
    series : tuple of str
        Series that the data has; ``close`` among them. Leave out ``volume``, ``index`` or ``vix``
        where there are none: a rule over missing values is never true.
    sides : tuple of Side
        Short only where the product allows it.
    max_nodes : int
        Most nodes of one rule.
    """

    series: tuple[str, ...] = ("open", "high", "low", "close", "volume")
    sides: tuple[Side, ...] = (Side.LONG,)
    max_nodes: int = 30

    def __post_init__(self) -> None:
        unknown = [name for name in self.series if name not in SERIES]
        if unknown or "close" not in self.series:
            raise GenomeError(
                f"vocabulary: expected close and any of {', '.join(SERIES)}, found {self.series}"
            )
        if not self.sides or self.max_nodes < 10:
            raise GenomeError("vocabulary: expected at least one side and 10 nodes a rule")


DEFAULT_VOCABULARY = Vocabulary()


def random_genome(rng: random.Random, vocabulary: Vocabulary = DEFAULT_VOCABULARY) -> Genome:
    """Return a random genome: one to three conditions for entry, about one for exit."""
    return check_genome(
        Genome(
            entry=_random_rule(rng, vocabulary, _ENTRY_CONDITIONS),
            exit=_random_rule(rng, vocabulary, _EXIT_CONDITIONS),
            side=rng.choice(vocabulary.sides),
            stop=_random_distance(rng),
            target=_random_distance(rng) if rng.random() < 0.4 else None,
            trail=_random_distance(rng) if rng.random() < 0.3 else None,
            max_bars=rng.choice(BAR_LIMITS) if rng.random() < 0.5 else None,
            regimes=_random_regimes(rng),
            risk=rng.choice(RISKS),
        )
    )


def mutate(
    genome: Genome, rng: random.Random, vocabulary: Vocabulary = DEFAULT_VOCABULARY
) -> Genome:
    """Return a child that differs from `genome` in one place.

    One of: a new sub-tree, another function, operator or series, a smaller rule, a neighbouring
    constant or window, another value of one other gene.
    """
    for _ in range(_TRIES):
        change = rng.choices(_CHANGES, _CHANGE_WEIGHTS)[0]
        if change is None:
            child = _mutate_gene(genome, rng, vocabulary)
        elif rng.random() < 0.6:
            child = replace(genome, entry=_changed(genome.entry, change, rng, vocabulary))
        else:
            child = replace(genome, exit=_changed(genome.exit, change, rng, vocabulary))
        if child != genome:
            return child
    return replace(genome, risk=neighbour(rng, RISKS, genome.risk))


def mate(
    first: Genome,
    second: Genome,
    rng: random.Random,
    vocabulary: Vocabulary = DEFAULT_VOCABULARY,
) -> tuple[Genome, Genome]:
    """Return two children: rules exchange sub-trees of one type, other genes change hands."""
    entries = _cross_rules(first.entry, second.entry, rng, vocabulary)
    exits = _cross_rules(first.exit, second.exit, rng, vocabulary)
    left = replace(first, entry=entries[0], exit=exits[0])
    right = replace(second, entry=entries[1], exit=exits[1])
    for name in ("side", "stop", "target", "trail", "max_bars", "regimes", "risk"):
        if rng.random() < 0.5:
            mine, other = getattr(left, name), getattr(right, name)
            left, right = replace(left, **{name: other}), replace(right, **{name: mine})
    return left, right


def _random_rule(
    rng: random.Random, vocabulary: Vocabulary, conditions: tuple[float, ...]
) -> Expression:
    rule = grow_rule(rng, vocabulary.series, conditions)
    while not _is_sound(rule, vocabulary):  # most rules are: close < sma(close, 50) has 5 nodes
        rule = grow_rule(rng, vocabulary.series, conditions)
    return rule


def _random_distance(rng: random.Random) -> Distance:
    if rng.random() < 0.6:
        return Distance(DistanceKind.ATR, rng.choice(ATR_MULTIPLES))
    return Distance(DistanceKind.FRACTION, rng.choice(FRACTIONS))


def _random_regimes(rng: random.Random) -> frozenset[Regime]:
    if rng.random() < 0.5:
        return frozenset(REGIMES)
    return frozenset(r for r in REGIMES if rng.random() < 0.6) or frozenset(REGIMES)


def _is_sound(rule: Expression, vocabulary: Vocabulary) -> bool:
    """Whether a new rule is small enough, in the language (windows in range) and not trivial."""
    if len(prefix(rule)) > vocabulary.max_nodes or is_trivial(rule):
        return False
    try:
        check_rule(rule)
    except GenomeError:
        return False
    return True


def _changed(
    rule: Expression, change: "_Change", rng: random.Random, vocabulary: Vocabulary
) -> Expression:
    """Return `rule` after `change`, or `rule` itself where the result would not do."""
    tree = to_breeding(rule)
    change(tree, rng, vocabulary)
    child = from_breeding(tree)
    return child if _is_sound(child, vocabulary) else rule


def _graft(tree: gp.PrimitiveTree, rng: random.Random, vocabulary: Vocabulary) -> None:
    """Replace a random sub-tree by a new one of its unit."""
    place = rng.choice(_sites(tree))
    unit = _UNIT_OF[tree[place].ret]
    if unit is Unit.BOOLEAN:
        grown = grow_rule(rng, vocabulary.series, _GRAFT_CONDITIONS)
    elif is_growable(vocabulary.series, unit):
        grown = grow(rng, vocabulary.series, unit, _GRAFT_DEPTH)
    else:
        return
    tree[tree.searchSubtree(place)] = to_breeding(grown)


def _point(tree: gp.PrimitiveTree, rng: random.Random, vocabulary: Vocabulary) -> None:
    """Replace one function, operator or series by another that takes and gives the same."""
    place = rng.choice(_sites(tree))
    others = _alternatives(vocabulary.series).get(_signature(tree[place]), ())
    others = tuple(name for name in others if name != tree[place].name)
    if others:
        tree[place] = primitive_set().mapping[rng.choice(others)]


def _shrink(tree: gp.PrimitiveTree, rng: random.Random, _: Vocabulary) -> None:
    """Replace a random sub-tree by a part of it of the same unit."""
    place = rng.choice(_sites(tree))
    whole = tree.searchSubtree(place)
    parts = [
        inner
        for inner in range(whole.start + 1, whole.stop)
        if tree[inner].ret is tree[place].ret and tree[inner].ret not in _LITERALS
    ]
    if parts:
        tree[whole] = tree[tree.searchSubtree(rng.choice(parts))]


def _tune(tree: gp.PrimitiveTree, rng: random.Random, _: Vocabulary) -> None:
    """Move one constant or window to a neighbouring value."""
    constants = [
        (place, values)
        for place, values in _constants(tree)
        if any(value != tree[place].value for value in values)
    ]
    if constants:
        place, values = rng.choice(constants)
        value = neighbour(rng, values, tree[place].value)
        tree[place] = literal(value, _UNIT_OF[tree[place].ret])


_Change = Callable[[gp.PrimitiveTree, random.Random, Vocabulary], None]
_CHANGES: tuple[_Change | None, ...] = (_graft, _point, _shrink, _tune, None)  # None: a gene
_CHANGE_WEIGHTS = (0.25, 0.15, 0.1, 0.3, 0.2)


def _sites(tree: gp.PrimitiveTree) -> list[int]:
    """Return the places of everything but constants and windows."""
    return [place for place, node in enumerate(tree) if node.ret not in _LITERALS]


def _constants(tree: gp.PrimitiveTree) -> list[tuple[int, tuple[float, ...]]]:
    """Return the place of every constant and window with the values that it may take."""
    found = []
    open_nodes: list[list[int]] = []  # place in the tree, operands read so far
    for place, node in enumerate(tree):
        if open_nodes:
            parent, operand = open_nodes[-1]
            open_nodes[-1][1] += 1
            if node.arity == 0 and node.ret in _LITERALS:
                found.append((place, constant_values(FORM_OF[tree[parent].name], operand)))
        open_nodes.append([place, 0])
        while open_nodes and open_nodes[-1][1] == tree[open_nodes[-1][0]].arity:
            open_nodes.pop()
    return found


def _signature(node: gp.Primitive | gp.Terminal) -> tuple[type, ...]:
    """Return the types that a node gives and takes."""
    return (node.ret, *(node.args if node.arity else ()))


@cache
def _alternatives(series: tuple[str, ...]) -> dict[tuple[type, ...], tuple[str, ...]]:
    """Return the names of what breeding may use over `series`, by signature."""
    names = [*series, *(form.name for form in bred_forms(series))]
    names += [form.name for form in FORMS if form.symbol in JUNCTIONS]
    found: dict[tuple[type, ...], tuple[str, ...]] = {}
    for name in names:
        key = _signature(primitive_set().mapping[name])
        found[key] = (*found.get(key, ()), name)
    return found


def _mutate_gene(genome: Genome, rng: random.Random, vocabulary: Vocabulary) -> Genome:
    gene = rng.choice(("side", "stop", "target", "trail", "max_bars", "regimes", "risk"))
    if gene == "side":
        return replace(genome, side=rng.choice(vocabulary.sides))
    if gene == "stop":
        return replace(genome, stop=_changed_distance(genome.stop, rng))
    if gene == "target":
        return replace(genome, target=_changed_option(genome.target, rng))
    if gene == "trail":
        return replace(genome, trail=_changed_option(genome.trail, rng))
    if gene == "max_bars":
        bars = genome.max_bars
        limit = rng.choice((None, *BAR_LIMITS)) if bars is None else rng.choice((None, bars))
        if bars is not None and limit is not None:
            limit = int(neighbour(rng, BAR_LIMITS, bars))
        return replace(genome, max_bars=limit)
    if gene == "regimes":
        return replace(genome, regimes=genome.regimes ^ {rng.choice(REGIMES)} or genome.regimes)
    return replace(genome, risk=neighbour(rng, RISKS, genome.risk))


def _changed_distance(distance: Distance, rng: random.Random) -> Distance:
    if rng.random() < 0.25:
        return _random_distance(rng)
    values = ATR_MULTIPLES if distance.kind is DistanceKind.ATR else FRACTIONS
    return Distance(distance.kind, neighbour(rng, values, distance.value))


def _changed_option(distance: Distance | None, rng: random.Random) -> Distance | None:
    if distance is None:
        return _random_distance(rng)
    return None if rng.random() < 0.3 else _changed_distance(distance, rng)


def _cross_rules(
    first: Expression, second: Expression, rng: random.Random, vocabulary: Vocabulary
) -> tuple[Expression, Expression]:
    """Return the two rules with sub-trees exchanged; a child that would not do is its parent."""
    trees = (to_breeding(first), to_breeding(second))
    sites: list[dict[type, list[int]]] = [{}, {}]
    for tree, by_type in zip(trees, sites, strict=True):
        for place in _sites(tree):
            by_type.setdefault(tree[place].ret, []).append(place)
    place = rng.choice([p for kind in sites[0] if kind in sites[1] for p in sites[0][kind]])
    other = rng.choice(sites[1][trees[0][place].ret])
    whole, other_whole = trees[0].searchSubtree(place), trees[1].searchSubtree(other)
    trees[0][whole], trees[1][other_whole] = trees[1][other_whole], trees[0][whole]
    children = (from_breeding(trees[0]), from_breeding(trees[1]))
    left = children[0] if _is_sound(children[0], vocabulary) else first
    right = children[1] if _is_sound(children[1], vocabulary) else second
    return left, right
