"""The kill latch: the existence of a file, and a record in the ledger; unreadable means on."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.errors import UsageError
from kasauti.execution import failpoints
from kasauti.execution.events import LatchChanged
from kasauti.execution.place import Place
from kasauti.execution.text import storable

if TYPE_CHECKING:
    from kasauti.execution.ledger import Ledger


FLATTENED = ", open positions are closed"


class Latch:
    """The kill switch of one ledger. Anyone may set it; only a person lifts it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def beside(cls, ledger: Path | Place) -> "Latch":
        """Return the latch of the ledger at `ledger`."""
        ledger = ledger.path if isinstance(ledger, Place) else ledger
        return cls(ledger.with_name(ledger.name + ".kill"))

    def is_set(self) -> bool:
        """Whether trading is stopped: the file exists, or nobody can tell whether it does."""
        try:
            self.path.lstat()
            next(self.path.parent.iterdir(), None)  # a folder that cannot be read hides the file
        except FileNotFoundError:
            return not self.path.parent.is_dir()
        except OSError:
            return True
        return True

    def set(
        self, ledger: "Ledger", *, by: str, reason: str, at: datetime, flatten: bool = False
    ) -> None:
        """Stop: the file first, since that is what every gate reads, then the record.

        `flatten` also closes what is held: each stop is cancelled only as its exit goes out.
        """
        try:
            self.path.touch()
        finally:
            self._record(ledger, by, reason, at, flatten)

    def _record(self, ledger: "Ledger", by: str, reason: str, at: datetime, flatten: bool) -> None:
        """Write it down, even where the file could not be made: either of them stops."""
        by, reason = storable(by), storable(reason)  # no text may keep a stop out of the record
        failpoints.reach("latch.file_set")
        said = f"Kill switch set by {by}{FLATTENED if flatten else ''}: {reason}"
        alert = alert_of(Trigger.KILL_SWITCH, "trading", said, key=f"{at}{flatten}")
        event = LatchChanged(latched=True, by=by, reason=reason, flatten=flatten)
        ledger.append(event, at=at, alert=alert)

    def lift(self, ledger: "Ledger", *, by: str, reason: str, at: datetime) -> None:
        """Allow trading again: the record first, so that a crash between leaves it stopped.

        Raises
        ------
        UsageError
            Without a person's name and a reason.
        """
        if not by.strip() or not reason.strip():
            raise UsageError("lifting the kill switch needs a person's name and a reason")
        said = f"Kill switch lifted by {by}: {reason}"
        alert = alert_of(Trigger.TRADING_ALLOWED, "kill switch", said, key=str(at))
        ledger.append(LatchChanged(latched=False, by=by, reason=reason), at=at, alert=alert)
        failpoints.reach("latch.record_lifted")
        self.path.unlink(missing_ok=True)
