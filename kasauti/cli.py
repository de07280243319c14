"""The command line `kasauti …`: reads options, calls one function, prints its result.

What a command computes stands in the domain packages. The operator's commands stand in
`desk_commands`; those that need Dagster (demo, up) in `pipelines.commands`, which arrive through
the entry point group ``kasauti.commands``.
"""

import os
import sys
import traceback
from importlib.metadata import entry_points
from pathlib import Path
from types import TracebackType
from typing import Any

import click

from kasauti import (
    alert_commands,
    backup_commands,
    desk_commands,
    diagnosis_commands,
    ledger_commands,
    report_commands,
    trial_commands,
)
from kasauti.bench.command import bench
from kasauti.errors import KasautiError
from kasauti.noise.command import calibrate, noise
from kasauti.options import (
    bars_options,
    count_option,
    emit,
    evaluations_option,
    genome_option,
    index_option,
    json_option,
    market_option,
    seed_option,
    workers_options,
)
from kasauti.prove_command import prove
from kasauti.stress_command import stress

__all__ = ["cli", "emit", "json_option", "main"]

NEGATIVE_ANSWER = 1
BAD_INPUT = 2
INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h: neither a negative answer nor the user's mistake
INTERRUPTED = 130


class Commands(click.Group):
    """The group of commands, with those that other packages bring."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted({*super().list_commands(ctx), *(point.name for point in _brought())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command `cmd_name`, imported only when it is asked for."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        for point in _brought():
            if point.name == cmd_name:
                command: click.Command = point.load()
                return command
        return None


def _brought() -> tuple[Any, ...]:
    return tuple(entry_points(group="kasauti.commands"))


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="kasauti")
def cli() -> None:
    """Breed trading strategies, put each one on trial, and trade only what holds."""


def main() -> None:
    """Run the command line; one clear line and exit code 2 for what the user can mend.

    Anything unexpected is a bug: its traceback is shown, and the exit code is none of the answers.
    """
    sys.excepthook = _end_on_bug
    try:
        code = cli(prog_name="kasauti", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("kasauti: stopped", err=True)
        sys.exit(INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(BAD_INPUT)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "kasauti"
        _complain(f"{error.format_message().rstrip('.')} (see `{path} --help`)")
    except click.ClickException as error:
        _complain(error.format_message())
    except KasautiError as error:
        _complain(str(error))
    except (PermissionError, NotADirectoryError) as error:
        _complain(f"{error.filename}: {error.strerror}: mend that, or set KASAUTI_HOME")
    sys.exit(code if isinstance(code, int) else 0)


def _complain(message: str) -> None:
    """End with one line that says what to mend, whatever the message's own line breaks."""
    click.echo(f"kasauti: {' '.join(message.split())}", err=True)
    sys.exit(BAD_INPUT)


def _end_on_bug(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    traceback.print_exception(kind, error, trace)
    click.echo("kasauti: this is a bug in Kasauti: please report it with the lines above", err=True)
    sys.stderr.flush()
    os._exit(INTERNAL_ERROR)  # a hook cannot choose the exit code otherwise


@cli.command("compile")
def compile_command() -> None:
    """Compile every kernel once, so that no later command waits."""
    from kasauti.kernels import compile_kernels
    from kasauti.operations.figure import find_fonts
    from kasauti.operations.progress import brief

    with brief("compile kernels, minutes the first time"):
        find_fonts()
        taken = compile_kernels()
    for name, seconds in taken.items():
        click.echo(f"{name}: {seconds:.1f} s", err=True)


_COSTS = click.Choice(["market", "none"])


@cli.command()
@bars_options
@genome_option
@click.option(
    "--capital",
    type=click.FloatRange(min=1),
    default=1_000_000.0,
    show_default=True,
    help="Rupees in each symbol's own account.",
)
@click.option(
    "--charges", type=_COSTS, default="market", show_default=True, help="Brokerage, taxes and fees."
)
@click.option(
    "--slippage", type=_COSTS, default="market", show_default=True, help="Spread and price impact."
)
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="Use no bar after this day.",
)
@json_option
def backtest(
    bars: tuple[str, ...],
    index: str | None,
    market: str,
    genome_file: Path,
    capital: float,
    charges: str,
    slippage: str,
    until: Any,
    as_json: bool,
) -> None:
    """Trade one strategy over all the bars given.

    Each symbol has an account of its own. The look is recorded: a strategy whose result on the last
    fifth of the bars was seen this way cannot be approved on the same bars any more, because a test
    that was looked at proves nothing. --until keeps you out of that last fifth.
    """
    from kasauti import commands, show

    result = commands.backtest(
        commands.workspace(bars, market, index),
        genome_file,
        capital=capital,
        with_charges=charges == "market",
        with_slippage=slippage == "market",
        until=None if until is None else until.date(),
    )
    emit(result.to_json(), as_json, lambda: show.show_backtest(result))


