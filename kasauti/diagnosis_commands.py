"""The commands of diagnosis: where a command's time goes, and what is kept to save it.

What they find stands in `kasauti.diagnosis`.
"""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kasauti.home import Home
from kasauti.options import emit, json_option

if TYPE_CHECKING:
    from kasauti.diagnosis.profile import Recorder

ENDLESS = ("desk", "up")
FUNCTIONS = 15


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    options_metavar="[--html FILE]",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the whole tree of calls as a page, too.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def profile(html: Path | None, command: tuple[str, ...]) -> Any:
    """Run a command and show where its time goes.

    COMMAND is any command of Kasauti that ends, with its options: kasauti profile evolve --seed 3.
    It does all that it does otherwise. Its result goes to standard output, the profile to standard
    error, and its exit code is kept.
    """
    group = click.get_current_context().find_root().command
    _refuse(group, command)
    if html is not None and not html.parent.is_dir():
        raise click.UsageError(f"--html {html}: there is no folder {html.parent}")
    from kasauti.diagnosis.profile import Recorder

    recorder = Recorder()
    try:
        with recorder.record():
            # A command of its own: its options, its standard output and its errors are as ever.
            return group.main(list(command), prog_name="kasauti", standalone_mode=False)
    finally:
        _show(recorder, command)
        if html is not None:
            html.write_text(recorder.html(), encoding="utf-8")
            click.echo(f"The whole tree: {html}", err=True)


def _refuse(group: click.Command, command: tuple[str, ...]) -> None:
    """Refuse what cannot be profiled before anything is run."""
    name = command[0]
    if name == "profile":
        raise click.UsageError("a profile of the profile says nothing: name another command")
    if name in ENDLESS:
        raise click.UsageError(
            f"`{name}` runs until it is stopped: `kasauti bench --only execution` measures the desk"
        )
    if isinstance(group, click.Group) and not name.startswith("-"):
        group.resolve_command(click.get_current_context().find_root(), list(command))


def _show(recorder: "Recorder", command: tuple[str, ...]) -> None:
    from kasauti.diagnosis.profile import limits_of
    from kasauti.show import table, tell

    found = recorder.profile()
    names = sorted(
        {*found.stages, *found.threads},
        key=lambda name: -found.stages.get(name, 0.0) - found.threads.get(name, 0.0),
    )
    columns = ["stage", ">seconds", ">share", *([">in other threads"] if found.threads else [])]
    rows = []
    for name in names:
        # Differences of sums: a hair below nothing is nothing.
        here, there = (max(sums.get(name, 0.0), 0.0) for sums in (found.stages, found.threads))
        share = here / found.seconds if found.seconds else 0.0
        if max(here, there) >= SHOWN:
            row = [name, f"{here:.2f}", f"{share:.0%}", f"{there:.2f}"]
            rows.append(row[: len(columns)])
    title = f"kasauti {command[0]} took {found.seconds:.2f} s"
    table(title, columns, rows, errors=True)
    functions = [
        (one.name, f"{one.own:.2f}", f"{one.total:.2f}")
        for one in found.functions[:FUNCTIONS]
        if one.own >= SHOWN
    ]
    if functions:
        title = "Functions of Kasauti, with the libraries that they call"
        table(title, ("function", ">seconds", ">with all that it calls"), functions, errors=True)
    for note in limits_of(found, command):
        tell(f"· {note}")


SHOWN = 0.005  # seconds; less is shown as nothing


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def caches(context: click.Context, as_json: bool) -> None:
    """Show what is kept to save time: where, how large, how old, and what it costs to lose it.

    `kasauti caches clear` deletes it. What Kasauti must not lose is none of it: ledgers, vault,
    trial register, verdicts, bars and backups are never touched.
    """
    if context.invoked_subcommand is not None:
        return
    from kasauti.diagnosis.caches import caches_of, measure

    found = [measure(cache) for cache in caches_of(Home.from_environment())]
    emit({"caches": [one.to_json() for one in found]}, as_json, lambda: _show_caches(found))


@caches.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "every", is_flag=True, help="Every cache that can be cleared.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def clear(names: tuple[str, ...], every: bool, yes: bool, as_json: bool) -> None:
    """Delete caches, by the names that `kasauti caches` shows.

    What a running command uses at the moment is left and named.
    """
    from kasauti.diagnosis import caches as kept
    from kasauti.show import say, tell

    home = Home.from_environment()
    chosen = kept.choose(kept.caches_of(home), names, every=every)
    measured = [kept.measure(cache) for cache in chosen]
    for one in measured:
        tell(f"{one.cache.name}: {kept.size(one.bytes)} in {one.cache.path}. {one.cache.loss}")
    if not yes and any(one.files for one in measured):
        click.confirm("Delete that?", abort=True, err=True)
    now = datetime.now().astimezone()
    cleared = [kept.clear(cache, home, now) for cache in chosen]

    def show() -> None:
        for one in cleared:
            say(f"{one.name}: {one.files:,} files deleted, {kept.size(one.bytes)} freed")
            for why in one.left:
                say(f"  left: {why}")

    emit({"cleared": [one.to_json() for one in cleared]}, as_json, show)


def _show_caches(found: "list[Any]") -> None:
    from kasauti.diagnosis.caches import size
    from kasauti.show import say, table

    rows = [
        (
            one.cache.name,
            size(one.bytes),
            f"{one.files:,}",
            "" if one.newest is None else f"{one.newest:%Y-%m-%d %H:%M}",
            one.cache.loss,
        )
        for one in found
    ]
    table("Caches", ("name", ">size", ">files", "last change", "if it is lost"), rows)
    for one in found:
        say(f"{one.cache.name}: {one.cache.path}")
    say("A search keeps values of expressions in memory too (--memory); they end with it.")


COMMANDS = (profile, caches)
