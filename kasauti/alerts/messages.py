"""What an alert says, as Slack Block Kit; pure builders, nothing is sent from here."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

LONGEST_TEXT = 3000  # characters in one Slack block; longer is refused whole: invalid_blocks
LONGEST_HEADER = 150
LONGEST_FIELD = 2000
MOST_FIELDS = 10  # in one section
LONGEST_LINK = 3000

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_CUT = " …"

Block = dict[str, Any]


class Severity(StrEnum):
    """How much it matters."""

    WARNING = "warning"
    ERROR = "error"


_MARK = {Severity.WARNING: "🟠", Severity.ERROR: "🔴"}


@dataclass(frozen=True)
class Message:
    """One alert, ready to be sent.

    Attributes
    ----------
    text : str
        What a phone's notification shows, and screen readers read.
    blocks : tuple of dict
        The message itself, as Block Kit.
    fingerprint : str
        Equal for the same incident, whichever run reports it; see `kasauti.alerts.memory`.
    """

    text: str
    blocks: tuple[Block, ...]
    severity: Severity
    fingerprint: str


def failed_check(
    asset: str,
    check: str,
    severity: Severity,
    figures: Mapping[str, object],
    run_id: str,
    run_url: str | None = None,
    description: str = "",
) -> Message:
    """Say that a check on an asset did not pass.

    Parameters
    ----------
    asset : str
        The asset's key as the trader sees it, ``market/bars``.
    severity : Severity
        ``ERROR`` holds back everything after the asset, ``WARNING`` does not.
    figures : mapping
        The numbers that the check reported; the first ten are shown.
    run_url : str, optional
        Page of the run in Dagster; without it the run is only named.
    """
    if severity is Severity.ERROR:
        effect = "Nothing that depends on this data was computed from it, and nothing is traded."
        remedy = (
            "Open the run, read the figures, mend the data or its source, then materialise "
            f"{asset} again."
        )
    else:
        effect = "Work goes on."
        remedy = "Look at it when you have time; it becomes an error when it matters."
    happened = f"The check {check} on {asset} did not pass. {effect}"
    return _message(
        title=f"Check failed: {check} on {asset}",
        happened=happened,
        remedy=remedy,
        detail=description,
        figures=figures,
        run_id=run_id,
        run_url=run_url,
        severity=severity,
        incident=("check", asset, check, severity.value),
    )


def failed_run(
    job: str,
    error: str,
    run_id: str,
    run_url: str | None = None,
    step: str | None = None,
    trades: bool = False,
) -> Message:
    """Say that a run ended without finishing.

    Parameters
    ----------
    error : str
        The error's text; its end is cut where it is too long for a block.
    step : str, optional
        Where it stopped.
    trades : bool
        Whether the job sends orders: such a job is never retried, and the ledger is looked at
        before anything else.
    """
    where = f" at {step}" if step else ""
    if trades:
        remedy = (
            "Do not start it again by hand before `kasauti status` shows what became of its "
            "orders: an order may have been accepted before the failure."
        )
    else:
        remedy = "Open the run, read the first error, mend it, then start the run again."
    return _message(
        title=f"Run failed: {job}",
        happened=f"The run of {job} stopped{where} and did not finish.",
        remedy=remedy,
        detail=error,
        figures={},
        run_id=run_id,
        run_url=run_url,
        severity=Severity.ERROR,
        incident=("run", job, step or "", _first_line(error)),
    )


def _message(
    *,
    title: str,
    happened: str,
    remedy: str,
    detail: str,
    figures: Mapping[str, object],
    run_id: str,
    run_url: str | None,
    severity: Severity,
    incident: Sequence[str],
) -> Message:
    mark = _MARK[severity]
    blocks: list[Block] = [
        {"type": "header", "text": _plain(f"{mark} {title}")},
        _section(f"*What happened*\n{escaped(happened)}"),
    ]
    if detail.strip():
        blocks.append(_section("*Details*\n" + escaped(detail.strip())))
    if figures:
        shown = list(figures.items())[:MOST_FIELDS]
        blocks.append({"type": "section", "fields": [_field(name, it) for name, it in shown]})
    blocks.append(_section(f"*What to do*\n{escaped(remedy)}"))
    if run_url is not None and len(run_url) <= LONGEST_LINK:
        button = {"type": "button", "text": _plain("Open the run"), "url": run_url}
        blocks.append({"type": "actions", "elements": [button]})
    blocks.append({"type": "context", "elements": [_markdown(f"Kasauti · run {escaped(run_id)}")]})
    return Message(
        text=trimmed(escaped(f"{mark} {title}. {happened} {remedy}"), LONGEST_TEXT),
        blocks=tuple(blocks),
        severity=severity,
        fingerprint=hashlib.sha256("\x1f".join(incident).encode()).hexdigest()[:16],
    )


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


def _section(text: str) -> Block:
    return {"type": "section", "text": _markdown(text)}


def _field(name: str, value: object) -> Block:
    return _markdown(f"*{escaped(name)}*\n{escaped(str(value))}", LONGEST_FIELD)


def _markdown(text: str, longest: int = LONGEST_TEXT) -> Block:
    return {"type": "mrkdwn", "text": trimmed(text, longest), "verbatim": True}


def _plain(text: str) -> Block:
    cut = text if len(text) <= LONGEST_HEADER else text[: LONGEST_HEADER - len(_CUT)] + _CUT
    return {"type": "plain_text", "text": cut, "emoji": True}


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
