"""The command ``kasauti stress``; the scenarios stand in `kasauti.validation.stress`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kasauti.options import bars_options, emit, genome_option, json_option, seed_option

if TYPE_CHECKING:
    from kasauti.validation.gates.model import Gate

NEGATIVE_ANSWER = 1


@click.command()
@bars_options
@genome_option
@seed_option("Of the made worlds.", default=0)
@json_option
def stress(
    bars: tuple[str, ...],
    index: str | None,
    market: str,
    genome_file: Path,
    seed: int,
    as_json: bool,
) -> int:
    """Send a strategy through crashes, real ones and made ones.

    Every crash that the bars cover is replayed with the position that the strategy really held;
    made ones follow: a fall of 58 %, twice the volatility, the worst quarters mixed anew, a gap
    overnight, halted markets, a dried-up market, a frozen feed. Exit code 0: it loses at most 20 %
    of its capital in each; 1: it loses more, or these bars cover no crash. The sealed last fifth
    of the bars is not read.
    """
    from kasauti import commands
    from kasauti.backtest import Account, Backtester
    from kasauti.execution.clock import SystemClock
    from kasauti.genome import load_genome
    from kasauti.market.markets import get_market
    from kasauti.operations.progress import brief
    from kasauti.show import show_findings
    from kasauti.validation.gates import stress as gate
    from kasauti.validation.gates.model import Case

    genome = load_genome(genome_file)
    space = commands.workspace(bars, market, index)
    loaded = space.source.load()
    show_findings(loaded.findings)
    now = SystemClock(get_market(loaded.bars.market).zone).now()
    searched = space.admit(loaded.bars, now).searched
    account = Account(charges=get_market(searched.market).charges)
    with brief("replay crashes"):
        found = gate.examine(Case(genome, Backtester(searched, account=account), 0, 0, seed))
    emit(found.to_json() | {"genome": genome.hash}, as_json, lambda: _show(found))
    return 0 if found.passed else NEGATIVE_ANSWER


def _show(found: "Gate") -> None:
    from kasauti.show import say, table

    rows = [
        (one["scenario"], one["symbol"], f"{one['loss']:.1%}", one["how"])
        for one in (*found.figures.get("losses", ()), *found.figures.get("synthetic", ()))
    ]
    table("What each crash would have cost", ("scenario", "symbol", ">loss", "how"), rows)
    say(found.reason[:1].upper() + found.reason[1:] + ".")
