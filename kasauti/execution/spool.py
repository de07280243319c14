"""Ticks from a folder of append-only files, for whoever has a feed; it reads, and trades nothing.

Each line of ``*.jsonl`` is one JSON object: ``at`` (with zone), ``symbol``, ``last`` and, where
known, ``bid``, ``ask`` and ``volume``. A last line without its end waits until that is written; a
line that is not a tick is refused, and said.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from kasauti.errors import DataError

MOST_BYTES = 1_000_000  # read of one file at a time
AHEAD = timedelta(seconds=5)  # a tick from later than that has a wrong clock

Price = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]


class Tick(BaseModel):
    """One price as a feed reports it; `volume` counts the shares of this trade."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: AwareDatetime
    symbol: Annotated[str, Field(max_length=40, pattern=r"^[\w&.\-]+$")]
    last: Price
    bid: Price | None = None
    ask: Price | None = None
    volume: Annotated[int, Field(ge=0)] | None = None


@dataclass(frozen=True)
class Moment:
    """Ticks that can be taken in together: one of each symbol at most.

    Attributes
    ----------
    name : str
        File and position behind its last line: unique, and where reading goes on after a restart.
    at : datetime
        Of its last tick.
    ticks : tuple of Tick
    """

    name: str
    at: datetime
    ticks: tuple[Tick, ...]


class Spool:
    """The ticks that arrive in a folder, each handed out once.

    Parameters
    ----------
    folder : Path
        May be missing.
    seen : callable
        Gives the last moment's name of a file that was taken in before a restart, None for none.
    """

    def __init__(self, folder: Path, seen: Callable[[str], str | None]) -> None:
        self._folder = folder
        self._seen = seen
        self._offsets: dict[str, int] = {}
        self.refused = 0
        self.refusal = ""

    def read(self, now: datetime) -> list[Moment]:
        """Return what arrived since the last call, file by file, in the order of the lines."""
        found: list[Moment] = []
        for path in sorted(self._folder.glob("*.jsonl")):
            found += _moments(path.name, self._ticks(path, now))
        return found

    def _ticks(self, path: Path, now: datetime) -> Iterator[tuple[int, Tick]]:
        name = path.name
        if name not in self._offsets:
            self._offsets[name] = _position(self._seen(f"{name}@"))
        if path.stat().st_size <= self._offsets[name]:
            return
        with path.open("rb") as file:
            file.seek(self._offsets[name])
            content = file.read(MOST_BYTES)
        if len(content) == MOST_BYTES and b"\n" not in content:
            content += b"\n"  # no tick is that long: it is refused, and reading goes on
        for line in content[: content.rfind(b"\n") + 1].splitlines(keepends=True):
            self._offsets[name] += len(line)
            tick = self._tick(name, line, now)
            if tick is not None:
                yield self._offsets[name], tick

    def _tick(self, name: str, line: bytes, now: datetime) -> Tick | None:
        if not line.strip():
            return None
        try:
            tick = Tick.model_validate_json(line)
            if tick.at > now + AHEAD:
                raise DataError(f"its time {tick.at} has not come yet, it is {now}")
        except (ValidationError, DataError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            self.refused += 1
            self.refusal = f"{name}, before byte {self._offsets[name]}: {reason}"
            return None
        return tick


def _moments(name: str, ticks: Iterator[tuple[int, Tick]]) -> Iterator[Moment]:
    """Join consecutive ticks of different symbols; a second one of a symbol begins the next."""
    joined: dict[str, Tick] = {}
    end = 0
    for position, tick in ticks:
        if tick.symbol in joined:
            yield _moment(name, end, joined)
            joined = {}
        joined[tick.symbol], end = tick, position
    if joined:
        yield _moment(name, end, joined)


def _moment(name: str, end: int, ticks: dict[str, Tick]) -> Moment:
    return Moment(f"{name}@{end}", max(tick.at for tick in ticks.values()), tuple(ticks.values()))


def _position(moment: str | None) -> int:
    return 0 if moment is None else int(moment.rpartition("@")[2])
