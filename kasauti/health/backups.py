"""The check of backups: when one was last proved; they are made and proved elsewhere."""

from datetime import datetime, timedelta

from pydantic import BaseModel, ValidationError

from kasauti.health.model import Check, Health
from kasauti.health.surroundings import Surroundings
from kasauti.home import Home

OLDEST = timedelta(hours=48)
REMEDY = "run `kasauti backup` and see what it says"


class Proof(BaseModel):
    """One line of the record of backups."""

    at: datetime
    ok: bool
    name: str = ""
    place: str = ""
    detail: str = ""


def proofs_of(home: Home) -> list[Proof]:
    """Return every attempt in the order of their recording; a torn line says nothing."""
    if not home.backup_proofs.exists():
        return []
    found = []
    for line in home.backup_proofs.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            proof = Proof.model_validate_json(line)
        except ValidationError:
            continue
        if proof.at.tzinfo is not None:
            found.append(proof)
    return found


def last_proved(home: Home) -> datetime | None:
    """Return when a backup was last proved, None if none ever was."""
    return max((proof.at for proof in proofs_of(home) if proof.ok), default=None)


def look(around: Surroundings) -> list[Check]:
    """Look whether a backup of the last two days was restored and verified."""
    proofs = proofs_of(around.home)
    last = max((proof.at for proof in proofs if proof.ok), default=None)
    failed = (
        f"; the last attempt failed: {proofs[-1].detail}" if proofs and not proofs[-1].ok else ""
    )
    if last is None:
        health = Health.RED if around.trades or failed else Health.ABSENT
        return [Check("backup", health, f"none was ever proved{failed}: {REMEDY}")]
    age = around.now - last
    figures = {"hours ago": round(age / timedelta(hours=1), 1)}
    said = f"last proved {last.astimezone(around.now.tzinfo):%Y-%m-%d %H:%M}{failed}"
    if age > OLDEST:
        return [Check("backup", Health.RED, f"{said}, over 48 h ago: {REMEDY}", figures)]
    health = Health.WARNING if failed else Health.OK
    return [Check("backup", health, f"{said}: {REMEDY}" if failed else said, figures)]
