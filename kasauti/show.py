"""How results look on a terminal: tables for a person, never for a program (that is ``--json``)."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from kasauti.market.findings import Finding, Severity
from kasauti.operations.words import money, number, percent

if TYPE_CHECKING:
    from rich.console import Console

    from kasauti.backtest import Result
    from kasauti.evolution.search import SearchResult
    from kasauti.market.ingest import Ingested
    from kasauti.validation.verdict import Verdict

SHOWN_TRADES = 12
SHOWN_GENOMES = 15


@lru_cache(maxsize=2)
def console(*, errors: bool = False) -> "Console":
    """Return the terminal that results, or everything else, go to."""
    from rich.console import Console

    return Console(stderr=errors, highlight=False)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print one table; columns whose name starts with ``>`` are numbers, set to the right."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    shown = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for name in columns:
        shown.add_column(name.lstrip(">"), justify="right" if name.startswith(">") else "left")
    for row in rows:
        shown.add_row(*(escape(str(cell)) for cell in row))
    console().print(shown)


def show_findings(findings: Sequence[Finding]) -> None:
    """Say on standard error what the loader found wrong."""
    marks = {Severity.INFO: "·", Severity.WARNING: "!", Severity.ERROR: "✗"}
    for finding in findings:
        console(errors=True).print(f"{marks[finding.severity]} {finding}", markup=False)


def show_backtest(result: "Result") -> None:
    """Print the metrics and the last trades."""
    metrics = result.metrics
    table(
        f"Backtest of {result.genome.hash[:12]} on {', '.join(result.symbols)}",
        ("", ">"),
        [
            ("total return", percent(metrics.total_return, signed=True)),
            ("a year", percent(metrics.cagr, signed=True)),
            ("Sharpe ratio", number(metrics.sharpe)),
            ("Sortino ratio", number(metrics.sortino)),
            ("deepest fall", percent(metrics.max_drawdown)),
            ("closed trades", metrics.trades),
            ("won", percent(metrics.win_rate)),
            ("time in the market", percent(metrics.exposure)),
            ("charges", money(metrics.charges)),
        ],
    )
    table(
        f"The last {min(SHOWN_TRADES, len(result.trades))} of {len(result.trades)} trades",
        ("symbol", "side", ">shares", "in", ">at", "out", ">at", "why", ">net"),
        [
            (
                trade.symbol,
                trade.side.value,
                trade.quantity,
                trade.entry_time,
                number(trade.entry_price),
                trade.exit_time,
                number(trade.exit_price),
                trade.reason,
                money(trade.profit, 2),
            )
            for trade in sorted(result.trades, key=lambda trade: str(trade.exit_time))[
                -SHOWN_TRADES:
            ]
        ],
    )
    for note in result.notes:
        console().print(f"· {note}", markup=False)


def show_front(found: "SearchResult") -> None:
    """Print the best of what the search found."""
    names = list(found.front[0].fitness) if found.front else []
    table(
        f"{found.evaluations} strategies tried in {found.seconds:.0f} s, "
        f"{len(found.front)} on the front",
        ("strategy", *(f">{name}" for name in names), "entry"),
        [
            (
                one.hash[:12],
                *(number(one.fitness[name]) for name in names),
                one.genome.to_genes()["entry"],
            )
            for one in found.front[:SHOWN_GENOMES]
        ],
    )
    console().print("None of these is approved: put one on trial with `kasauti judge`.")


def show_verdict(verdict: "Verdict") -> None:
    """Print the gates and the verdict."""
    table(
        f"The trial of {verdict.genome[:12]}",
        ("gate", "", "why"),
        [(gate.name, "passed" if gate.passed else "failed", gate.reason) for gate in verdict.gates],
    )
    for note in verdict.notes:
        console().print(f"· {note}", markup=False)
    console().print("Approved." if verdict.approved else "Not approved.")


def show_ingest(outcome: "Ingested") -> None:
    """Print what was appended and what differed."""
    console().print(outcome.summary, markup=False)
