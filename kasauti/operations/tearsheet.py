"""The tear sheet: one strategy on one self-contained page; how it looks is in the templates."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kasauti.backtest import Backtester
from kasauti.backtest.metrics import SESSIONS_A_YEAR, returns_of
from kasauti.genome import Genome, Side
from kasauti.market.bars import Floats
from kasauti.operations import plots, tear_plots, words
from kasauti.operations.candidate import candidate_facts
from kasauti.operations.curves import Times
from kasauti.operations.figure import NARROW, WIDE
from kasauti.operations.gate_rows import (
    RegimeRow,
    StressRow,
    TesterRow,
    regime_rows,
    stress_rows,
    tester_rows,
    untested,
)
from kasauti.operations.page import environment, write_page
from kasauti.operations.report import compare, describe_genes, ends, figure_name, figure_text
from kasauti.operations.report_data import CandidateFacts, GateRow
from kasauti.operations.rule_words import in_words
from kasauti.operations.tear_plots import Traded
from kasauti.validation.gates.model import FEWEST_TRADES
from kasauti.validation.stress.model import WORST_LOSS
from kasauti.validation.verdict import Verdict
from kasauti.version import code_version

if TYPE_CHECKING:
    from markupsafe import Markup

SHOWN_TRADES = 6  # at each end
SHOWN_SYMBOLS = 3  # each drawing is 40 to 80 KB
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NOT_OPENED = "not opened"  # how the sealed gate begins its reason where it was never reached

GATES = {
    "causality": ("No peeking ahead", "the test against peeking ahead"),
    "walk_forward": ("Walk-forward", "the walk-forward test"),
    "regimes": ("Kinds of market", "the test by kind of market"),
    "stress": ("Crashes", "the crash test"),
    "statistics": ("Skill or luck", "the test of skill against luck"),
    "robustness": ("Robustness", "the robustness test"),
    "testers": ("Five testers", "the five testers"),
    "second_opinion": ("Second opinion", "the second opinion"),
    "sealed": ("Sealed prices", "the test on the sealed prices"),
}


@dataclass(frozen=True)
class YearRow:
    """Returns of one calendar year: each month's, None where there were no bars, and all of it."""

    year: int
    months: tuple[float | None, ...]
    whole: float


@dataclass(frozen=True, eq=False)
class TearSheet:
    """Everything that the page says.

    Attributes
    ----------
    rules : tuple of (str, str)
        What is done, and when it is done in plain words.
    rolling : ndarray of shape (T,)
        Annualised Sharpe ratio of the year before each bar, NaN before the first is over.
    traded : tuple of Traded
        The symbols that were traded most.
    open_positions : int
        Held at the last bar, so not among the trades.
    """

    candidate: CandidateFacts
    approved: bool
    is_reference: bool
    gates: tuple[GateRow, ...]
    notes: tuple[str, ...]
    rules: tuple[tuple[str, str], ...]
    regimes: tuple[RegimeRow, ...]
    stress: tuple[StressRow, ...]
    untested: tuple[str, ...]
    testers: tuple[TesterRow, ...]
    years: tuple[YearRow, ...]
    rolling: Floats
    traded: tuple[Traded, ...]
    symbols: tuple[str, ...]
    open_positions: int
    made_at: datetime
    versions: Mapping[str, str]
    currency: str = "₹"


def write_tear_sheet(
    verdict: Verdict,
    genome: Genome,
    backtester: Backtester,
    path: Path,
    *,
    now: datetime,
    is_reference: bool = False,
) -> Path:
    """Write the tear sheet of one verdict to `path` and return it.

    Parameters
    ----------
    verdict : Verdict
    genome : Genome
        The one that was judged.
    backtester : Backtester
        On the searched bars; the sealed ones are not read again.
    path : Path
        The HTML file; it is replaced in one step.
    now : datetime
        Exchange time, with its zone; shown as the day of making.
    is_reference : bool
        Whether it is the hand-written reference strategy, which is never approved.
    """
    sheet = tear_sheet(verdict, genome, backtester, now=now, is_reference=is_reference)
    return write_page(render_tear_sheet(sheet), path)


