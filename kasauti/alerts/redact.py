"""Keeps the environment's secrets out of every text that is stored, sent or logged."""

import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from kasauti.alerts.model import Alert

SHORTEST = 6  # characters; a shorter value is a word like "api", not a secret
HIDDEN = "***"

_OURS = re.compile(r"(KASAUTI|SLACK|DAGSTER|PG)")
_SECRET = re.compile(r"TOKEN|PASSWORD|PASSWD|SECRET|KEY|URL|MAIL|SMTP_USER|WHATSAPP")
_SHOWN = ("KASAUTI_PAGE",)  # links lead there


def secrets_of(environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return what must not be shown, longest first: values of settings, and what stands in URLs."""
    given = os.environ if environ is None else environ
    found = {
        part
        for name, value in given.items()
        if _OURS.match(name) and name not in _SHOWN and (_SECRET.search(name) or "://" in value)
        for part in _parts(value.strip())
        if len(part) >= SHORTEST
    }
    return tuple(sorted(found, key=lambda part: (-len(part), part)))


def redacted(text: str, secrets: tuple[str, ...]) -> str:
    """Return `text` with each secret replaced by three stars."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


def redacted_alert(alert: Alert, secrets: tuple[str, ...]) -> Alert:
    """Return the alert with no secret in any of its texts."""
    texts = {
        name: redacted(getattr(alert, name), secrets)
        for name in ("subject", "title", "happened", "remedy", "detail", "link")
    }
    figures = tuple((name, redacted(value, secrets)) for name, value in alert.figures)
    return alert.with_texts(texts).with_figures(figures)


def _parts(value: str) -> Iterator[str]:
    yield value
    if "://" not in value:
        yield from (part.strip() for part in value.split(",") if part.strip() != value)
        return
    try:
        parts = urlsplit(value)
    except ValueError:
        return
    path = parts.path.strip("/")
    known = (path, path.rpartition("/")[2], parts.query, parts.username, parts.password)
    for part in filter(None, known):
        yield part
        yield unquote(part)
