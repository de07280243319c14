"""The certificate that ships with the project, in words and as a table; nothing is measured here.

`kasauti noise --write` makes it, `scripts/certificate.py` puts it into the README.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

Certificate = Mapping[str, Any]

ARTEFACT = "certificate.json"


@cache
def published() -> Certificate:
    """Return what `Certificate.to_json` said when the certificate was made."""
    text = files("kasauti.noise").joinpath("data", ARTEFACT).read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def sentence_of(certificate: Certificate) -> str:
    """Return what a user must know of it, in one sentence."""
    return (
        f"On {certificate['worlds']:,} markets without an edge, each searched with "
        f"{certificate['evaluations']:,} strategies, the whole pipeline approved "
        f"{certificate['approved_worlds']:,} "
        f"({bound(certificate['approved_worlds'], certificate['interval'])}). "
        "Larger searches are not certified."
    )


def bound(hits: int, interval: tuple[float, float]) -> str:
    """Return the interval of a share in words: one-sided where nothing was hit."""
    low, high = interval
    if hits == 0:
        return f"with 95 % confidence at most {high:.1%} of such markets"
    return f"95 %: {low:.1%} to {high:.1%}"


def to_markdown(certificate: Certificate) -> str:
    """Return the sentence and the table: a row for no edge, one for each that was planted."""
    rows = [
        "| edge: net Sharpe over 15 years | markets | approved | share, 95 % | best possible "
        "| Sharpe of what was found, on new bars |",
        "|---|---:|---:|---|---:|---:|",
        _row("none", certificate, certificate["rate"]),
        *(_row(f"{one['sharpe']:g}", one, one["power"]) for one in certificate["planted"]),
    ]
    return "\n".join([sentence_of(certificate), "", *rows, ""])


def _row(edge: str, one: Mapping[str, Any], share: float) -> str:
    low, high = one["interval"]
    best, captured = one.get("best_possible_power"), one.get("captured_sharpe")
    return (
        f"| {edge} | {one['worlds']} | {one['approved_worlds']} | {share:.1%} "
        f"({low:.1%} to {high:.1%}) | {'' if best is None else f'{best:.0%}'} "
        f"| {'' if captured is None else f'{captured:.2f}'} |"
    )
