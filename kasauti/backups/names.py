"""The names of backups: when it was taken, the hash of its bytes, encrypted or not, proved or not.

A name without an ending for unproved ones is given only after the proof, so that a list of names
tells all that matters.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from kasauti.market.calendar import INDIA

PART = ".part"  # of an upload that has not ended
UNPROVED = ".unproved"
ENCRYPTED = ".enc"
DIGITS = 32  # of the sha256
_WHEN = "%Y%m%d-%H%M%S"
_NAME = re.compile(
    rf"kasauti-(\d{{8}}-\d{{6}})-([0-9a-f]{{{DIGITS}}})\.tar\.zst(\{ENCRYPTED})?(\{UNPROVED})?"
)


@dataclass(frozen=True, order=True)
class BackupName:
    """One backup, as its name tells it; sorted by time.

    Attributes
    ----------
    at : datetime
        Exchange time.
    digest : str
        First digits of the sha256 of the whole file.
    encrypted, proved : bool
    """

    at: datetime
    digest: str
    encrypted: bool
    proved: bool

    def __str__(self) -> str:
        endings = ENCRYPTED * self.encrypted + UNPROVED * (not self.proved)
        return f"kasauti-{self.at.strftime(_WHEN)}-{self.digest}.tar.zst{endings}"

    @classmethod
    def parse(cls, name: str) -> "BackupName | None":
        """Return what `name` tells, None if it is no backup's."""
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        try:
            at = datetime.strptime(found[1], _WHEN).replace(tzinfo=INDIA)
        except ValueError:
            return None
        return cls(at, found[2], found[3] is not None, found[4] is None)

    def fits(self, digest: str) -> bool:
        """Whether a file with this sha256 is the one that the name was given to."""
        return digest.startswith(self.digest)