def tear_sheet(
    verdict: Verdict,
    genome: Genome,
    backtester: Backtester,
    *,
    now: datetime,
    is_reference: bool = False,
) -> TearSheet:
    """Return what the page says, from the recorded verdict and a backtest on the same bars."""
    facts = candidate_facts(genome, backtester)
    figures = {gate.name: gate.figures for gate in verdict.gates}
    bars = backtester.bars
    window = SESSIONS_A_YEAR * bars.bars_a_session
    buys, sells = ("Buys", "Sells") if genome.side is Side.LONG else ("Sells short", "Buys back")
    return TearSheet(
        candidate=facts,
        approved=verdict.approved and not is_reference,
        is_reference=is_reference,
        gates=tuple(
            GateRow(
                gate.name,
                None if gate.reason.startswith(NOT_OPENED) else gate.passed,
                gate.reason,
                {k: v for k, v in gate.figures.items() if not isinstance(v, Mapping | list)},
            )
            for gate in verdict.gates
        ),
        notes=verdict.notes,
        rules=(
            (f"{buys} when", in_words(genome.entry)),
            (f"{sells} when", in_words(genome.exit)),
        ),
        regimes=regime_rows(figures),
        stress=stress_rows(figures),
        untested=untested(figures),
        testers=tester_rows(figures),
        years=monthly_returns(facts.times, facts.equity),
        rolling=rolling_sharpe(returns_of(facts.equity), window),
        traded=_traded(facts, backtester),
        symbols=bars.symbols,
        open_positions=len(backtester.run(genome).open),
        made_at=now,
        versions={"code": code_version(), "bars and seal": verdict.data_version},
    )


def render_tear_sheet(sheet: TearSheet) -> str:
    """Return the page: no script, no outside resource, light and dark, printable."""
    reach = _reach(sheet.regimes)
    template = environment(sheet.currency).get_template("tearsheet.html.j2")
    return template.render(
        sheet=sheet,
        candidate=sheet.candidate,
        headline=headline(sheet),
        explanation=explanation(sheet),
        drawings=_drawings(sheet),
        comparison=compare(sheet.candidate, sheet.currency),
        describe=describe_genes,
        gate_name=lambda name: GATES.get(name, (figure_name(name).capitalize(),))[0],
        figure_name=figure_name,
        figure_text=figure_text,
        ends=ends,
        month_names=MONTHS,
        tint=partial(_tint, largest=_largest(sheet.years)),
        month_text=month_text,
        fewest=FEWEST_TRADES,
        limit=WORST_LOSS,
        scenarios=sorted(sheet.stress, key=lambda row: row.loss),
        stress_reach=max([-WORST_LOSS * 1.25, *(-row.loss for row in sheet.stress)]),
        place=lambda value: _share(0.5 + 0.5 * value / reach),
        extent=lambda low, high: _share(0.5 * (high - low) / reach),
        share=_share,
        sentence=_sentence,
        shown_trades=SHOWN_TRADES,
    )


def headline(sheet: TearSheet) -> str:
    """Return approved or not, and why, in one sentence."""
    if sheet.approved:
        return "Approved for a paper trial: it held against every test."
    if sheet.is_reference:
        return "Not approved: a reference strategy, written by hand to show the way."
    failed = [gate for gate in sheet.gates if gate.passed is False]
    if not failed:
        return "Not approved: the sealed prices were not opened for it."
    told = GATES.get(failed[0].name, ("", f"the gate {figure_name(failed[0].name)}"))[1]
    more = len(failed) - 1
    others = f" and {more} more test{'s' if more > 1 else ''}" if more else ""
    return f"Not approved: it failed {told}{others}."


def explanation(sheet: TearSheet) -> str:
    """Return the sentences under the headline."""
    if sheet.approved:
        return (
            "It passed every test, the prices that no search had seen included. Approved means: "
            "worth a paper trial. It is not a promise of profit, and no real money is traded on it "
            "before the paper trial has passed and a person has armed it."
        )
    failed = next((gate for gate in sheet.gates if gate.passed is False), None)
    if failed is None:
        return "One failed test is enough, and the sealed prices open for one candidate only."
    first = _sentence(failed.reason.partition(". ")[0])
    return f"{first} One failed test is enough to turn a strategy down."


def monthly_returns(times: Times, equity: Floats) -> tuple[YearRow, ...]:
    """Return the return of each calendar month, from the close before it to its last.

    The first month counts from the first close. Equity that is not positive ends the table: what
    comes after it is no return.
    """
    if not len(equity):
        return ()
    months = times.astype("datetime64[M]")
    last = np.flatnonzero(np.append(months[1:] != months[:-1], True))
    ends_at = np.concatenate([equity[:1], equity[last]])
    rows: dict[int, list[float | None]] = {}
    begun: dict[int, float] = {}
    closed: dict[int, float] = {}
    for month, before, after in zip(months[last], ends_at[:-1], ends_at[1:], strict=True):
        if before <= 0.0:
            break
        year, place = divmod(int(month.astype(np.int64)), 12)
        year += 1970
        rows.setdefault(year, [None] * 12)[place] = float(after / before - 1.0)
        begun.setdefault(year, float(before))
        closed[year] = float(after)
    return tuple(
        YearRow(year, tuple(row), closed[year] / begun[year] - 1.0) for year, row in rows.items()
    )


