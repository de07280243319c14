"""The report as one self-contained HTML page; what it says is `ReportData`, looks are templates."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from kasauti.operations import plots, words
from kasauti.operations.curves import deepest, first_known, last_known
from kasauti.operations.market_plots import FEWEST_TRADES
from kasauti.operations.page import environment, write_page
from kasauti.operations.report_data import CandidateFacts, ReportData
from kasauti.operations.trial_plots import strategies_by_regime

if TYPE_CHECKING:
    from markupsafe import Markup

SHOWN_TRADES = 8  # at each end
SHOWN_SURVIVORS = 8
SHOWN_PARTS = 4  # of a list among a gate's figures

_DAYS_A_YEAR = 365.25

Item = TypeVar("Item")


@dataclass(frozen=True)
class Comparison:
    """One figure of the candidate beside the same figure of holding, as text."""

    name: str
    meaning: str
    strategy: str
    holding: str


def render_report(data: ReportData) -> str:
    """Return the page: no script, no outside resource, light and dark, printable.

    Every text of `data` is escaped, so a hostile genome or file name stays text.
    """
    page = environment(data.currency).get_template("report.html.j2")
    return page.render(
        data=data,
        headline=headline(data),
        explanation=explanation(data),
        drawings=_drawings(data),
        comparison=compare(data.candidate, data.currency) if data.candidate else (),
        describe=describe_genes,
        ends=ends,
        fewest=FEWEST_TRADES,
        shown_survivors=SHOWN_SURVIVORS,
        shown_trades=SHOWN_TRADES,
        objectives=list(data.survivors[0].fitness) if data.survivors else [],
        figure_text=figure_text,
        figure_name=figure_name,
    )


def write_report(data: ReportData, path: Path) -> Path:
    """Write the page to `path` in one step: a reader never sees half of it."""
    return write_page(render_report(data), path)


def headline(data: ReportData) -> str:
    """Return the verdict in plain words."""
    count = len(data.approved)
    if count == 0:
        return "Nothing was good enough. That is the usual answer."
    if count == 1:
        return "One strategy held against every test."
    return f"{count} strategies held against every test."


def explanation(data: ReportData) -> str:
    """Return the sentences under the verdict."""
    tried = words.grouped(data.search.evaluations)
    if data.approved:
        return (
            f"Out of {tried} strategies tried, {len(data.approved)} passed every gate, the sealed "
            "data included. Approved means: worth a paper trial. It is not a promise of profit, "
            "and no real money is traded on it before the paper trial has passed and a person has "
            "armed it."
        )
    judged = [one for one in data.judged if not one.is_reference]
    if judged:
        end = (
            "The most promising one went before the gates and was turned down."
            if len(judged) == 1
            else f"The {len(judged)} most promising went before the gates and were turned down."
        )
    else:
        end = "None of them came as far as the gates."
    return (
        f"{tried} strategies were bred and tested on past prices. {end} With that many tries some "
        "look brilliant by luck alone; the tests below exist to tell luck from an edge. Doing "
        "nothing costs nothing."
    )


def compare(candidate: CandidateFacts, currency: str) -> tuple[Comparison, ...]:
    """Return the candidate's figures beside those of holding, which come from its curve."""
    years = _years(candidate)
    hold = candidate.benchmark
    metrics = candidate.metrics

    def both(measure: Callable[[Any], float]) -> tuple[str, str]:
        own = words.percent(measure(candidate.equity), signed=True)
        return own, "" if hold is None else words.percent(measure(hold), signed=True)

    def grown(line: Any) -> float:
        return last_known(line) / first_known(line) - 1.0

    def a_year(line: Any) -> float:
        growth = 1.0 + grown(line)
        return float(growth ** (1.0 / years) - 1.0) if years > 0 and growth > 0 else math.nan

    rows = [
        ("Gain in all", "the candidate after all charges", *both(grown)),
        ("Gain a year", "the steady yearly rate with the same end", *both(a_year)),
        ("Deepest fall", "from a top to the lowest point after it", *both(deepest)),
    ]
    texts: tuple[tuple[str, str, str, Callable[[float], str]], ...] = (
        ("sharpe", "Sharpe ratio", "gain for each unit of ups and downs; 1 is good", words.number),
        ("trades", "Trades", "closed", words.grouped),
        ("win_rate", "Won", "share of trades with a profit after charges", words.percent),
        ("exposure", "Time in the market", "share of days with a position", words.percent),
        (
            "charges",
            "Charges paid",
            "taxes, fees, brokerage",
            lambda it: words.money(it, 0, currency),
        ),
    )
    rows += [
        (name, meaning, show(metrics[key]), "")
        for key, name, meaning, show in texts
        if key in metrics
    ]
    return tuple(Comparison(*row) for row in rows)


