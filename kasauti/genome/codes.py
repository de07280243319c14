"""Genomes as integers: a whole population in flat arrays; breeding, hashing and values are apart.

A rule is its tree in prefix order (each node before its operands, left to right), one `int32` a
node. A code from 0 is a place in `SYMBOLS`; a negative code ``-1 - i`` is the constant or window
``constants[i]``. All rules of a population lie one after the other in one array.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import overload

import numpy as np
from numpy.typing import NDArray

from kasauti.errors import GenomeError
from kasauti.genome.language import ARITHMETIC, COMPARISONS, FUNCTIONS, JUNCTIONS, SERIES
from kasauti.genome.model import (
    Binary,
    Call,
    Distance,
    DistanceKind,
    Expression,
    Genome,
    Number,
    Series,
    Side,
    Unary,
)
from kasauti.genome.tree import prefix
from kasauti.regimes.model import REGIMES

Codes = NDArray[np.int32]
Places = NDArray[np.int64]
Constants = NDArray[np.float64]

NEGATE = "negate"
"""The minus before one operand; every other symbol is the word or sign of the text form."""

SYMBOLS: tuple[str, ...] = (
    *SERIES,
    *FUNCTIONS,
    *ARITHMETIC,
    *COMPARISONS,
    *JUNCTIONS,
    "not",
    NEGATE,
)
CODE_OF: Mapping[str, int] = MappingProxyType({name: code for code, name in enumerate(SYMBOLS)})

NO_DISTANCE, ATR, FRACTION = 0, 1, 2
_KINDS = (None, DistanceKind.ATR, DistanceKind.FRACTION)

GENES = np.dtype(
    [
        ("side", np.float64),
        ("stop_kind", np.int64),
        ("stop", np.float64),
        ("target_kind", np.int64),
        ("target", np.float64),
        ("trail_kind", np.int64),
        ("trail", np.float64),
        ("max_bars", np.int64),
        ("risk", np.float64),
        ("regimes", np.int64),
    ]
)
"""The genes beside the two rules: side is 1 or -1, kinds are `NO_DISTANCE`, `ATR` or `FRACTION`,
no time stop is ``max_bars`` 0, and bit i of `regimes` stands for ``REGIMES[i]``."""

ALL_REGIMES = (1 << len(REGIMES)) - 1


def _arity(name: str) -> int:
    if name in SERIES:
        return 0
    if name in FUNCTIONS:
        return len(FUNCTIONS[name].parameters)
    return 1 if name in ("not", NEGATE) else 2


ARITY: Codes = np.array([_arity(name) for name in SYMBOLS], dtype=np.int32)
"""Operands of each symbol, windows and constants included. A constant has none."""


@dataclass(frozen=True, eq=False)
class Population:
    """N genomes as arrays.

    Attributes
    ----------
    codes : ndarray of shape (M,), int32
        All rules, one after the other: entry and exit of the first genome, then of the next.
    bounds : ndarray of shape (2 N + 1,), int64
        Rule k (``2 i`` the entry and ``2 i + 1`` the exit of genome i) is
        ``codes[bounds[k]:bounds[k + 1]]``.
    constants : ndarray of shape (C,), float64
        Values of the constants and windows that the codes name.
    genes : ndarray of shape (N,), dtype `GENES`
    """

    codes: Codes
    bounds: Places
    constants: Constants
    genes: NDArray[np.void]

    def __len__(self) -> int:
        """Return the number of genomes."""
        return len(self.genes)

    @classmethod
    def of(cls, genomes: Iterable[Genome]) -> "Population":
        """Encode `genomes`, which must have passed `check_genome`."""
        numbers: dict[float, int] = {}
        codes: list[int] = []
        bounds, genes = [0], []
        for genome in genomes:
            for rule in (genome.entry, genome.exit):
                codes.extend(_codes(rule, numbers))
                bounds.append(len(codes))
            genes.append(_genes(genome))
        return cls(
            np.array(codes, dtype=np.int32),
            np.array(bounds, dtype=np.int64),
            np.array(list(numbers), dtype=np.float64),
            np.array(genes, dtype=GENES),
        )

    @overload
    def __getitem__(self, which: int) -> Genome: ...

    @overload
    def __getitem__(self, which: slice) -> "Population": ...

    def __getitem__(self, which: int | slice) -> "Genome | Population":
        """Return one genome decoded, or a run of genomes that shares this population's arrays."""
        if not isinstance(which, slice):
            return self._genome(range(len(self))[which])
        first, last, step = which.indices(len(self))
        if step != 1:
            raise IndexError("a population is sliced in steps of 1: use take for anything else")
        last = max(first, last)
        bounds = self.bounds[2 * first : 2 * last + 1]
        codes = self.codes[bounds[0] : bounds[-1]]
        return Population(codes, bounds - bounds[0], self.constants, self.genes[first:last])

    def __iter__(self) -> Iterator[Genome]:
        """Decode one genome after the other."""
        return (self._genome(i) for i in range(len(self)))

    def take(self, places: Sequence[int] | NDArray[np.int64]) -> "Population":
        """Return the genomes at `places`, in that order; a genome may be taken twice."""
        chosen = np.asarray(places, dtype=np.int64)
        rules = (2 * chosen[:, None] + np.arange(2)).ravel()
        lengths = np.diff(self.bounds)[rules]
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        where = np.arange(bounds[-1]) + np.repeat(self.bounds[rules] - bounds[:-1], lengths)
        return Population(self.codes[where], bounds, self.constants, self.genes[chosen])

    @staticmethod
    def join(parts: "Sequence[Population]") -> "Population":
        """Return the genomes of all `parts`, in order."""
        constants, where = np.unique(
            np.concatenate([part.constants for part in parts]), return_inverse=True
        )
        codes, bounds, shift, known = [], [np.zeros(1, np.int64)], 0, 0
        for part in parts:
            places = where[known : known + len(part.constants)]
            is_constant = part.codes < 0
            codes.append(part.codes.copy())
            codes[-1][is_constant] = -1 - places[-1 - part.codes[is_constant]]
            bounds.append(part.bounds[1:] + shift)
            shift, known = shift + len(part.codes), known + len(part.constants)
        return Population(
            np.concatenate(codes),
            np.concatenate(bounds),
            constants,
            np.concatenate([part.genes for part in parts]),
        )

    def _genome(self, i: int) -> Genome:
        entry, exit_ = (
            _expression(self.codes[self.bounds[k] : self.bounds[k + 1]].tolist(), self.constants)
            for k in (2 * i, 2 * i + 1)
        )
        side, stop_kind, stop, target_kind, target, trail_kind, trail, max_bars, risk, regimes = (
            self.genes[i].item()
        )
        return Genome(
            entry=entry,
            exit=exit_,
            side=Side.LONG if side > 0 else Side.SHORT,
            stop=Distance(_KINDS[stop_kind] or DistanceKind.ATR, stop),
            target=_distance(target_kind, target),
            trail=_distance(trail_kind, trail),
            max_bars=max_bars or None,
            regimes=frozenset(r for bit, r in enumerate(REGIMES) if regimes >> bit & 1),
            risk=risk,
        )


