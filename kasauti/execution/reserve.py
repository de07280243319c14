"""Room that the ledger's disk keeps for what must be written when the disk is full; it writes none.

A file beside the ledger, given up when nothing else can grow: stops and exits go on in its room,
while K34 denies entries until it is whole again (reference, risk-controls: an exit falls back).
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path

SIZE = 64 * 2**20  # SQLite's log alone grows to 32 MB before it is written back
SCARCE = 8 * 2**20  # free bytes below which it is given up; a day's closing orders take 6 MB


class Reserve:
    """The room beside one ledger.

    Parameters
    ----------
    path : Path
        Of the file.
    size : int
        In bytes.
    """

    def __init__(self, path: Path, size: int = SIZE) -> None:
        self.path = path
        self._size = size

    @classmethod
    def beside(cls, ledger: Path) -> "Reserve":
        """Return the reserve of the ledger at `ledger`."""
        return cls(ledger.with_name(f"{ledger.name}.reserve"))

    def is_whole(self) -> bool:
        """Whether the room is kept; what cannot be looked at is not."""
        try:
            return self.path.stat().st_size >= self._size
        except OSError:
            return False

    def mind(self) -> bool:
        """Give it up where the disk is nearly full, lay it where there is room.

        Returns
        -------
        bool
            Whether it is whole now.
        """
        whole = self.is_whole()
        try:
            free = shutil.disk_usage(self.path.parent).free
            if whole and free < SCARCE:
                return not self.give_up()
            # Twice the margin: what was given up is not laid again while nobody has made room.
            if not whole and free >= self._size + 2 * SCARCE:
                self._lay()
        except OSError:  # then it is not whole, which K34 says with every entry
            return False
        return self.is_whole()

    def give_up(self) -> bool:
        """Make room; return whether there was any."""
        try:
            self.path.unlink()
        except OSError:
            return False
        return True

    def _lay(self) -> None:
        made = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            with made.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size)
            made.replace(self.path)
        finally:
            with suppress(OSError):
                made.unlink(missing_ok=True)
