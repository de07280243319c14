"""Whether a genome is one: every gene's type and range; reading files lives in `files`."""

import dataclasses
from typing import Any

from kasauti.errors import GenomeError
from kasauti.genome.language import Unit
from kasauti.genome.model import Distance, DistanceKind, Expression, Genome, Side
from kasauti.genome.units import is_finite_number, unit_of
from kasauti.regimes.model import Regime

MAX_ATR_MULTIPLE = 20.0
MAX_BARS = 10_000


def check_rule(expression: Expression) -> Expression:
    """Return `expression` after checking that it is a condition of the language.

    Raises
    ------
    GenomeError
        If it is not, however deep or large the tree was built.
    """
    unit = unit_of(expression)
    if unit is not Unit.BOOLEAN:
        raise GenomeError(
            f"expected a condition, found a {unit}: compare it, as in rsi(close, 14) < 30"
        )
    return expression


def check_genome(genome: Genome) -> Genome:
    """Return `genome` with its numbers as floats, after checking every gene.

    Raises
    ------
    GenomeError
        On the first gene that is wrong, by its name and with what was expected.
    """
    for name, rule in (("entry", genome.entry), ("exit", genome.exit)):
        try:
            check_rule(rule)
        except GenomeError as error:
            raise in_gene(name, error) from None
    if not isinstance(genome.side, Side):
        raise GenomeError(f"side: expected long or short, found {genome.side!r}")
    return dataclasses.replace(
        genome,
        stop=_distance("stop", genome.stop),
        target=None if genome.target is None else _distance("target", genome.target),
        trail=None if genome.trail is None else _distance("trail", genome.trail),
        max_bars=_max_bars(genome.max_bars),
        regimes=_regimes(genome.regimes),
        risk=_number("risk", genome.risk, 1.0, closed=True),
    )


def in_gene(name: str, error: GenomeError) -> GenomeError:
    """Return `error` with the gene's name before its message and its position kept."""
    named = GenomeError(f"{name}: {error}")
    named.position = error.position
    return named


def _number(name: str, value: Any, high: float, *, closed: bool) -> float:
    """Return `value` as float if it lies in (0, high], or (0, high) where not `closed`."""
    wanted = f"{name}: expected a number above 0 and {'at most' if closed else 'below'} {high:g}"
    if not is_finite_number(value):
        raise GenomeError(f"{wanted}, found {value!r:.40}")
    if not 0 < value <= high or (value == high and not closed):
        raise GenomeError(f"{wanted}, found {value!r:.40}")
    return float(value)


def _distance(name: str, distance: Any) -> Distance:
    if not isinstance(distance, Distance) or not isinstance(distance.kind, DistanceKind):
        raise GenomeError(
            f"{name}: expected {{ atr = 2.5 }} or {{ fraction = 0.04 }}, found {distance!r:.60}"
        )
    if distance.kind is DistanceKind.ATR:
        value = _number(f"{name}.atr", distance.value, MAX_ATR_MULTIPLE, closed=True)
    else:
        value = _number(f"{name}.fraction", distance.value, 1.0, closed=False)
    return Distance(distance.kind, value)


def _max_bars(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_BARS:
        raise GenomeError(
            f"max_bars: expected an integer from 1 to {MAX_BARS} or nothing, found {value!r:.40}"
        )
    return value


def _regimes(value: Any) -> frozenset[Regime]:
    names = ", ".join(Regime)
    if not isinstance(value, frozenset) or not value:
        raise GenomeError(f"regimes: expected at least one of {names}, found {value!r:.60}")
    for regime in value:
        if not isinstance(regime, Regime):
            raise GenomeError(f"regimes: expected some of {names}, found {regime!r:.40}")
    return value
