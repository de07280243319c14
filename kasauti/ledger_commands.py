"""The commands `kasauti ledger …`: is it as it was written, what does it say; all is only read."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import click

from kasauti.errors import LedgerError
from kasauti.home import Home
from kasauti.options import count_option, emit, json_option

BROKEN = 1


@click.group()
def ledger() -> None:
    """Look into the ledgers: every order that was wanted, and what became of it."""


@ledger.command()
@json_option
def verify(as_json: bool) -> int:
    """Verify every ledger of the state folder.

    Finds any event that was edited, taken out, moved or cut off, and whether the events still make
    the same book. Exit code 1 if anything is wrong.
    """
    from kasauti import show
    from kasauti.execution.audit import audits
    from kasauti.execution.stop import ledgers_of
    from kasauti.operations.progress import brief

    places = ledgers_of(Home.from_environment())
    with brief("verify ledgers") as stage:
        found = audits(((scope.value, place) for scope, place in places.items()), stage.say)
    ok = all(one.ok for one in found)
    result = {"ok": ok, "ledgers": [one.to_json() for one in found]}
    emit(result, as_json, lambda: show.show_audits(found))
    return 0 if ok else BROKEN


@ledger.command("show")
@count_option("--last", "How many events of each ledger.", default=20, metavar="N")
@json_option
def show_command(last: int, as_json: bool) -> None:
    """Show the last events of every ledger."""
    from kasauti import show

    rows = list(_events(Home.from_environment(), last))
    columns = ("ledger", "seq", "time", "event", "says")
    told = [{**row, "says": _brief(row["says"])} for row in rows]
    emit({"events": rows}, as_json, lambda: show.show_rows(columns, told))


def _events(home: Home, last: int) -> Iterator[dict[str, Any]]:
    import json

    from kasauti.execution.chain import SEAL
    from kasauti.execution.ledger import Ledger
    from kasauti.execution.stop import ledgers_of

    for scope, place in ledgers_of(home).items():
        if not place.exists():
            continue
        with closing(Ledger.existing(place)) as opened:
            for row in opened.rows(max(opened.seq() - last, 0)):
                try:
                    says = json.loads(row.payload)
                except ValueError as error:
                    raise LedgerError(
                        f"event {row.seq} of {place} is broken: run `kasauti ledger verify`"
                    ) from error
                says.pop(SEAL, None)  # the chain's own, nothing that happened
                yield {
                    "ledger": scope.value,
                    "seq": row.seq,
                    "time": row.at,
                    "event": row.kind,
                    "says": says,
                }


def _brief(says: dict[str, Any]) -> str:
    """Return what an event says on one line, without the long tables in it."""
    parts = []
    for name, value in says.items():
        if isinstance(value, list):
            value = f"{len(value)} rows"
        elif isinstance(value, dict):
            value = value.get("symbol") or value.get("key") or value.get("profile") or "..."
        if value not in (None, ""):
            parts.append(f"{name}={value}")
    return " ".join(parts)


COMMANDS = (ledger,)
