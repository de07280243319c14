"""The daily report as a letter: its headline, and what needs a person; sections stand beside it."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kasauti.execution.model import Scope
from kasauti.home import Home
from kasauti.operations.daily import DailyReport
from kasauti.operations.daily_sections import is_close, sections_of, signed, tone_of
from kasauti.operations.daily_trading import Profit, Trading, scope_words
from kasauti.operations.letter import Letter, Section, Tile, Tone, to_html
from kasauti.operations.page import write_page
from kasauti.operations.unread import Unread
from kasauti.operations.words import day as day_words
from kasauti.operations.words import money, percent

if TYPE_CHECKING:
    from kasauti.operations.figure import Plot

FEWEST_SESSIONS = 2  # that make a curve
FOOT = (
    "Every profit is after brokerage, taxes and fees. The whole record: `kasauti ledger show`; "
    "how things stand now: `kasauti status`."
)


def headline(report: DailyReport) -> str:
    """Return the whole report in one sentence."""
    count = len(attention(report))
    if not count:
        return f"{_earned(report)}; nothing needs you."
    needs = "one thing needs" if count == 1 else f"{count} things need"
    return f"{_earned(report)}; {needs} you."


def attention(report: DailyReport) -> tuple[str, ...]:
    """Return what a person has to look at or do, most urgent first; a sentence each."""
    return tuple(f"{need[:1].upper()}{need[1:].rstrip('.')}." for need in _needs(report))


def letter_of(report: DailyReport) -> Letter:
    """Return the report as a letter."""
    needs, trading = attention(report), report.trading
    told = (Section("What needs you", needs, tone=Tone.BAD),) if needs else ()
    return Letter(
        title=f"Daily report, {day_words(report.day)}",
        label=scope_words(report.scope),
        headline=headline(report),
        tone=Tone.BAD if needs else Tone.GOOD,
        tiles=() if isinstance(trading, Unread) else _tiles(trading),
        sections=(*told, *sections_of(report)),
        made_at=report.made_at,
        foot=FOOT,
        picture=None if isinstance(trading, Unread) else curve_of(trading),
    )


def write_daily(report: DailyReport, home: Home) -> Path:
    """Write the report among the others, in one step; return where it is."""
    path = home.reports / f"daily-{report.day}.html"
    return write_page(to_html(letter_of(report)), path)


def curve_of(trading: Trading) -> "Plot | None":
    """Return the profit since the start as a small drawing, None before there are two sessions."""
    if len(trading.days) < FEWEST_SESSIONS:
        return None
    from kasauti.operations.figure import NARROW
    from kasauti.operations.plots import profit_curve

    days = np.array([one.day for one in trading.days], dtype="datetime64[D]")
    times = np.r_[days[0] - 1, days]  # it begins at nothing, on the day before
    profit = np.cumsum([0.0, *(float(one.profit) for one in trading.days)])
    return profit_curve(times, profit, "Profit since the start", width=NARROW)


def _earned(report: DailyReport) -> str:
    trading, on = report.trading, f"{report.day:%a} {day_words(report.day)}"
    if isinstance(trading, Unread):
        return "No account could be read" if report.scope else "Nothing was traded yet"
    if not trading.closed:
        return f"{on} was no trading day" if report.session is None else f"{on} is not traded yet"
    net = trading.today.net
    if not net:
        return f"Nothing earned or lost on {on}"
    return f"{money(abs(net), 2)} {'earned' if net > 0 else 'lost'} on {on} after charges"


def _needs(report: DailyReport) -> Iterator[str]:
    trading = report.trading
    if isinstance(trading, Unread):
        if report.scope is not None:
            yield f"the ledger could not be read: {trading.why}"
    else:
        yield from _trading_needs(trading, report)
    if isinstance(report.health, Unread):
        yield f"health could not be read: {report.health.why}"
    else:
        for check in report.health:
            if check.health.value == "red":
                yield f"{check.name}: {check.detail}"


def _trading_needs(trading: Trading, report: DailyReport) -> Iterator[str]:
    if report.scope is Scope.PAPER and not trading.closed and _is_over(report):
        yield (
            f"the session of {day_words(report.day)} was not traded: its bars have not arrived, "
            "or no desk was there; see `kasauti status`"
        )
    for leg in trading.compared or ():
        if not leg.within:
            why = leg.explanation or "unexplained"
            yield f"{leg.symbol} {leg.leg} differs from the engine beyond tolerance, {why}"
    if trading.review_due is not None:
        yield (
            "look at the closed trades, then `kasauti review`: without it no entry is taken "
            f"from {day_words(trading.review_due)} on"
        )
    for used in trading.limits:
        if is_close(used):
            yield f"{used.limit}: {percent(used.fraction or 0, 0)} of the limit is used"


def _is_over(report: DailyReport) -> bool:
    """Whether the day's session should stand in the ledger, as far as the calendar knows."""
    session = report.session
    return isinstance(session, Unread) or (session is not None and report.made_at >= session.close)


def _tiles(trading: Trading) -> tuple[Tile, ...]:
    named = (("The day", trading.today), ("Week", trading.week), ("Since start", trading.start))
    return tuple(_tile(name, profit, trading.capital) for name, profit in named)


def _tile(name: str, profit: Profit, capital: Decimal) -> Tile:
    if not profit.sessions:
        return Tile(name, "–", "no session closed", Tone.MUTED)
    share = percent(float(profit.net / capital), 2, signed=True) if capital else ""
    note = f"{share}, charges {money(profit.charges, 2)}".removeprefix(", ")
    return Tile(name, signed(profit.net), note, tone_of(profit.net))
