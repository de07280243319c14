"""Verdicts that were given already, kept by what they rest on; nothing is judged here.

A verdict counts the trials registered so far, so giving it a second time would give another one: a
run that was killed between two verdicts goes on with the first as it was.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from kasauti.genome import Genome
from kasauti.market.atomic import write_atomically
from kasauti.validation.gates.model import Gate
from kasauti.validation.verdict import Verdict


class Verdicts:
    """The verdicts in the folder `root`, one JSON file each."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, genome: Genome, **rests_on: str) -> Verdict | None:
        """Return the verdict on `genome` that rests on just this, None if there is none."""
        path = self._path(genome, rests_on)
        return _from_body(json.loads(path.read_bytes())) if path.exists() else None

    def keep(self, verdict: Verdict, genome: Genome, **rests_on: str) -> Verdict:
        """Keep `verdict` and return it."""
        body = {**verdict.to_json(), "family": verdict.family}
        write_atomically(self._path(genome, rests_on), json.dumps(body).encode())
        return verdict

    def _path(self, genome: Genome, rests_on: dict[str, str]) -> Path:
        text = json.dumps({"genome": genome.hash, **rests_on}, sort_keys=True)
        return self._root / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def _from_body(body: dict[str, Any]) -> Verdict:
    return Verdict(
        body["approved"],
        body["genome"],
        body["family"],
        tuple(Gate(**gate) for gate in body["gates"]),
        tuple(body["notes"]),
        body["data_version"],
        body["tier"],
    )
