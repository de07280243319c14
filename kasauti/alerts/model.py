"""What an alert is, to JSON and back; which event makes one stands in `triggers`.

Nothing is imported here that a desk would have to wait for.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import IntEnum
from typing import Any

LONGEST = 2_000  # characters of one text: more is cut, a phone shows a few hundred
MOST_FIGURES = 10
_CUT = " …"


class Severity(IntEnum):
    """How much it matters; compared by number, written by name."""

    INFO = 0
    WARNING = 1
    ERROR = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        """The name in small letters."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> "Severity":
        """Return the severity with this name.

        Raises
        ------
        KeyError
            If there is none.
        """
        return cls[word.strip().upper()]


@dataclass(frozen=True)
class Alert:
    """One thing that a person is told.

    Attributes
    ----------
    trigger : str
        A `triggers.Trigger`; text, since an old ledger may hold one that is gone.
    severity : Severity
    subject : str
        What it is about: an asset, a job, a symbol, a channel.
    title, happened, remedy : str
        A headline, what happened, and what to do; plain sentences.
    incident : str
        Equal for the same incident, whenever it is raised; see `incident_id`.
    detail : str
        What a program said, word for word.
    figures : tuple of (str, str)
    link : str
        Where to look, empty if nowhere.
    at : datetime or None
        Exchange time of what happened; None: when it was raised.
    closes : bool
        Whether it says that the incident is over.
    attachment : str
        A file in the folder of reports that goes along where the channel can carry it.
    """

    trigger: str
    severity: Severity
    subject: str
    title: str
    happened: str
    remedy: str
    incident: str
    detail: str = ""
    figures: tuple[tuple[str, str], ...] = ()
    link: str = ""
    at: datetime | None = None
    closes: bool = False
    attachment: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            **asdict(self),
            "severity": self.severity.word,
            "figures": [list(pair) for pair in self.figures],
            "at": None if self.at is None else self.at.isoformat(),
        }

    def to_text(self) -> str:
        """Return it as one line of JSON, for a database."""
        return json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> "Alert":
        """Read what `to_text` wrote.

        Raises
        ------
        ValueError
            If it is none: an old ledger's alert is a plain sentence.
        """
        try:
            found: Mapping[str, Any] = json.loads(text)
            at = found["at"]
            return cls(
                **{
                    **found,
                    "severity": Severity.of(found["severity"]),
                    "figures": tuple((str(name), str(value)) for name, value in found["figures"]),
                    "at": None if at is None else datetime.fromisoformat(at),
                }
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no alert: {text[:80]!r}") from error

    def happening(self, at: datetime) -> "Alert":
        """Return it with the time at which it happened, unless it says one."""
        return self if self.at is not None else replace(self, at=at)

    def with_figures(self, figures: tuple[tuple[str, str], ...]) -> "Alert":
        """Return it with other figures."""
        return replace(self, figures=figures)

    def with_texts(self, change: Mapping[str, str]) -> "Alert":
        """Return it with some of its texts replaced."""
        return Alert(**{**vars(self), **change})


def incident_id(*parts: str) -> str:
    """Return a short name that is the same for the same parts: trigger, subject, what else tells.

    48 bits: among a million incidents two share a name with a chance of 0.2 %.
    """
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()[:12]


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return `text` in at most `longest` characters, each of which a database keeps."""
    text = text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    return text if len(text) <= longest else text[: longest - len(_CUT)] + _CUT