def describe_genes(genes: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Return (what, text, whether it is a rule in the strategy language) of each gene."""
    is_short = genes.get("side") == "short"
    lines = [
        ("Sells short when" if is_short else "Buys when", str(genes.get("entry", "")), True),
        ("Buys back when" if is_short else "Sells when", str(genes.get("exit", "")), True),
    ]
    for gene, name in (("stop", "Stop"), ("target", "Target"), ("trail", "Trailing stop")):
        if gene in genes:
            lines.append((name, _distance(genes[gene]), False))
    if "max_bars" in genes:
        lines.append(("Gets out after", f"{genes['max_bars']} bars at the latest", False))
    if "regimes" in genes:
        lines.append(("Enters only in", ", ".join(map(str, genes["regimes"])) + " markets", False))
    if "risk" in genes:
        risk = f"{words.percent(float(genes['risk']))} of the account a trade"
        lines.append(("Risks", risk, False))
    return lines


def figure_name(name: object) -> str:
    """Return a figure's or gate's name as words."""
    return str(name).replace("_", " ")


def figure_text(value: object) -> str:
    """Return a gate's figure as a reader wants it: few digits, no Python, no endless list."""
    if isinstance(value, Mapping):
        return ", ".join(f"{figure_name(name)} {figure_text(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        told = "; ".join(figure_text(one) for one in value[:SHOWN_PARTS])
        more = len(value) - SHOWN_PARTS
        return f"{told} and {more} more" if more > 0 else told or "none"
    if value is None:
        return words.UNKNOWN_TEXT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return words.grouped(int(value))
    if isinstance(value, float | np.floating):
        number = float(value)
        return words.grouped(number, 0 if abs(number) >= 1000 else 3)
    return str(value)


def ends(items: Sequence[Item], count: int) -> tuple[Sequence[Item], int, Sequence[Item]]:
    """Return the first and last `count` items and how many were left out between them."""
    if len(items) <= 2 * count:
        return items, 0, ()
    return items[:count], len(items) - 2 * count, items[-count:]


def _distance(gene: object) -> str:
    if isinstance(gene, Mapping) and len(gene) == 1:
        ((kind, value),) = gene.items()
        if kind == "atr":
            return f"{float(value):g} × the usual range of a bar (ATR 14)"
        if kind == "fraction":
            return f"{words.percent(float(value))} from the fill"
    return str(gene)


def _years(candidate: CandidateFacts) -> float:
    if len(candidate.times) < 2:
        return 0.0
    span = candidate.times[-1] - candidate.times[0]
    return float(span / np.timedelta64(1, "D")) / _DAYS_A_YEAR


def _drawings(data: ReportData) -> dict[str, "Markup"]:
    """Return the drawings that the data allow, by name, as inline SVG."""
    from markupsafe import Markup

    dataset, search = data.dataset, data.search
    made = {
        "closes": plots.bars_overview(dataset.bars, dataset.sealed_from, dataset.sealed_until),
        "search": plots.search_progress(search.generations),
    }
    if dataset.regime_codes is not None and dataset.regime_closes is not None:
        made["regimes"] = plots.regime_ribbon(
            dataset.bars.times, dataset.regime_closes, dataset.regime_codes
        )
    if data.survivors and len(data.survivors[0].fitness) >= 2:
        made["front"] = _front(data)
    candidate = data.candidate
    if candidate is not None:
        made["equity"] = plots.equity_and_drawdown(
            candidate.times,
            candidate.equity,
            candidate.benchmark,
            names=("the candidate", candidate.benchmark_name),
            currency=data.currency,
        )
        if candidate.regimes:
            made["heat"] = plots.regime_heatmap(
                [candidate.hash[:8]],
                [one.regime for one in candidate.regimes],
                np.array([[one.mean_return for one in candidate.regimes]]),
                np.array([[one.trades for one in candidate.regimes]]),
            )
    by_regime = {one.hash[:8]: one.regimes for one in data.judged if one.regimes}
    if by_regime:
        made["strategies"] = strategies_by_regime(by_regime)
    replay = data.replay
    if replay is not None and replay.profit is not None and replay.profit_times is not None:
        made["profit"] = plots.profit_curve(
            replay.profit_times, replay.profit, currency=data.currency
        )
    # matplotlib has escaped every text in its SVG; a test feeds it hostile names.
    return {name: Markup(plot.svg(name)) for name, plot in made.items()}


def _front(data: ReportData) -> plots.Plot:
    names = list(data.survivors[0].fitness)
    points = np.array([[one.fitness[name] for name in names[:3]] for one in data.survivors])
    hashes = [one.hash for one in data.survivors]
    judged = data.candidate.hash if data.candidate else ""
    labels = (*map(figure_name, names), "", "")[:3]
    return plots.pareto_front(
        points,
        labels=(labels[0], labels[1], labels[2]),
        chosen=hashes.index(judged) if judged in hashes else None,
    )
