"""The commands `kasauti alerts …`: what is open, who looks after it, does a channel work; run."""

import os
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from kasauti.home import Home
from kasauti.options import emit, json_option

if TYPE_CHECKING:
    from kasauti.execution.clock import SystemClock

NOT_SENT = 1


def _clock() -> "SystemClock":
    from kasauti.execution.clock import SystemClock
    from kasauti.market.calendar import INDIA

    return SystemClock(INDIA)


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def alerts(context: click.Context, as_json: bool) -> None:
    """Show open incidents, what waits, and which channels work.

    An incident stays open until it is over or somebody looks after it (`kasauti alerts ack`).
    """
    if context.invoked_subcommand is not None:
        return
    from kasauti.alerts.listing import listing_of, show

    found = listing_of(Home.from_environment(), os.environ, _clock().now())
    emit(found.to_json(), as_json, lambda: show(found))


@alerts.command()
@click.argument("incident")
@click.option("--who", required=True, metavar="NAME", help="The person who looks after it.")
@json_option
def ack(incident: str, who: str, as_json: bool) -> None:
    """Say that you look after INCIDENT: it stays silent for a day.

    It is told again at once if it gets worse, and after a day if it is still there.
    """
    from kasauti.alerts.book import AlertBook
    from kasauti.show import say

    now = _clock().now()
    with closing(AlertBook(Home.from_environment().alerts)) as book:
        found = book.acknowledge(incident, by=who, now=now)
    result = {"incident": found.id, "by": who, "at": now.isoformat(), "title": found.title}
    emit(result, as_json, lambda: say(f"{found.title}: {who} looks after it, silent for a day"))


@alerts.command()
@click.option(
    "--channel",
    type=click.Choice(["slack", "email", "whatsapp", "desktop"]),
    help="Only this one; by default every channel that is set up.",
)
@json_option
def test(channel: str | None, as_json: bool) -> int:
    """Send a test message now, past quiet hours and all other rules.

    Exit code 1 if a channel did not take it, or none is set up.
    """
    from kasauti.alerts.listing import show_tested, try_channels

    found = try_channels(os.environ, channel, _clock().now())
    rows: list[dict[str, Any]] = [vars(one) for one in found]
    emit({"channels": rows}, as_json, lambda: show_tested(found))
    return 0 if found and all(one.sent for one in found) else NOT_SENT


@alerts.command()
@click.option("--once", is_flag=True, help="Send what is due now, then end.")
@json_option
def run(once: bool, as_json: bool) -> None:
    """Run the alerts service until it is stopped; `kasauti up` does so.

    It takes alerts from the ledger, looks for what no event tells, sends, and beats: a file, and
    the URL in KASAUTI_HEARTBEAT_URL. A second one refuses to start.
    """
    import logging
    import signal
    from random import Random
    from threading import Event

    from kasauti.alerts.book import AlertBook
    from kasauti.alerts.listing import listing_of, show
    from kasauti.alerts.service import only_one
    from kasauti.alerts.set_up import service_of

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    home, stopped = Home.from_environment(), Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with only_one(home.alerts), closing(AlertBook(home.alerts)) as book:
        service = service_of(home, book, os.environ, clock=_clock(), rng=Random())
        if not once:
            service.run(stopped.is_set)
        else:
            try:
                service.drain()
            finally:
                service.close()
    found = listing_of(home, os.environ, _clock().now())
    if once:
        emit(found.to_json(), as_json, lambda: show(found))


COMMANDS = (alerts,)
