"""The command line `kasauti …`: reads options, calls one function, prints its result.

What a command computes stands in the domain packages. Commands that need Dagster (demo, up) live in
`pipelines.commands` and arrive through the entry point group ``kasauti.commands``.
"""

import json
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

import click

from kasauti.errors import KasautiError

NEGATIVE_ANSWER = 1
BAD_INPUT = 2


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


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kasauti")
def cli() -> None:
    """Breed trading strategies, put each one on trial, and trade only what holds."""


def main() -> None:
    """Run the command line; one clear line and exit code 2 for what the user can mend."""
    try:
        code = cli(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("kasauti: stopped", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except KasautiError as error:
        click.echo(f"kasauti: {error}", err=True)
        sys.exit(BAD_INPUT)
    sys.exit(code if isinstance(code, int) else 0)


def emit(result: Mapping[str, Any], as_json: bool, show: Callable[[], None]) -> None:
    """Print one JSON object on standard output, or what `show` prints."""
    if as_json:
        click.echo(json.dumps(result, allow_nan=False))
    else:
        show()


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")


Command = TypeVar("Command", bound=Callable[..., Any])


def bars_options(command: Command) -> Command:
    """Add ``--bars``, ``--index`` and ``--market`` to a command."""
    for option in (
        click.option("--market", default="nse", show_default=True, help="Market of the folders."),
        click.option("--index", default=None, help="Symbol of the market index, for regimes."),
        click.option(
            "--bars",
            multiple=True,
            default=("sample",),
            help="Folder with one CSV or Parquet a symbol; may be repeated. Default: the sample.",
        ),
    ):
        command = option(command)
    return command


genome_option = click.option(
    "--genome",
    "genome_file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Genome file, TOML or JSON.",
)



@cli.command("compile")
def compile_command() -> None:
    """Compile every kernel once, so that no later command waits for numba."""
    from kasauti.backtest.compile import compile_kernels

    for name, seconds in compile_kernels().items():
        click.echo(f"{name}: {seconds:.1f} s", err=True)


@cli.command()
@bars_options
@genome_option
@click.option("--capital", type=click.FloatRange(min=1), default=1_000_000.0, show_default=True)
@click.option("--charges", type=click.Choice(["market", "none"]), default="market", show_default=True)
@click.option("--slippage", type=click.Choice(["market", "none"]), default="market", show_default=True)
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Use no bar after this day.")
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
    """Trade one genome over all the bars given, each symbol with an account of its own.

    The look is recorded: a strategy whose last fifth was seen this way cannot be approved on the
    same data any more. --until keeps you out of it.
    """
    from kasauti import commands

    result = commands.backtest(
        commands.workspace(bars, market, index),
        genome_file,
        capital=capital,
        with_charges=charges == "market",
        with_slippage=slippage == "market",
        until=None if until is None else until.date(),
    )
    emit(result.to_json(), as_json, lambda: commands.show_backtest(result))


@cli.command()
@bars_options
@click.option("--seed", type=int, default=7, show_default=True)
@click.option("--evaluations", type=click.IntRange(min=1), default=20_000, show_default=True)
@click.option("--population", type=click.IntRange(min=8), default=200, show_default=True)
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True)
@click.option(
    "--save",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for one genome file a strategy of the front.",
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
    save: Path | None,
    as_json: bool,
) -> None:
    """Search for strategies on the first four fifths of the bars; every trial is registered."""
    from kasauti import commands

    found = commands.evolve(
        commands.workspace(bars, market, index), seed, evaluations, population, workers
    )
    if save is not None:
        commands.save_genomes(found, save)
    emit(found.to_json(), as_json, lambda: commands.show_front(found))


@cli.command()
@bars_options
@genome_option
@click.option("--who", envvar="USER", default="operator", help="Who asks; recorded.")
@json_option
def judge(
    bars: tuple[str, ...],
    index: str | None,
    market: str,
    genome_file: Path,
    who: str,
    as_json: bool,
) -> int:
    """Put one genome on trial. Exit code 0: approved, 1: not approved, 2: no verdict possible."""
    from kasauti import commands

    verdict = commands.judge(commands.workspace(bars, market, index), genome_file, who)
    emit(verdict.to_json(), as_json, lambda: commands.show_verdict(verdict))
    return 0 if verdict.approved else NEGATIVE_ANSWER


@cli.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--market", default="nse", show_default=True)
@click.option("--index", default=None, help="Symbol of the market index.")
@json_option
def ingest(folder: Path, market: str, index: str | None, as_json: bool) -> None:
    """Append the folder's new sessions to the stored bars; what is stored is never rewritten."""
    from kasauti import commands

    outcome = commands.ingest(folder, market, index)
    emit(outcome.to_json(), as_json, lambda: commands.show_ingest(outcome))


@cli.command()
@click.argument("query", required=False)
@json_option
def sql(query: str | None, as_json: bool) -> None:
    """Ask DuckDB about the stored tables; without a query, list them."""
    from kasauti import commands

    frame = commands.sql(query)
    emit(commands.frame_json(frame), as_json, lambda: click.echo(frame.to_string(index=False)))