def _codes(rule: Expression, numbers: dict[float, int]) -> Iterator[int]:
    for node in prefix(rule):
        if isinstance(node, Number):
            yield -1 - numbers.setdefault(float(node.value) + 0.0, len(numbers))
            continue
        if isinstance(node, Series):
            name = node.name
        elif isinstance(node, Call):
            name = node.function
        else:
            name = NEGATE if isinstance(node, Unary) and node.operator == "-" else node.operator
        if name not in CODE_OF:
            raise GenomeError(f"{name!r:.40} is no word of the language: check the genome first")
        yield CODE_OF[name]


def _expression(codes: list[int], constants: Constants) -> Expression:
    stack: list[Expression] = []
    for code in reversed(codes):
        if code < 0:
            stack.append(Number(float(constants[-1 - code])))
            continue
        name = SYMBOLS[code]
        operands = tuple(stack.pop() for _ in range(ARITY[code]))
        if name in SERIES:
            stack.append(Series(name))
        elif name in FUNCTIONS:
            stack.append(Call(name, operands))
        elif len(operands) == 1:
            stack.append(Unary("-" if name == NEGATE else name, operands[0]))
        else:
            stack.append(Binary(name, *operands))
    return stack[0]


def _genes(genome: Genome) -> tuple[float, ...]:
    regimes = sum(1 << bit for bit, regime in enumerate(REGIMES) if regime in genome.regimes)
    distances = (_numbers(one) for one in (genome.stop, genome.target, genome.trail))
    return (
        1.0 if genome.side is Side.LONG else -1.0,
        *(number for pair in distances for number in pair),
        genome.max_bars or 0,
        float(genome.risk),
        regimes,
    )


def _numbers(distance: Distance | None) -> tuple[int, float]:
    if distance is None:
        return NO_DISTANCE, 0.0
    return (ATR if distance.kind is DistanceKind.ATR else FRACTION), float(distance.value)


def _distance(kind: int, value: float) -> Distance | None:
    known = _KINDS[kind]
    return None if known is None else Distance(known, value)
