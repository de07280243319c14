"""Genomes from the outside, as mappings and TOML or JSON files; what they must be is in `check`."""

import difflib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kasauti.errors import GenomeError
from kasauti.genome.check import check_genome, in_gene
from kasauti.genome.model import Distance, DistanceKind, Expression, Genome, Side
from kasauti.genome.parser import parse_expression
from kasauti.regimes.model import REGIMES, Regime

MAX_FILE_BYTES = 100_000

_DISTANCE = "{ atr = 2.5 } or { fraction = 0.04 }"
_REMEDIES = {
    "entry": 'a condition as text, such as "rsi(close, 14) < 30"',
    "exit": 'a condition as text, such as "close < sma(close, 50)"',
    "side": '"long" or "short"',
    "stop": _DISTANCE,
    "target": f"{_DISTANCE}, or leave it out",
    "trail": f"{_DISTANCE}, or leave it out",
    "max_bars": "an integer from 1 to 10000, or leave it out",
    "regimes": f"a list with at least one of {', '.join(REGIMES)}",
    "risk": "a fraction of equity above 0 and at most 1, such as 0.01",
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _AtrDistance(_Strict):
    atr: float


class _FractionDistance(_Strict):
    fraction: float


_AnyDistance = _AtrDistance | _FractionDistance


class _Genes(_Strict):
    """The genes by their names in a genome file."""

    entry: str
    exit: str
    side: Literal["long", "short"]
    stop: _AnyDistance
    target: _AnyDistance | None = None
    trail: _AnyDistance | None = None
    max_bars: int | None = None
    regimes: Annotated[list[Literal["bull", "bear", "sideways", "volatile"]], Field(min_length=1)]
    risk: float


def genome_from_genes(genes: Mapping[str, Any]) -> Genome:
    """Return the genome of a mapping such as `Genome.to_genes` returns.

    Raises
    ------
    GenomeError
        On an unknown, missing or wrong gene, by its name and with what was expected.
    """
    if not isinstance(genes, Mapping):
        raise GenomeError(f"expected the genes by name, found {type(genes).__name__}")
    try:
        checked = _Genes.model_validate(dict(genes))
    except ValidationError as error:
        raise GenomeError(_explain(error)) from None
    genome = Genome(
        entry=_rule("entry", checked.entry),
        exit=_rule("exit", checked.exit),
        side=Side(checked.side),
        stop=_distance(checked.stop),
        target=None if checked.target is None else _distance(checked.target),
        trail=None if checked.trail is None else _distance(checked.trail),
        max_bars=checked.max_bars,
        regimes=frozenset(Regime(name) for name in checked.regimes),
        risk=checked.risk,
    )
    return check_genome(genome)


def load_genome(path: Path | str) -> Genome:
    """Return the genome of a TOML or JSON file, told apart by the suffix.

    Raises
    ------
    GenomeError
        If the file cannot be read or is no genome; the message names the file.
    """
    file = Path(path)
    try:
        return genome_from_genes(_read(file))
    except GenomeError as error:
        raise in_gene(str(file), error) from None


def _read(file: Path) -> Any:
    if file.suffix not in (".toml", ".json"):
        raise GenomeError("expected a file named *.toml or *.json")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise GenomeError(f"cannot be read: {error.strerror}") from None
    if len(content) > MAX_FILE_BYTES:
        raise GenomeError(f"has {len(content)} bytes, a genome has at most {MAX_FILE_BYTES}")
    try:
        text = content.decode("utf-8-sig")
        if file.suffix == ".toml":
            return tomllib.loads(text)
        return json.loads(text, object_pairs_hook=_without_repeats)
    except UnicodeDecodeError as error:
        raise GenomeError(f"is not UTF-8 at byte {error.start}: save it as UTF-8") from None
    except ValueError as error:
        raise GenomeError(f"is no valid {file.suffix[1:].upper()}: {error}") from None
    except RecursionError:
        raise GenomeError("is nested too deeply for a genome") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    genes = dict(pairs)
    if len(genes) < len(pairs):
        raise ValueError("a name is given twice")
    return genes


def _rule(name: str, text: str) -> Expression:
    try:
        return parse_expression(text)
    except GenomeError as error:
        raise in_gene(name, error) from None


def _distance(distance: _AtrDistance | _FractionDistance) -> Distance:
    if isinstance(distance, _AtrDistance):
        return Distance(DistanceKind.ATR, distance.atr)
    return Distance(DistanceKind.FRACTION, distance.fraction)


def _explain(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False)
    # A misspelt gene is also a missing one: the name that was written says more.
    problem = next((p for p in problems if p["loc"][0] not in _REMEDIES), problems[0])
    gene = str(problem["loc"][0])
    if gene not in _REMEDIES:
        near = difflib.get_close_matches(gene, list(_REMEDIES), n=1)
        advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(_REMEDIES)}"
        return f"{gene[:40]}: there is no such gene: {advice}"
    if problem["type"] == "missing" and len(problem["loc"]) == 1:
        return f"{gene}: this gene is missing: expected {_REMEDIES[gene]}"
    return f"{gene}: expected {_REMEDIES[gene]}, found {problem['input']!r:.60}"
