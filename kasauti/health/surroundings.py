"""What every check may look at: the state folder, the time and the environment; no check here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from kasauti.execution.place import paper_place
from kasauti.health import supervision
from kasauti.health.supervision import Supervision
from kasauti.home import Home

SAMPLE = "sample"


@dataclass(frozen=True)
class Surroundings:
    """One state folder at one moment.

    Attributes
    ----------
    home : Home
    now : datetime
        Exchange time, aware.
    environ : mapping
        The environment; ``KASAUTI_BARS`` and ``KASAUTI_NTP_SERVER`` are read.
    """

    home: Home
    now: datetime
    environ: Mapping[str, str]

    @cached_property
    def trades(self) -> bool:
        """Whether there is a paper ledger: from then on, what is not known is red."""
        return paper_place(self.home).exists()

    @property
    def has_own_bars(self) -> bool:
        """Whether bars of one's own are traded; the sample gets no new ones."""
        return self.environ.get("KASAUTI_BARS", SAMPLE) not in ("", SAMPLE)

    @cached_property
    def supervisor(self) -> Supervision | None:
        """The last word of `kasauti up`, None if it never ran here."""
        return supervision.read(self.home.supervisor)

    @property
    def is_up(self) -> bool:
        """Whether `kasauti up` runs."""
        return self.supervisor is not None and self.supervisor.is_alive(self.now)
