"""What commands share: their options, and the one way to print a result; no command stands here."""

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

_RESULT = "kasauti.result"  # where the stream for the result is kept


class Option(Protocol):
    """Adds one option to a command."""

    def __call__(self, command: Command, /) -> Command:
        """Return `command` with the option."""


def _keep_stdout_clean(context: click.Context, option: click.Parameter, wanted: bool) -> bool:
    """Send whatever libraries print to standard error, so that the result stands alone."""
    del option
    if wanted:
        context.meta[_RESULT] = sys.stdout
        context.with_resource(redirect_stdout(sys.stderr))
    return wanted


def emit(result: Mapping[str, Any], as_json: bool, show: Callable[[], None]) -> None:
    """Print one JSON object on standard output, or what `show` prints."""
    if as_json:
        stream = click.get_current_context().meta[_RESULT]
        click.echo(json.dumps(result, allow_nan=False), file=stream)
    else:
        show()


json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    callback=_keep_stdout_clean,
    help="Print one JSON object on standard output, everything else on standard error.",
)

market_option = click.option(
    "--market", default="nse", show_default=True, help="Market that the folder's bars are from."
)
index_option = click.option(
    "--index", metavar="SYMBOL", help="Which of the symbols is the market index, for regimes."
)


def bars_options(command: Command) -> Command:
    """Add ``--bars``, ``--index`` and ``--market`` to a command."""
    bars_option = click.option(
        "--bars",
        multiple=True,
        default=("sample",),
        metavar="FOLDER",
        help="Folder with one CSV or Parquet file a symbol; may be repeated. "
        "Without it, the sample that ships with Kasauti.",
    )
    for option in (market_option, index_option, bars_option):
        command = option(command)
    return command


def count_option(
    name: str, words: str, *, default: int, least: int = 1, metavar: str | None = None
) -> Option:
    """Return an option that is a whole number, `least` or more; `words` are its help."""
    return click.option(
        name,
        type=click.IntRange(min=least),
        default=default,
        show_default=True,
        metavar=metavar,
        help=words,
    )


def seed_option(words: str, *, default: int) -> Option:
    """Return ``--seed``."""
    return count_option("--seed", words, default=default, least=0)


def evaluations_option(words: str, *, least: int = 1) -> Option:
    """Return ``--evaluations``, by default as many as the calibrated searches try."""
    return count_option("--evaluations", words, default=20_000, least=least)


def workers_option(words: str) -> Option:
    """Return ``--workers``, by default one for each of the two cores that budgets are set for."""
    return count_option("--workers", words, default=2)


def workers_options(command: Command) -> Command:
    """Add ``--workers``, ``--dask`` and ``--memory`` to a command."""
    threads = workers_option("Threads that backtest side by side.")
    cluster = click.option(
        "--dask",
        metavar="ADDRESS",
        help="Backtest on a Dask cluster instead of threads, e.g. tcp://127.0.0.1:8786.",
    )
    memory = count_option(
        "--memory",
        "Memory in which values of expressions are kept from one generation to the next.",
        default=256,
        metavar="MB",
    )
    return threads(cluster(memory(command)))


genome_option = click.option(
    "--genome",
    "genome_file",
    required=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The strategy, as a TOML or JSON file.",
)
