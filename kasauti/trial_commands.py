"""The commands of the paper trial: how far it is, and the two confirmations before live trading.

Whether an account may be armed is decided in `execution.arming`.
"""

import sys
from contextlib import closing
from datetime import datetime
from typing import Any

import click

from kasauti.errors import UsageError
from kasauti.home import Home
from kasauti.options import count_option, emit, json_option

UNFINISHED = 1


def _now() -> datetime:
    from zoneinfo import ZoneInfo

    from kasauti.execution.clock import SystemClock

    return SystemClock(ZoneInfo("Asia/Kolkata")).now()


@click.command()
@json_option
def trial(as_json: bool) -> int:
    """Show how far the paper trial is.

    Lists every paper session with what speaks against it, and how it differs from the engine on the
    same bars. Live trading needs 30 sessions that passed. Exit code 1 until then.
    """
    from kasauti import show_trial
    from kasauti.execution.trial_report import report_of
    from kasauti.operations.progress import brief

    with brief("read the paper ledger"):
        found = report_of(Home.from_environment(), _now())
    emit(found.to_json(), as_json, lambda: show_trial.show_trial(found))
    return 0 if found.trial is not None and found.trial.is_passed else UNFINISHED


@click.command()
@click.option("--who", metavar="NAME", help="The person who takes the responsibility.")
@click.option("--reason", metavar="TEXT", help="Why, for the record.")
@click.option(
    "--account", envvar="KASAUTI_ACCOUNT", metavar="CODE", help="Client code at the broker."
)
@count_option("--days", "The arming ends by itself after that many days, 30 at most.", default=30)
@click.option("--confirm", is_flag=True, help="The second confirmation: asks for the phrase.")
@click.option("--off", is_flag=True, help="Take the arming back.")
@json_option
def arm(
    who: str | None,
    reason: str | None,
    account: str | None,
    days: int,
    confirm: bool,
    off: bool,
    as_json: bool,
) -> None:
    """Allow live trading, in two steps by a person.

    First --who, --reason and --account: a phrase is shown that says what may be lost. Then, at
    least two minutes later, --confirm asks for that phrase, which is typed at a terminal: no
    script can do it. It takes a passed paper trial, ends by itself, and counts only where
    KASAUTI_LIVE names the same account.
    """
    from secrets import token_bytes

    from kasauti import show_trial
    from kasauti.execution import arming
    from kasauti.execution.ledger import Ledger
    from kasauti.execution.place import paper_place

    home, now = Home.from_environment(), _now()
    place = paper_place(home)
    if not off:
        _require_person()
    if not place.exists():
        raise UsageError("there is no paper ledger, so no session has passed: see `kasauti desk`")
    with closing(Ledger.existing(place)) as ledger:
        if off:
            changed = arming.disarm(ledger, by=who or "", reason=reason or "", now=now)
            result: dict[str, Any] = {"armed": False, "changed": changed}
            emit(result, as_json, lambda: show_trial.show_disarmed(changed))
        elif confirm:
            phrase = _typed() if ledger.book().asked is not None else ""
            armed = arming.confirm(ledger, phrase=phrase, now=_now())
            until = armed.until.isoformat()
            result = {"armed": True, "account": armed.account, "until": until}
            emit(result, as_json, lambda: show_trial.show_armed(armed))
        else:
            asked = arming.ask(
                ledger,
                account=account or "",
                by=who or "",
                reason=reason or "",
                now=now,
                token=token_bytes(arming.TOKEN_BYTES),
                days=days,
            )
            event = asked.event
            result = {
                "armed": False,
                "from": event.valid_from.isoformat(),
                "until": event.valid_until.isoformat(),
            }
            emit(result, as_json, lambda: None)
            show_trial.show_asked(asked)  # a person reads it: with --json on standard error


def _require_person() -> None:
    """Refuse what does not come from a keyboard: no script, schedule or agent goes live."""
    if not sys.stdin.isatty():
        raise UsageError("arming is done by a person: type it at a terminal")


def _typed() -> str:
    return str(click.prompt("Type the phrase", prompt_suffix=": ", err=True))


COMMANDS = (trial, arm)
