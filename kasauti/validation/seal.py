"""The vault: the last fifth of every data set, sealed at ingestion and opened only on record.

Who may open it and what is made of it is decided in `verdict`; no strategy is judged here.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from kasauti.errors import SealedDataError
from kasauti.market.bars import Bars
from kasauti.validation import fingerprint, seal_records, sealed_file
from kasauti.validation.records import Page, RecordBook
from kasauti.validation.seal_records import Opening, Seal
from kasauti.validation.sealed_file import day_of, join, position_of, sessions_between

__all__ = ["Admitted", "Opening", "Seal", "Vault", "join"]


@dataclass(frozen=True, eq=False)
class Admitted:
    """A data set as a search may see it.

    Attributes
    ----------
    searched : Bars
        The bars that evolution and every gate but the last may read.
    seal : Seal or None
        The sealed range, None where nothing unseen is left to seal (then no verdict is possible).
    forward : Bars or None
        Bars after the sealed range: for the paper trial, never for a search.
    note : str
        What was cut and why, in words.
    """

    searched: Bars
    seal: Seal | None
    forward: Bars | None
    note: str


class Vault:
    """Sealed data sets and the record of everybody who looked, in the folder `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.records = RecordBook(root / "vault.sqlite")

    # -- sealing ---------------------------------------------------------------------------------

    def admit(self, bars: Bars, *, now: datetime) -> Admitted:
        """Split `bars` into what may be searched, what is sealed and what came later.

        The first admission of a data set seals its last fifth. Later ones know it by overlapping
        symbols and dates, whatever its path: the recorded boundary holds, the earliest one where
        several data sets overlap.

        Raises
        ------
        SealedDataError
            When history inside a sealed range was changed, or the vault's records were.
        """
        self.records.verify()
        with self.records.page() as page:
            known = [seal for seal in seal_records.seals(page) if seal.concerns(bars)]
            for seal in known:
                self._require_same_history(seal, bars)
            # What must stay unseen is what counts; a joint panel may withhold more than that.
            boundary = min((s.counts_from for s in known), default=sealed_file.fresh_boundary(bars))
            if boundary is None:
                self._note_searched(page, bars, now)
                return Admitted(bars, None, None, "too few sessions to seal any of them")
            last = max((s.last for s in known), default=day_of(bars.sessions[-1]))
            found = self._seal_for(page, bars, known, boundary, last, now)
            searched = bars.between(0, position_of(bars, boundary))
            after = bars.between(position_of(bars, last, after=True))
            self._note_searched(page, searched, now)
        forward = after if after.shape[1] else None
        return Admitted(searched, found, forward, _note(bars, searched, found, forward))

    def _seal_for(
        self,
        page: Page,
        bars: Bars,
        known: Sequence[Seal],
        boundary: date,
        last: date,
        now: datetime,
    ) -> Seal | None:
        """Return the panel's seal, a new one where none covers it, None where all was seen."""
        sealed = sessions_between(bars, boundary, last)
        present = set(sealed_file.ranges(sealed))
        alike = [s for s in known if (s.market, s.daily) == (bars.market, bars.is_daily)]
        covering = seal_records.covering(alike, present, boundary, last)
        if covering is not None or not present:
            return covering or max(alike, key=lambda seal: seal.last, default=None)
        counts_from = max((s.counts_from for s in known), default=boundary)
        seen = seal_records.searched_until(page, present, boundary, last)
        unseen = (
            sealed.sessions[position_of(sealed, seen, after=True) :] if seen else sealed.sessions
        )
        if not len(unseen):
            return None
        counts_from = max(counts_from, day_of(unseen[0]))
        counted = sealed.shape[1] - position_of(sealed, counts_from)
        content = sealed_file.to_bytes(sealed)
        digest = hashlib.sha256(content).hexdigest()
        prints = fingerprint.to_bytes(fingerprint.fingerprints(sealed))
        seal = Seal(
            id=digest[:32],
            market=bars.market,
            daily=bars.is_daily,
            symbols=tuple(sorted(present)),
            starts=day_of(bars.sessions[0]),
            boundary=boundary,
            counts_from=counts_from,
            last=day_of(sealed.sessions[-1]),
            bars=sealed.shape[1],
            counted_bars=counted,
            sha256=digest,
            prints_sha256=hashlib.sha256(prints).hexdigest(),
        )
        sealed_file.write_once(self._sealed(seal), content)
        sealed_file.write_once(self._prints(seal), prints)
        page.append("seal", {"seal": seal.to_body(), "when": now.isoformat()})
        return seal

    def _require_same_history(self, seal: Seal, bars: Bars) -> None:
        if (seal.market, seal.daily) != (bars.market, bars.is_daily):
            return
        content = sealed_file.read_verified(self._prints(seal), seal.prints_sha256)
        known = fingerprint.from_bytes(content)
        given = sessions_between(bars, seal.boundary, seal.last)
        for symbol, later in fingerprint.fingerprints(given).items():
            change = known[symbol].first_difference(later) if symbol in known else None
            if change is not None:
                raise SealedDataError(
                    f"history of {symbol} differs from what was sealed as {seal.id[:12]}: "
                    f"{change}. Restore the bars as they were first ingested"
                )

    def _note_searched(self, page: Page, searched: Bars, now: datetime) -> None:
        fresh = seal_records.unrecorded_searches(page, searched)
        if fresh:
            page.append("searched", {"ranges": fresh, "when": now.isoformat()})

    # -- reading, never without a record ---------------------------------------------------------

    def open(
        self, seal: Seal, *, family: str, genome_hash: str, who: str, when: datetime, why: str
    ) -> Bars:
        """Record an opening, then return the sealed bars; once per family.

        The same genome may read again only while its outcome has not been recorded, which is what
        finishing after a crash needs.

        Raises
        ------
        SealedDataError
            When the family was opened or seen before, or the vault was tampered with.
        """
        self.verify()
        body = {"seal": seal.id, "family": family, "genome": genome_hash}
        with self.records.page() as page:
            seen = seal_records.seen(page, seal, family)
            if seen is not None:
                raise SealedDataError(seen)
            mine = [o for o in seal_records.openings(page, seal) if o.family == family]
            for opening in mine:
                if opening.outcome is not None or opening.genome_hash != genome_hash:
                    raise SealedDataError(
                        f"this family was already opened by {opening.genome_hash[:12]} at "
                        f"{opening.when} ({opening.who}): one opening a family"
                    )
            if not any(opening.seal_id == seal.id for opening in mine):
                page.append("opening", body | {"who": who, "when": when.isoformat(), "why": why})
        return self._read(seal)

    def record_outcome(
        self, seal: Seal, *, family: str, genome_hash: str, outcome: Mapping[str, Any]
    ) -> None:
        """Write down what an opening showed; a second outcome is refused."""
        body = {"seal": seal.id, "family": family}
        with self.records.page() as page:
            if not page.find("opening", genome=genome_hash, **body):
                raise SealedDataError(f"seal {seal.id} was never opened for {genome_hash}")
            if page.find("outcome", **body):
                raise SealedDataError(f"the opening of seal {seal.id} has an outcome already")
            page.append("outcome", body | {"genome": genome_hash, "outcome": dict(outcome)})

    def openings(self, seal: Seal) -> tuple[Opening, ...]:
        """Return the openings of `seal` and of every seal that shares bars with it."""
        with self.records.page() as page:
            return seal_records.openings(page, seal)

    def seen_by(self, seal: Seal, family: str) -> str | None:
        """Say how this family has already seen sealed bars other than by an opening, or None."""
        with self.records.page() as page:
            return seal_records.seen(page, seal, family)

    def history_for_signals(
        self, seal: Seal, *, family: str, genome_hash: str, who: str, when: datetime, why: str
    ) -> Bars:
        """Return the sealed bars as warm-up of a strategy whose fate is already decided.

        Only for a genome with an approval or a replay permit. Recorded once per genome and
        reason; a family that reads this way without an opening of its own can never open the seal.

        Raises
        ------
        SealedDataError
            When the genome has neither, or the vault was tampered with.
        """
        body = {"seal": seal.id, "family": family, "genome": genome_hash, "why": why}
        with self.records.page() as page:
            if not page.find("approval", genome=genome_hash):
                raise SealedDataError(
                    f"{genome_hash[:12]} has neither an approval nor a replay permit: "
                    "judge it first, sealed bars are not for searching"
                )
            if not page.find("history", **body):
                page.append("history", body | {"who": who, "when": when.isoformat()})
        return self._read(seal)

    def record_look(
        self,
        *,
        family: str,
        symbols: Sequence[str],
        first: date,
        last: date,
        who: str,
        when: datetime,
        why: str,
    ) -> None:
        """Record that a person saw this family's result on these bars.

        Sealed bars among them are no test of the family any more. The same look is recorded once.
        """
        body = {
            "family": family,
            "symbols": sorted(symbols),
            "first": first.isoformat(),
            "last": last.isoformat(),
            "who": who,
            "why": why,
        }
        with self.records.page() as page:
            looks = page.find("look", family=family)
            if not any(all(look.body[name] == body[name] for name in body) for look in looks):
                page.append("look", body | {"when": when.isoformat()})

    def verify(self) -> None:
        """Check the chain of records and the hash of every file in the vault.

        Raises
        ------
        SealedDataError
            Naming what does not fit.
        """
        self.records.verify()
        for record in self.records.find("seal"):
            seal = Seal.from_body(record.body["seal"])
            sealed_file.read_verified(self._sealed(seal), seal.sha256)
            sealed_file.read_verified(self._prints(seal), seal.prints_sha256)

    # -- inside ----------------------------------------------------------------------------------

    def _sealed(self, seal: Seal) -> Path:
        return self._root / f"{seal.id}.sealed"

    def _prints(self, seal: Seal) -> Path:
        return self._root / f"{seal.id}.prints"

    def _read(self, seal: Seal) -> Bars:
        content = sealed_file.read_verified(self._sealed(seal), seal.sha256)
        return sealed_file.from_bytes(content)


def _note(bars: Bars, searched: Bars, seal: Seal | None, forward: Bars | None) -> str:
    text = f"{searched.shape[1]} of {bars.shape[1]} bars may be searched"
    if seal is None:
        return text + "; nothing unseen is left to seal, so no verdict is possible on them"
    text += f"; sealed are {seal.boundary} to {seal.last}"
    if forward is not None:
        text += f"; {forward.shape[1]} bars after that are forward data"
    return text
