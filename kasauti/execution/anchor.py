"""Keeps number and hash of a ledger's last event in a file beside it, so that a cut tail shows.

Whoever can write to the database could cut the chain and nothing in it would tell. The file is
written at each session's end; copied to another machine it proves even more.
"""

import json
import os
from pathlib import Path

from kasauti.errors import LedgerError
from kasauti.execution.chain import Anchor


def path_of(ledger: Path) -> Path:
    """Return the anchor of the ledger at `ledger`."""
    return ledger.with_name(ledger.name + ".anchor")


def read(ledger: Path) -> Anchor | None:
    """Return the anchor that was kept, None if none was.

    Raises
    ------
    LedgerError
        If the file is no anchor.
    """
    path = path_of(ledger)
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        return int(plain["seq"]), str(plain["hash"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LedgerError(
            f"{path} is no anchor: restore it from a backup, or delete it if you trust the ledger"
        ) from error


def keep(ledger: Path, anchor: Anchor) -> None:
    """Replace the anchor by one of a later event, in one step that survives a power cut.

    Raises
    ------
    LedgerError
        If it cannot be written.
    """
    path = path_of(ledger)
    made = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with made.open("w", encoding="utf-8") as file:
            json.dump({"seq": anchor[0], "hash": anchor[1]}, file)
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)
    except OSError as error:
        made.unlink(missing_ok=True)
        raise LedgerError(
            f"{path} cannot be written: {error.strerror}; the events stand, check the disk"
        ) from error
