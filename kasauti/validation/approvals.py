"""Approval records: what the gate asks for before an entry, granted by a verdict alone.

They live in the vault's append-only book, so an approval cannot be made up, changed or lost
without a trace.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from kasauti.errors import UsageError
from kasauti.genome import Genome, family, genome_from_genes
from kasauti.regimes.model import REGIMES, Regime
from kasauti.validation.seal import Vault
from kasauti.validation.tiers import LOWEST_TIER
from kasauti.validation.validity import VALID_FOR

if TYPE_CHECKING:  # the verdict brings scipy with it, and the desk only reads approvals
    from kasauti.validation.verdict import Verdict


class Scope(StrEnum):
    """Where an approval counts."""

    PAPER = "paper"
    REPLAY = "replay"


@dataclass(frozen=True)
class Approval:
    """One approval, or a permit to show the way in the replay ledger.

    Attributes
    ----------
    genome, family : str
        Hashes.
    scope : Scope
        A replay permit is valid in the replay ledger only.
    label : str
        What a person has to know about it, in words.
    code_version, data_version : str
        Another of either ends it.
    scores : dict of str to float
        t searched, sealed and joined, for ordering by score; empty for a permit.
    regimes : tuple of str
        Where it may be entered.
    tier : str
        Capital profile that it is limited to.
    granted, expires : str
        ISO 8601 time of granting, last day that it is valid.
    verdict : str
        Digest of the verdict, empty for a permit.
    """

    genome: str
    family: str
    scope: Scope
    label: str
    code_version: str
    data_version: str
    scores: dict[str, float]
    regimes: tuple[str, ...]
    tier: str
    granted: str
    expires: str
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain values."""
        return {**asdict(self), "scope": self.scope.value, "regimes": list(self.regimes)}


class Approvals:
    """The approvals in a vault's book."""

    def __init__(self, vault: Vault) -> None:
        self._records = vault.records

    def grant(
        self, verdict: "Verdict", genome: Genome, *, code_version: str, now: datetime, who: str
    ) -> Approval:
        """Record the approval that `verdict` allows; the same one again adds nothing.

        The genes go with it: a position is closed by the rules that opened it, whatever has
        become of the approval and of the search that found them.

        Raises
        ------
        UsageError
            When the verdict does not approve, is on another genome, or is not one that `judge`
            gave and recorded.
        """
        if verdict.genome != genome.hash:
            raise UsageError(f"this verdict is on {verdict.genome[:12]}, not {genome.hash[:12]}")
        if not verdict.approved or verdict.tier is None:
            failed = verdict.first_failure
            why = f"{failed.name}: {failed.reason}" if failed else "it names no capital tier"
            raise UsageError(f"{verdict.genome[:12]} is not approved, {why}")
        given = self._records.find("verdict", genome=verdict.genome, digest=verdict.digest)
        if not any(record.body["approved"] for record in given):
            raise UsageError(
                f"no such verdict on {verdict.genome[:12]} was ever given: judge the genome again"
            )
        figures = {gate.name: gate.figures for gate in verdict.gates}
        return self._append(
            Approval(
                genome=verdict.genome,
                family=verdict.family,
                scope=Scope.PAPER,
                label=f"approved for paper trading at the capital tier {verdict.tier}",
                code_version=code_version,
                data_version=verdict.data_version,
                scores={
                    name: float(figures["sealed"][name])
                    for name in ("t_searched", "t_sealed", "t_joined")
                },
                regimes=tuple(figures["regimes"]["approved"]),
                tier=verdict.tier,
                granted=now.isoformat(),
                expires=(now.date() + VALID_FOR).isoformat(),
                verdict=verdict.digest,
            ),
            genome,
            who,
        )

    def replay_permit(
        self,
        genome: Genome,
        *,
        code_version: str,
        data_version: str,
        now: datetime,
        who: str,
        label: str = "reference strategy: NOT approved, shown on the replay clock only",
        regimes: Sequence[Regime] = REGIMES,
    ) -> Approval:
        """Record a permit that lets an unapproved genome be shown in the replay ledger."""
        return self._append(
            Approval(
                genome=genome.hash,
                family=family(genome),
                scope=Scope.REPLAY,
                label=label,
                code_version=code_version,
                data_version=data_version,
                scores={},
                regimes=tuple(regime.value for regime in regimes if regime in genome.regimes),
                tier=LOWEST_TIER,
                granted=now.isoformat(),
                expires=(now.date() + VALID_FOR).isoformat(),
                verdict="",
            ),
            genome,
            who,
        )

    def revoke(self, genome_hash: str, *, why: str, who: str, now: datetime) -> None:
        """End every approval of the genome that was granted until now."""
        self._records.append(
            "revocation",
            {"genome": genome_hash, "why": why, "who": who, "when": now.isoformat()},
        )

    def granted_until(self, genome_hash: str, moment: datetime) -> bool:
        """Whether an approval that was granted until `moment` was not revoked since."""
        revoked = max(
            (record.number for record in self._records.find("revocation", genome=genome_hash)),
            default=0,
        )
        return any(
            record.number > revoked
            and datetime.fromisoformat(record.body["approval"]["granted"]) <= moment
            for record in self._records.find("approval", genome=genome_hash)
        )

    def ever(self, genome_hash: str) -> Approval | None:
        """Return the newest approval of the genome, ended or not: how it came to be traded."""
        found = self._records.find("approval", genome=genome_hash)
        return _approval(found[-1].body["approval"]) if found else None

    def genome(self, genome_hash: str) -> Genome | None:
        """Return the genome that an approval was ever granted to, ended or not."""
        for record in reversed(self._records.find("approval", genome=genome_hash)):
            if record.body.get("genes") is not None:
                return genome_from_genes(record.body["genes"])
        return None

    def valid(
        self,
        genome_hash: str,
        scope: Scope,
        day: date,
        *,
        code_version: str,
        data_version: str,
    ) -> Approval | None:
        """Return the newest approval that counts in `scope` on `day`, or None.

        In the replay ledger a paper approval counts too; in paper trading a permit never does.
        """
        revoked = max(
            (record.number for record in self._records.find("revocation", genome=genome_hash)),
            default=0,
        )
        for record in reversed(self._records.find("approval", genome=genome_hash)):
            approval = _approval(record.body["approval"])
            if (
                record.number > revoked
                and (approval.scope is scope or scope is Scope.REPLAY)
                and approval.granted[:10] <= day.isoformat() <= approval.expires
                and approval.code_version == code_version
                and approval.data_version == data_version
            ):
                return approval
        return None

    def _append(self, approval: Approval, genome: Genome, who: str) -> Approval:
        with self._records.page() as page:
            for record in page.find("approval", genome=approval.genome):
                known = _approval(record.body["approval"])
                if _ageless(known) == _ageless(approval) and known.expires >= approval.granted[:10]:
                    return known
            body = {
                "genome": approval.genome,
                "who": who,
                "approval": approval.to_json(),
                "genes": genome.to_genes(),
            }
            page.append("approval", body)
        return approval


def _approval(body: dict[str, Any]) -> Approval:
    return Approval(**{**body, "scope": Scope(body["scope"]), "regimes": tuple(body["regimes"])})


def _ageless(approval: Approval) -> dict[str, Any]:
    return {k: v for k, v in approval.to_json().items() if k not in ("granted", "expires")}
