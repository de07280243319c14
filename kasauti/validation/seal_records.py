"""What the vault's records say: seals, searches, openings and looks; nothing is read or written."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from kasauti.market.bars import Bars
from kasauti.validation.records import Page, Record
from kasauti.validation.sealed_file import day_of, names_in, ranges


@dataclass(frozen=True)
class Seal:
    """What is known of a sealed range without opening it.

    Attributes
    ----------
    id : str
        Name of the sealed file: the first 32 hex digits of its sha256.
    symbols : tuple of str
        Symbols (and the index) that have bars in the range.
    starts, boundary, last : date
        First session of the data set, first and last session of the sealed range.
    counts_from : date
        First session that no search has ever seen; later than `boundary` only where this data set
        overlaps one that was sealed at another date.
    bars, counted_bars : int
        Number of sealed bars, and of those from `counts_from` on.
    sha256, prints_sha256 : str
        Hash of the sealed file, and of the fingerprints beside it.
    """

    id: str
    market: str
    daily: bool
    symbols: tuple[str, ...]
    starts: date
    boundary: date
    counts_from: date
    last: date
    bars: int
    counted_bars: int
    sha256: str
    prints_sha256: str

    def to_body(self) -> dict[str, Any]:
        """Return the seal as the body of a record."""
        return {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> "Seal":
        """Return the seal that a record describes."""
        dates = {
            name: date.fromisoformat(body[name])
            for name in ("starts", "boundary", "counts_from", "last")
        }
        return cls(**(dict(body) | dates | {"symbols": tuple(body["symbols"])}))

    def shares_bars_with(self, other: "Seal") -> bool:
        """Whether the two sealed ranges have a symbol and a date in common."""
        return (
            not set(self.symbols).isdisjoint(other.symbols)
            and self.boundary <= other.last
            and other.boundary <= self.last
        )

    def concerns(self, bars: Bars) -> bool:
        """Whether `bars` belong to the sealed data set.

        They share a symbol, and are of the same kind (then later dates are forward data) or
        overlap in time.
        """
        if not len(bars.times) or set(self.symbols).isdisjoint(names_in(bars)):
            return False
        first, last = day_of(bars.sessions[0]), day_of(bars.sessions[-1])
        return self.daily == bars.is_daily or (first <= self.last and last >= self.starts)


@dataclass(frozen=True)
class Opening:
    """A recorded opening; `outcome` is None while its result was not written down yet."""

    number: int
    when: str
    who: str
    why: str
    family: str
    genome_hash: str
    seal_id: str
    outcome: Mapping[str, Any] | None


def seals(page: Page) -> list[Seal]:
    """Return every seal, oldest first."""
    return [Seal.from_body(record.body["seal"]) for record in page.find("seal")]


def covering(known: Iterable[Seal], present: set[str], boundary: date, last: date) -> Seal | None:
    """Return the seal that holds exactly this range for at least these symbols."""
    for seal in known:
        if (seal.boundary, seal.last) == (boundary, last) and present <= set(seal.symbols):
            return seal
    return None


def openings(page: Page, seal: Seal) -> tuple[Opening, ...]:
    """Return the openings of every seal that shares bars with `seal`, oldest first."""
    shared = {other.id for other in seals(page) if seal.shares_bars_with(other)}
    outcomes = {
        (record.body["seal"], record.body["family"]): record.body["outcome"]
        for record in page.find("outcome")
    }
    return tuple(
        Opening(
            record.number,
            record.body["when"],
            record.body["who"],
            record.body["why"],
            record.body["family"],
            record.body["genome"],
            record.body["seal"],
            outcomes.get((record.body["seal"], record.body["family"])),
        )
        for record in page.find("opening")
        if record.body["seal"] in shared
    )


def seen(page: Page, seal: Seal, family: str) -> str | None:
    """Say how `family` saw sealed bars other than by its own opening, or None."""
    opened = min((o.number for o in openings(page, seal) if o.family == family), default=None)
    by_id = {other.id: other for other in seals(page)}
    for record in page.find("look", family=family) + page.find("history", family=family):
        if opened is not None and record.number > opened:
            continue  # what came after the family's own opening spoils nothing
        if _overlaps(record, seal, by_id):
            return (
                f"already seen by {record.body['who']} at {record.body['when']} "
                f"({record.body['why']}): sealed bars that were looked at prove nothing"
            )
    return None


def _overlaps(record: Record, seal: Seal, by_id: Mapping[str, Seal]) -> bool:
    body = record.body
    if record.kind == "history":
        return seal.shares_bars_with(by_id[body["seal"]])
    return (
        not set(body["symbols"]).isdisjoint(seal.symbols)
        and date.fromisoformat(body["first"]) <= seal.last
        and date.fromisoformat(body["last"]) >= seal.counts_from
    )


def _searches(page: Page) -> list[tuple[str, date, date]]:
    return [
        (symbol, date.fromisoformat(first), date.fromisoformat(last))
        for record in page.find("searched")
        for symbol, (first, last) in record.body["ranges"].items()
    ]


def searched_until(page: Page, symbols: set[str], boundary: date, last: date) -> date | None:
    """Return the latest session in ``boundary..last`` that a search of these symbols has seen."""
    ends = [
        min(until, last)
        for symbol, since, until in _searches(page)
        if symbol in symbols and since <= last and until >= boundary
    ]
    return max(ends, default=None)


def unrecorded_searches(page: Page, bars: Bars) -> dict[str, list[str]]:
    """Return the ranges of `bars` that lie in no search recorded so far, as record bodies."""
    known = _searches(page)
    return {
        symbol: [first.isoformat(), last.isoformat()]
        for symbol, (first, last) in ranges(bars).items()
        if not any(s == symbol and since <= first and last <= until for s, since, until in known)
    }
