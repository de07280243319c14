"""The operator's commands: what is the state, what is allowed, what is wanted, stop and go on.

Stopping imports no more than the ledger needs: it must be quick, and work when little else does.
"""

from datetime import datetime
from pathlib import Path

import click

from kasauti.home import Home
from kasauti.options import bars_options, count_option, emit, json_option

RED = 1
NOT_DONE = 1
DIFFERENT = 1
CHANGES = 20


def _now() -> datetime:
    from zoneinfo import ZoneInfo

    from kasauti.execution.clock import SystemClock

    return SystemClock(ZoneInfo("Asia/Kolkata")).now()


@click.command()
@click.option(
    "--history",
    is_flag=False,
    flag_value=CHANGES,
    type=click.IntRange(min=1),
    metavar="[N]",
    help=f"Show when checks changed colour instead: the last N times, {CHANGES} if N is left out.",
)
@json_option
def status(history: int | None, as_json: bool) -> int:
    """Say what is whole and what is red.

    Checks the ledgers, the kill switch, every control, the vault of sealed bars, the trial
    register, the processes, the age of bars and of what is made from them, disk, clock and the last
    proved backup. What cannot be evaluated is red; what was not started is not. Exit code 1 if
    anything is red, else 0. docs/health.md says of each check what it means and what to do.
    """
    from kasauti import show
    from kasauti.health.look import status_of
    from kasauti.operations.progress import brief

    home, now = Home.from_environment(), _now()
    if history is not None:
        return _show_history(home, now, history, as_json)
    with brief("look at everything"):
        found = status_of(home, now)
    emit(found.to_json(), as_json, lambda: show.show_status(found))
    return RED if found.red else 0


def _show_history(home: Home, now: datetime, most: int, as_json: bool) -> int:
    from kasauti import show
    from kasauti.health.history import changes

    found = changes(home.health, now, most)
    rows = {"changes": [change.to_json() for change in found]}
    emit(rows, as_json, lambda: show.show_changes(found))
    return 0


@click.command()
@json_option
def limits(as_json: bool) -> None:
    """Show every limit, used and allowed, and what charges take from the profile.

    They are those that were sealed when the session opened; before the first session, those of the
    capital profile that KASAUTI_PROFILE names, or of the default one.
    """
    import os

    from kasauti import show
    from kasauti.execution.custom_limits import profile_name, unused_settings
    from kasauti.health.accounts import accounts_of
    from kasauti.operations.progress import brief

    home = Home.from_environment()
    with brief("read the ledgers"):
        accounts = accounts_of(home, _now())
    shown = ("ledger", "clock", "profile", "sealed", "hash", "sealed_at", "limits", "charges")
    rows = [{name: one.to_json()[name] for name in shown} for one in accounts]
    unused = unused_settings(profile_name(os.environ), home.limits, os.environ)
    emit({"ledgers": rows, "unused": unused}, as_json, lambda: show.show_limits(accounts))
    _warn(unused)


@click.command()
@bars_options
@json_option
def signals(bars: tuple[str, ...], index: str | None, market: str, as_json: bool) -> None:
    """Show today's signals of the permitted strategies.

    On the sample, today is where the replay clock stands. New sessions of your own bars are taken
    in first, as `kasauti ingest` does. Nothing is ordered.
    """
    from kasauti import commands, show
    from kasauti.operations.progress import brief

    space = commands.workspace(bars, market, index)
    with brief("decide signals"):
        today = commands.signals(space)
    emit(today.to_json(), as_json, lambda: show.show_signals(today))


@click.command()
@bars_options
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a copy of the report there.",
)
@json_option
def report(
    bars: tuple[str, ...], index: str | None, market: str, out: Path | None, as_json: bool
) -> None:
    """Write the report as one HTML file.

    What was tried, what survived, why the rest died, and what was traded in the replay.
    """
    from kasauti import commands, show
    from kasauti.operations.progress import brief

    space = commands.workspace(bars, market, index)
    with brief("write the report"):
        made = commands.report(space, out)
    result = {"file": str(made.path), "headline": made.headline}
    emit(result, as_json, lambda: show.say(f"{made.headline}\n{made.path}"))


def _warn(text: str) -> None:
    if text:
        click.echo(f"kasauti: {text}", err=True)