@cli.command()
@bars_options
@seed_option("Same seed, same result, whatever the number of workers.", default=7)
@evaluations_option("How many different strategies to try.")
@count_option(
    "--population", "How many of them are kept and bred from at a time.", default=200, least=8
)
@workers_options
@click.option(
    "--save",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write each strategy that was found there, as a file that --genome reads.",
)
@json_option
def evolve(
    bars: tuple[str, ...],
    index: str | None,
    market: str,
    seed: int,
    evaluations: int,
    population: int,
    workers: int,
    dask: str | None,
    memory: int,
    save: Path | None,
    as_json: bool,
) -> None:
    """Search for strategies on the first four fifths of the bars.

    The last fifth is sealed and cannot be read here. Every strategy that is tried is written into
    the trial register. A search that was interrupted goes on where it stood.
    """
    from kasauti import commands, show

    space = commands.workspace(bars, market, index)
    if save is not None:
        commands.make_folder(save)
    found = commands.evolve(space, seed, evaluations, population, workers, dask, memory)
    if save is not None:
        commands.save_genomes(found, save)
    emit(found.to_json(), as_json, lambda: show.show_front(found))


@cli.command()
@bars_options
@genome_option
@click.option(
    "--who", envvar="USER", default="operator", show_default=True, help="Who asks, for the record."
)
@click.option(
    "--report",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the strategy's tear sheet, one HTML page.",
)
@json_option
def judge(
    bars: tuple[str, ...],
    index: str | None,
    market: str,
    genome_file: Path,
    who: str,
    report: Path | None,
    as_json: bool,
) -> int:
    """Put one strategy on trial.

    Every gate is run and reported. The sealed last fifth of the bars is opened only if all the
    other gates passed, once, and on record. Exit code 0: approved; 1: not approved; 2: no verdict
    is possible, for instance on fewer than 1,000 bars.
    """
    from kasauti import commands, show

    verdict = commands.judge(commands.workspace(bars, market, index), genome_file, who, report)
    emit(verdict.to_json(), as_json, lambda: show.show_verdict(verdict))
    return 0 if verdict.approved else NEGATIVE_ANSWER


@cli.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@market_option
@index_option
@json_option
def ingest(folder: Path, market: str, index: str | None, as_json: bool) -> None:
    """Take in your own bars, or append their new sessions.

    FOLDER holds one CSV or Parquet file a symbol. What is stored is never rewritten; the last fifth
    of the first bars is sealed at once, and whatever comes later is forward data.
    """
    from kasauti import commands, show

    outcome = commands.ingest(folder, market, index)
    emit(outcome.to_json(), as_json, lambda: show.show_ingest(outcome))


@cli.command()
@click.argument("query", required=False)
@json_option
def sql(query: str | None, as_json: bool) -> None:
    """Ask DuckDB about the stored tables.

    QUERY is one SQL statement, for instance: SELECT * FROM market.bars LIMIT 5. Without it the
    tables are listed. Sealed bars are not among them.
    """
    from kasauti import commands, show

    columns, rows = commands.sql(query)
    emit({"rows": rows}, as_json, lambda: show.show_rows(columns, rows))


for command in (
    bench,
    calibrate,
    noise,
    prove,
    stress,
    *backup_commands.COMMANDS,
    *desk_commands.COMMANDS,
    *trial_commands.COMMANDS,
    *ledger_commands.COMMANDS,
    *diagnosis_commands.COMMANDS,
    *alert_commands.COMMANDS,
    *report_commands.COMMANDS,
):
    cli.add_command(command)
