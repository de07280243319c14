"""The command ``kasauti prove``; what it proves stands in `kasauti.validation.prover`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kasauti.options import bars_options, count_option, emit, json_option, seed_option

if TYPE_CHECKING:
    from kasauti.validation.prover import Report

NEGATIVE_ANSWER = 1


@click.command()
@bars_options
@click.option(
    "--genome",
    "genome_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A strategy, as a TOML or JSON file. Without it every indicator of the language is tried.",
)
@count_option(
    "--cuts",
    "How many random days to cut the data at; those around the largest moves come on top.",
    default=6,
)
@seed_option("Of the cuts.", default=0)
@json_option
def prove(
    bars: tuple[str, ...],
    index: str | None,
    market: str,
    genome_file: Path | None,
    cuts: int,
    seed: int,
    as_json: bool,
) -> int:
    """Prove that nothing looks into the future.

    The data are cut, or everything later is changed, at many days: whatever was computed before
    such a day must stay the same. The first bars are left out, too, to see how much history is
    needed. Exit code 0: proved; 1: something looks ahead, the first such finding is named. The
    sealed last fifth of the bars is not read.
    """
    import numpy as np

    from kasauti import commands
    from kasauti.backtest import Account, Backtester
    from kasauti.execution.clock import SystemClock
    from kasauti.genome import load_genome
    from kasauti.market.markets import get_market
    from kasauti.operations.progress import brief
    from kasauti.show import show_findings
    from kasauti.validation.prover import prove_genome, prove_language

    genome = None if genome_file is None else load_genome(genome_file)
    space = commands.workspace(bars, market, index)
    loaded = space.source.load()
    show_findings(loaded.findings)
    now = SystemClock(get_market(loaded.bars.market).zone).now()
    searched = space.admit(loaded.bars, now).searched
    rng = np.random.default_rng(seed)
    with brief("prove"):
        if genome is None:
            report = prove_language(searched, rng, cuts=cuts)
        else:
            account = Account(charges=get_market(searched.market).charges)
            report = prove_genome(Backtester(searched, account=account), genome, rng, cuts=cuts)
    emit(report.to_json(), as_json, lambda: _show(report))
    return 0 if report.proved else NEGATIVE_ANSWER


def _show(report: "Report") -> None:
    from kasauti.show import say, table

    rows = [
        (
            proof.name,
            proof.kind.value,
            "no value here" if proof.empty else "yes" if proof.passed else "NO",
            "all history" if proof.warm_up.needed is None else proof.warm_up.needed,
        )
        for proof in report.proofs
    ]
    table("What looks ahead, and what does not", ("what", "kind", "proved", ">warm-up"), rows)
    say(report.reason)
    if report.lag is not None:
        lag = report.lag
        say(
            f"Acting one bar later, its Sharpe ratio without costs would be {lag.delayed:.2f} "
            f"instead of {lag.sharpe:.2f}."
            + (" So much hangs on one bar: look at the data again." if lag.suspicious else "")
        )