@click.command()
@click.option("--reason", default="none given", help="Why, for the record.")
@click.option(
    "--who", envvar="USER", default="operator", show_default=True, help="Who stops, for the record."
)
@click.option("--flatten", is_flag=True, help="Close what is held, too, at limit prices.")
@json_option
def kill(reason: str, who: str, flatten: bool, as_json: bool) -> int:
    """Stop trading now; only `kasauti resume` starts it again.

    New entries are denied at once and working ones are cancelled at the desk's next step;
    protective stops stay; with --flatten each is cancelled only as its exit goes out. The stop
    survives restarts. Exit code 1 if trading is stopped but a
    ledger could not take the record, if no desk runs to take back what works at the broker, or if
    the stop itself failed: the line says which.
    """
    from kasauti import show
    from kasauti.execution import stop

    home = Home.from_environment()
    switched = stop.kill(home, by=who, reason=reason, now=_now(), flatten=flatten)
    stopped = all(one.stopped for one in switched)
    result = {"stopped": stopped, "by": who, "reason": reason, "flatten": flatten}
    ledgers = {"ledgers": [one.to_json() for one in switched]}
    emit({**result, **ledgers}, as_json, lambda: show.show_switched(switched))
    for one in switched:
        if one.problem is not None:
            click.echo(f"kasauti: {one.ledger}: {one.problem}", err=True)
    return 0 if stopped and not any(one.problem or one.left for one in switched) else NOT_DONE


@click.command()
@click.option("--reason", required=True, help="Why it is safe again, for the record.")
@click.option("--who", required=True, metavar="NAME", help="The person who says so.")
@json_option
def resume(reason: str, who: str, as_json: bool) -> None:
    """Allow trading again after `kasauti kill`, a breaker or a latched strategy.

    Only a person does that: the name and the reason are written into the ledger. A breaker whose
    cause is still there opens again at the desk's next look.
    """
    from kasauti import show
    from kasauti.execution import stop

    switched = stop.resume(Home.from_environment(), by=who, reason=reason, now=_now())
    result = {"stopped": any(one.stopped for one in switched), "by": who, "reason": reason}
    ledgers = {"ledgers": [one.to_json() for one in switched]}
    emit({**result, **ledgers}, as_json, lambda: show.show_switched(switched))


@click.command()
@click.option("--reason", required=True, help="What you saw, for the record.")
@click.option("--who", required=True, metavar="NAME", help="The person who looked.")
@json_option
def review(reason: str, who: str, as_json: bool) -> None:
    """Record that a person has looked at the trades.

    How often that is due is part of the capital profile; overdue, no new entry is taken. A losing
    streak is answered by a review in a later session than its last loss.
    """
    from kasauti import show
    from kasauti.execution import stop

    looked = stop.review(Home.from_environment(), by=who, reason=reason, now=_now())
    result = {"by": who, "reason": reason, "ledgers": [one.to_json() for one in looked]}
    emit(result, as_json, lambda: show.show_looked(looked))


@click.command()
@click.option(
    "--profile",
    envvar="KASAUTI_PROFILE",
    default="ultra-conservative",
    show_default=True,
    help="Capital profile of the paper account.",
)
@count_option(
    "--reconcile-every",
    "Ledger and broker are compared that often, and after every gap.",
    default=60,
    metavar="SECONDS",
)
def desk(profile: str, reconcile_every: int) -> None:
    """Run the desk: paper trading of your own bars, until it is stopped.

    It alone holds the lease of the paper ledger; a second one refuses to start. It trades on the
    ticks that arrive in the folder `feed` of the state folder or, without any, plays each session
    once its bars were taken in, with the orders that were wanted before it opened. `kasauti up`
    runs it beside Dagster.
    """
    import os
    from datetime import timedelta

    from kasauti.desk_runner import run_desk
    from kasauti.execution.custom_limits import unused_settings
    from kasauti.warm_process import fork_and_keep

    stopped = fork_and_keep()
    home, every = Home.from_environment(), timedelta(seconds=reconcile_every)
    _warn(unused_settings(profile, home.limits, os.environ))
    run_desk(home, profile, stopped=stopped, every=every)


@click.command()
@click.option(
    "--who", envvar="USER", default="operator", show_default=True, help="Who asks, for the record."
)
@json_option
def reconcile(who: str, as_json: bool) -> int:
    """Compare ledger and broker now.

    The running desk is asked; where none runs, this command stands in for it. Exit code 1 if there
    is any difference: entries stay closed until it is resolved.
    """
    from kasauti import show
    from kasauti.desk_runner import reconcile as compare

    found = compare(Home.from_environment(), who, _now())
    emit({"ledgers": [one.to_json() for one in found]}, as_json, lambda: show.show_compared(found))
    return DIFFERENT if any(one.differences for one in found) else 0


COMMANDS = (desk, reconcile, status, limits, signals, report, kill, resume, review)
