"""Names of a whole population: `Genome.hash` and `family` to the last bit, but all at once."""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kasauti.genome.codes import ATR, Population
from kasauti.genome.grammar import Floats
from kasauti.genome.model import DistanceKind, Side
from kasauti.genome.spelling import spelled
from kasauti.genome.text import number_text
from kasauti.regimes.model import REGIMES, Regime

_BLANK = b"_"
_JSON = json.JSONEncoder(separators=(",", ":")).encode


def hashes(population: Population) -> list[str]:
    """Return the hash of each genome: ``population[i].hash``."""
    return [hashlib.sha256(text).hexdigest() for text in gene_texts(population)]


def families(population: Population) -> list[str]:
    """Return the family of each genome: ``family(population[i])``."""
    numbers = [_BLANK] * len(population.constants)
    pieces = [*(f"{side}\n".encode() for side in (Side.LONG, Side.SHORT)), b"\n"]
    frames = np.full((len(population), 2), 2, dtype=np.int64)
    frames[:, 0] = population.genes["side"] < 0
    texts = spelled(population, numbers, frames, pieces)
    return [hashlib.sha256(text).hexdigest() for text in texts]


def gene_texts(population: Population) -> list[bytes]:
    """Return what the hash of each genome is of: `Genome.to_genes` as JSON, its keys in order."""
    pieces = [b'{"entry":"', b'","exit":"', b'"', b"}"]
    frames = np.full((len(population), 11), 3, dtype=np.int64)
    frames[:, :3] = 0, 1, 2
    for column, (name, numbers) in enumerate(_members(population.genes), start=3):
        distinct, places = np.unique(numbers, return_inverse=True)
        frames[:, column] = len(pieces) + places
        pieces += [_member(name, number) for number in distinct.tolist()]
    constants = [number_text(value).encode() for value in population.constants.tolist()]
    return spelled(population, constants, frames, pieces)


@lru_cache(maxsize=2**16)  # most numbers of a search come again and again
def _member(name: str, number: float) -> bytes:
    """Return one member of the JSON object after another one; nothing for None."""
    value = _VALUES[name](number)
    if value is None:
        return b""
    return f',"{name}":{_JSON(value)}'.encode()


def _members(genes: NDArray[np.void]) -> list[tuple[str, Floats]]:
    """Return the members after the rules, in order: name and a number a genome."""
    return [
        *((name, genes[name]) for name in ("max_bars", "regimes", "risk", "side")),
        *((name, _signed(genes, name)) for name in ("stop", "target", "trail")),
    ]


def _regimes(bits: int) -> list[str]:
    allowed = {regime for place, regime in enumerate(REGIMES) if bits >> place & 1}
    return [regime.value for regime in Regime if regime in allowed]


def _signed(genes: NDArray[np.void], name: str) -> Floats:
    """Return a distance as one number: a multiple above 0, a fraction below, none is 0."""
    signs = np.where(genes[f"{name}_kind"] == ATR, 1.0, -1.0)
    return np.asarray(np.where(genes[f"{name}_kind"] == 0, 0.0, signs * genes[name]))


def _distance(signed: float) -> dict[str, float] | None:
    if signed == 0.0:
        return None
    kind = DistanceKind.ATR if signed > 0.0 else DistanceKind.FRACTION
    return {kind.value: abs(signed)}


_VALUES: Mapping[str, Callable[[Any], Any]] = {
    "max_bars": lambda bars: bars or None,
    "regimes": _regimes,
    "risk": float,
    "side": lambda side: Side.LONG if side > 0 else Side.SHORT,
    "stop": _distance,
    "target": _distance,
    "trail": _distance,
}
"""What stands in the JSON for a number of the genes."""
