"""Which texts a database can keep and give back; neither NUL nor half a surrogate pair is one."""

import json
from typing import Any

from kasauti.errors import LedgerError


def storable(text: str) -> str:
    """Return `text` with what cannot be stored written out, for what a person only reads."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def is_storable(text: str) -> bool:
    """Whether a database gives `text` back as it was."""
    return storable(text) == text


def require_storable(kind: str, unique: str | None, payload: str) -> None:
    """Refuse an event that could not be read again.

    Parameters
    ----------
    kind : str
    unique : str or None
    payload : str
        Canonical JSON, whose escapes hide what its texts hold.

    Raises
    ------
    LedgerError
        If one of its texts is not storable.
    """
    texts = [unique or ""]
    if "\\u" in payload:
        texts += _texts(json.loads(payload))
    for text in texts:
        if not is_storable(text):
            raise LedgerError(
                f"{kind} refused: {text!r} holds a NUL or half a surrogate pair, "
                "which no database keeps; write it without"
            )


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for each in pair for text in _texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return []
