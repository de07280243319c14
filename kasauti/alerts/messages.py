"""What an alert says on a channel: plain text, HTML, Slack's Block Kit; pure, nothing is sent."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from kasauti.alerts.model import MOST_FIGURES, Alert, Severity

LONGEST_TEXT = 3000  # characters in one Slack block; longer is refused whole: invalid_blocks
LONGEST_HEADER = 150
LONGEST_FIELD = 2000
LONGEST_LINK = 3000

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_CUT = " …"
_MARK = {
    Severity.INFO: "🔵",
    Severity.WARNING: "🟠",
    Severity.ERROR: "🔴",
    Severity.CRITICAL: "🚨",
}

Block = dict[str, Any]


@dataclass(frozen=True)
class Context:
    """What a message says beside its alert.

    Attributes
    ----------
    thread : str
        The incident's first message on Slack.
    more : int
        How often the incident came up without a message since `since`.
    since : datetime or None
    doubtful : bool
        Whether it may have arrived before.
    instead : str
        Channels that did not take it.
    reports : Path or None
        Folder of the files that may be attached.
    """

    thread: str = ""
    more: int = 0
    since: datetime | None = None
    doubtful: bool = False
    instead: str = ""
    reports: Path | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """The sentences about the message itself."""
        return tuple(self._notes())

    def attachment(self, alert: Alert) -> Path | None:
        """Return the file that goes along; none that lies outside the folder of reports."""
        if self.reports is None or not alert.attachment:
            return None
        path = (self.reports / alert.attachment).resolve()
        inside = path.is_relative_to(self.reports.resolve())
        return path if inside and path.is_file() else None

    def _notes(self) -> Iterator[str]:
        if self.more and self.since is not None:
            times = "once" if self.more == 1 else f"{self.more} times"
            yield f"It came up {times} more since {self.since:%d %b %H:%M}."
        if self.instead:
            yield f"Sent here as well, since {self.instead} did not take it."
        if self.doubtful:
            yield "You may have this message already: sending it was interrupted."


NOTHING_ELSE = Context()


def headline(alert: Alert) -> str:
    """Return the title with the severity's mark."""
    mark = "✅" if alert.closes else _MARK[alert.severity]
    return f"{mark} {alert.title}"


def footer(alert: Alert) -> str:
    """Return what stands at the end of every message: the incident, and when it happened."""
    when = "" if alert.at is None else f" · {alert.at:%d %b %Y %H:%M:%S}"
    return f"Kasauti · incident {alert.incident}{when}"


def how_to_acknowledge(alert: Alert) -> str:
    """Return the sentence that says how an incident is made silent; empty where it need not be."""
    if alert.closes or alert.severity is Severity.INFO:
        return ""
    return f"Silence it for a day: kasauti alerts ack {alert.incident} --who NAME"


def brief(alert: Alert) -> str:
    """Return what a phone's notification shows."""
    return " ".join(part for part in (f"{headline(alert)}.", alert.happened, alert.remedy) if part)


def plain(alert: Alert, context: Context = NOTHING_ELSE, *, title: bool = True) -> str:
    """Return the message as plain text."""
    parts = [headline(alert)] if title else []
    parts += [alert.happened, alert.detail, *context.notes]
    if alert.figures:
        parts.append("\n".join(f"{name}: {value}" for name, value in alert.figures))
    if alert.remedy:
        parts.append(f"What to do: {alert.remedy}")
    parts += [alert.link, how_to_acknowledge(alert), footer(alert)]
    return "\n\n".join(part for part in parts if part.strip())


def html(alert: Alert, context: Context = NOTHING_ELSE) -> str:
    """Return the message as HTML that needs no style sheet."""
    parts = [f"<h2>{escape(headline(alert))}</h2>", _paragraph(alert.happened)]
    if alert.detail:
        parts.append(f"<pre>{escape(alert.detail)}</pre>")
    parts += [_paragraph(note) for note in context.notes]
    if alert.figures:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>"
            for name, value in alert.figures
        )
        parts.append(f'<table border="1" cellpadding="4" cellspacing="0">{rows}</table>')
    if alert.remedy:
        parts.append(f"<p><b>What to do:</b> {escape(alert.remedy)}</p>")
    if alert.link:
        parts.append(f'<p><a href="{escape(alert.link)}">{escape(alert.link)}</a></p>')
    parts += [_paragraph(how_to_acknowledge(alert)), f"<hr><small>{escape(footer(alert))}</small>"]
    return "\n".join(part for part in parts if part)


def blocks(alert: Alert, context: Context = NOTHING_ELSE) -> list[Block]:
    """Return the message as Slack's Block Kit."""
    found: list[Block] = [
        {"type": "header", "text": _plain(headline(alert))},
        _section(f"*What happened*\n{escaped(alert.happened)}"),
    ]
    if alert.detail:
        found.append(_section(f"*Details*\n{escaped(alert.detail)}"))
    if context.notes:
        found.append(_section(escaped(" ".join(context.notes))))
    if alert.figures:
        fields = [_field(name, value) for name, value in alert.figures[:MOST_FIGURES]]
        found.append({"type": "section", "fields": fields})
    if alert.remedy:
        found.append(_section(f"*What to do*\n{escaped(alert.remedy)}"))
    if alert.link and len(alert.link) <= LONGEST_LINK:
        button = {"type": "button", "text": _plain("Open"), "url": alert.link}
        found.append({"type": "actions", "elements": [button]})
    ends = [footer(alert), how_to_acknowledge(alert)]
    elements = [_markdown(escaped(end)) for end in ends if end]
    found.append({"type": "context", "elements": elements})
    return found


def escaped(text: str) -> str:
    """Return `text` with Slack's three control characters escaped: no mention, no hidden link."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def trimmed(text: str, longest: int) -> str:
    """Return already escaped `text` in at most `longest` characters, no entity cut in two."""
    if len(text) <= longest:
        return text
    kept = text[: longest - len(_CUT)]
    ampersand = kept.rfind("&")
    if ampersand >= 0 and ";" not in kept[ampersand:]:
        kept = kept[:ampersand]
    return kept + _CUT


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>" if text else ""


def _section(text: str) -> Block:
    return {"type": "section", "text": _markdown(text)}


def _field(name: str, value: object) -> Block:
    return _markdown(f"*{escaped(name)}*\n{escaped(str(value))}", LONGEST_FIELD)


def _markdown(text: str, longest: int = LONGEST_TEXT) -> Block:
    return {"type": "mrkdwn", "text": trimmed(text, longest), "verbatim": True}


def _plain(text: str) -> Block:
    cut = text if len(text) <= LONGEST_HEADER else text[: LONGEST_HEADER - len(_CUT)] + _CUT
    return {"type": "plain_text", "text": cut, "emoji": True}
