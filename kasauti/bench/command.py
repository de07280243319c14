"""The command ``kasauti bench``; what it measures stands in `run`."""

from dataclasses import replace
from pathlib import Path

import click

from kasauti.options import emit, json_option, seed_option


@click.command()
@click.option("--quick", is_flag=True, help="A small population, for a first look in a minute.")
@click.option(
    "--only",
    type=click.Choice(["engine", "execution"]),
    help="One half alone: the engine (4 minutes), or ledger, gate and desk (5 minutes).",
)
@click.option(
    "--strategies",
    type=click.IntRange(min=100),
    help="Strategies in the population; 100,000 without it, 1,000 with --quick.",
)
@seed_option("Of the population, the synthetic series and the search.", default=1)
@click.option(
    "--render",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Measure nothing: print the tables of a result of --json as Markdown.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="With --render: draw the growth as a PNG too.",
)
@json_option
def bench(
    quick: bool,
    only: str | None,
    strategies: int | None,
    seed: int,
    render: Path | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Measure the engine against DEAP, numpy and vectorbt, and execution against its budgets.

    The same strategies with the same trades go through Kasauti's engine and through DEAP, numpy and
    vectorbt with both of its engines, on real daily bars and on a synthetic intraday series, and
    every trade is compared. Then ledger, gate and desk are measured in scratch folders: commits,
    decisions, answers, takeovers, a rebuild. Takes about ten minutes; let nothing else run then.
    """
    if plot is not None and render is None:
        raise click.UsageError("--plot draws a result: name it with --render")
    if render is not None:
        if as_json:
            raise click.UsageError("--render prints Markdown: leave out --json")
        _render(render, plot)
        return
    from kasauti.bench.report import joined
    from kasauti.bench.run import QUICK, Plan, run_bench, run_execution
    from kasauti.operations.progress import Progress

    plan = QUICK if quick else Plan()
    if strategies is not None:
        compared = min(plan.compared, strategies)
        plan = replace(plan, strategies=strategies, compared=compared)
    with Progress() as progress:
        found: dict[str, object] = {}
        if only != "execution":
            found = run_bench(plan, seed, progress, quick=quick).to_json()
        if only != "engine":
            other = run_execution(plan.execution, progress, quick=quick).to_json()
            found = joined(found, other) if found else other
    emit(found, as_json, lambda: _show(found))


def _render(file: Path, plot: Path | None) -> None:
    from kasauti.bench.report import read_report
    from kasauti.bench.tables import to_markdown

    report = read_report(file)
    if plot is not None:
        from kasauti.bench.plot import save_growth

        save_growth(report, plot)
    click.echo(to_markdown(report), nl=False)


def _show(report: dict[str, object]) -> None:
    from kasauti.bench.tables import machine_of, sentence_of, tables_of
    from kasauti.show import say, table

    for one in tables_of(report):
        table(one.title, one.columns, one.rows)
    if "population" in report:
        say(sentence_of(report))
    say(machine_of(report))
    for note in report["notes"] if isinstance(report["notes"], list) else ():
        say(f"· {note}")