def rolling_sharpe(returns: Floats, window: int) -> Floats:
    """Return the annualised Sharpe ratio of the `window` returns up to each bar, shape (T,).

    A window is a year of bars. NaN before the first is full (the first return is none) and where
    nothing moved in it.
    """
    found = np.full(len(returns), np.nan)
    if len(returns) <= window:
        return found
    windows = np.lib.stride_tricks.sliding_window_view(returns[1:], window)
    deviation = windows.std(axis=1, ddof=1)
    moved = deviation > 1e-12  # less is the rounding of a constant
    mean = windows.mean(axis=1)
    found[window:][moved] = mean[moved] / deviation[moved] * np.sqrt(window)
    return found


def _traded(facts: CandidateFacts, backtester: Backtester) -> tuple[Traded, ...]:
    bars = backtester.bars
    place = {value: position for position, value in enumerate(bars.times.tolist())}
    found = []
    for row, symbol in enumerate(bars.symbols):
        mine = [trade for trade in facts.trades if trade.symbol == symbol]
        if mine:
            found.append(
                Traded(
                    symbol,
                    mine[0].side == Side.LONG,
                    bars.close[row],
                    np.array([place[trade.entry_time] for trade in mine], dtype=np.int64),
                    np.array([place[trade.exit_time] for trade in mine], dtype=np.int64),
                    np.array([trade.profit for trade in mine]),
                )
            )
    found.sort(key=lambda one: -len(one.profits))
    return tuple(found[:SHOWN_SYMBOLS])


def _drawings(sheet: TearSheet) -> dict[str, "Markup"]:
    """Return every drawing by name as inline SVG, one for pages and one for phones.

    A wide drawing on a phone is either too small to read or must be pushed to and fro.
    """
    from markupsafe import Markup

    # matplotlib has escaped every text in its SVG; a test feeds it hostile names.
    wide, narrow = _drawn(sheet, WIDE), _drawn(sheet, NARROW)
    return {
        name: Markup(
            f'<div class="on-page">{wide[name].svg(name)}</div>'
            f'<div class="on-phone">{narrow[name].svg(f"{name}-phone")}</div>'
        )
        for name in wide
    }


def _drawn(sheet: TearSheet, width: float) -> dict[str, plots.Plot]:
    facts = sheet.candidate
    made = {
        "equity": plots.equity_and_drawdown(
            facts.times,
            facts.equity,
            facts.benchmark,
            names=("the strategy", facts.benchmark_name),
            currency=sheet.currency,
            width=width,
        ),
        "rolling": tear_plots.rolling_sharpe(
            facts.times, sheet.rolling, facts.metrics["sharpe"], width
        ),
    }
    for number, traded in enumerate(sheet.traded):
        made[f"trades{number}"] = tear_plots.trades_on_price(facts.times, traded, width)
    return made


def _largest(years: tuple[YearRow, ...]) -> float:
    """Return the size that gets the full colour: the 95th percentile, one odd month fades none."""
    sizes = [abs(value) for year in years for value in year.months if value is not None]
    return float(np.quantile(sizes, 0.95)) if sizes else 0.0


def _reach(rows: tuple[RegimeRow, ...]) -> float:
    """Return the largest distance from zero of a mean or an end of its interval."""
    ends_of = [value for row in rows for value in (row.mean, row.low, row.high) if value]
    return max(map(abs, ends_of), default=1.0)


def _share(value: float) -> str:
    """Return a share of a track as CSS takes it, never outside of the track."""
    return f"{min(max(value, 0.0), 1.0) * 100.0:.1f}%"


def _sentence(reason: str) -> str:
    """Return a gate's reason with a capital letter and a full stop; "t is 2.3" stays as it is."""
    words_of = reason.replace("_", " ").rstrip(".")
    first = words_of[:1] if words_of[1:2] == " " else words_of[:1].upper()
    return f"{first}{words_of[1:]}."


def _tint(value: float, largest: float) -> str:
    """Return how strongly a month is coloured, in percent; 55 still leaves its text readable."""
    return f"{min(1.0, abs(value) / largest) * 55.0:.0f}%" if largest > 0.0 else "0%"


def month_text(value: float | None) -> str:
    """Return a month's return as the table shows it: percent without its sign's clutter."""
    return "" if value is None else words.percent(value).removesuffix(" %")
