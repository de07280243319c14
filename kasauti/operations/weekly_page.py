"""The weekly research summary as a letter."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from kasauti.home import Home
from kasauti.operations.collect import MEANINGS
from kasauti.operations.daily_sections import part
from kasauti.operations.letter import Cell, Letter, Section, Table, Tile, Tone, to_html
from kasauti.operations.page import SHORT_HASH, write_page
from kasauti.operations.report import describe_genes, figure_name
from kasauti.operations.unread import Unread
from kasauti.operations.weekly import Judged, Standing, TrialProgress, Tried, WeeklySummary
from kasauti.operations.words import day as day_words
from kasauti.operations.words import grouped, number, percent

SOON = 14  # days: an approval that ends within them is named in the headline
FOOT = (
    "Most strategies fail, and most weeks approve none: that is how it should be. The whole "
    "record: `kasauti report` and the tear sheets beside it."
)


def headline(summary: WeeklySummary) -> str:
    """Return the week in one sentence."""
    tried, judged = summary.tried, summary.judged
    if isinstance(tried, Unread) or isinstance(judged, Unread):
        return "The week's research could not be read in full."
    mine = [one for one in judged if not one.reference]
    approved = sum(1 for one in mine if one.approved)
    if not tried.trials and not mine:
        return "Nothing was tried this week" + _ending(summary)
    first = f"{grouped(tried.distinct)} strategies were tried, {len(mine)} went on trial, "
    return first + (f"{approved} held" if approved else "none held") + _ending(summary)


def letter_of(summary: WeeklySummary) -> Letter:
    """Return the summary as a letter."""
    return Letter(
        title=f"Research of the week to {day_words(summary.last)}",
        label=f"{day_words(summary.first)} to {day_words(summary.last)}",
        headline=headline(summary),
        tone=Tone.PLAIN,
        tiles=tuple(_tiles(summary)),
        sections=tuple(_sections(summary)),
        made_at=summary.made_at,
        foot=FOOT,
    )


def write_weekly(summary: WeeklySummary, home: Home) -> Path:
    """Write the summary among the reports, in one step; return where it is."""
    path = home.reports / f"weekly-{summary.last}.html"
    return write_page(to_html(letter_of(summary)), path)


def _ending(summary: WeeklySummary) -> str:
    if isinstance(summary.standing, Unread):
        return "."
    soon = [one for one in summary.standing if (one.expires - summary.last).days <= SOON]
    if not soon:
        return "."
    count = "one approval ends" if len(soon) == 1 else f"{len(soon)} approvals end"
    return f"; {count} by {day_words(soon[-1].expires)}."


def _tiles(summary: WeeklySummary) -> Iterator[Tile]:
    if not isinstance(summary.tried, Unread):
        tried = summary.tried
        yield Tile("Tried", grouped(tried.distinct), f"{grouped(tried.trials)} trials")
    if not isinstance(summary.judged, Unread):
        mine = [one for one in summary.judged if not one.reference]
        approved = sum(1 for one in mine if one.approved)
        yield Tile("Approved", str(approved), f"of {len(mine)} judged")
    if isinstance(summary.trial, TrialProgress):
        yield Tile("Paper trial", str(summary.trial.passed), f"of {summary.trial.needed} sessions")


def _sections(summary: WeeklySummary) -> Iterator[Section]:
    yield part("What was tried", summary.tried, _tried)
    yield part("The best found", summary.tried, _best)
    yield part("Verdicts", summary.judged, _judged)
    yield part("Approvals in force", summary.standing, lambda it: _standing(it, summary))
    yield part("Paper trial", summary.trial, _trial)
    yield part("Certificate", summary.certificate, lambda it: Section("Certificate", (it,)))


def _tried(tried: Tried) -> Section:
    title = "What was tried"
    if not tried.trials:
        return Section(title, ("Nothing: `kasauti evolve` searches, or the research job.",))
    searches = "one search" if tried.searches == 1 else f"{tried.searches} searches"
    line = (
        f"{grouped(tried.distinct)} different strategies in {grouped(tried.trials)} trials and "
        f"{searches}. Every one of them raises the bar for those that come after."
    )
    rows = tuple(
        (Cell(figure_name(cause), MEANINGS.get(cause, "")), Cell(grouped(count)))
        for cause, count in tried.deaths.items()
    )
    return Section(title, (line,), Table(("Died of", ">Strategies"), rows) if rows else None)


def _best(tried: Tried) -> Section:
    title, best = "The best found", tried.best
    if best is None:
        return Section(title, ("None that is still alive.",))
    rules = "; ".join(f"{what.lower()} {text}" for what, text, _ in describe_genes(best.genes)[:2])
    figures = best.figures
    told = [f"Sharpe {_known(figures.get('sharpe'))}"]
    if figures.get("trades") is not None:
        told.append(f"{grouped(figures['trades'] or 0)} trades")
    if figures.get("max_drawdown") is not None:
        told.append(f"deepest fall {percent(figures['max_drawdown'] or 0)}")
    return Section(
        title,
        (
            f"{best.genome[:SHORT_HASH]}: {rules}.",
            f"{', '.join(told)} in the search, which says what it was bred for and nothing about "
            "the future.",
        ),
    )


def _judged(judged: Sequence[Judged]) -> Section:
    if not judged:
        return Section("Verdicts", ("None was given.",))
    rows = tuple(
        (
            Cell(one.genome[:SHORT_HASH], "reference" if one.reference else day_words(one.at)),
            Cell("approved", tone=Tone.GOOD)
            if one.approved
            else Cell("not approved", one.cause or "its cause of death is not recorded"),
        )
        for one in judged
    )
    return Section("Verdicts", (), Table(("Strategy", "Verdict, and why"), rows))


def _standing(standing: Sequence[Standing], summary: WeeklySummary) -> Section:
    title = "Approvals in force"
    if not standing:
        return Section(title, ("None: nothing may be traded on paper.",))
    rows = tuple(
        (
            Cell(one.genome[:SHORT_HASH], one.label),
            Cell("in force") if one.counts else _ended(),
            Cell(day_words(one.expires), f"in {(one.expires - summary.last).days} days"),
        )
        for one in standing
    )
    return Section(title, (), Table(("Strategy", "Counts", ">Until"), rows))


def _ended() -> Cell:
    return Cell("no", "given on other bars or by other code: judge it again", Tone.BAD)


def _trial(trial: TrialProgress | None) -> Section:
    if trial is None:
        return Section("Paper trial", ("Not begun: there is no paper ledger.",))
    left = max(trial.needed - trial.passed, 0)
    told = f"{trial.passed} of {trial.needed} sessions passed, {left} to go."
    return Section("Paper trial", (told,))


def _known(value: float | None) -> str:
    return "unknown" if value is None else number(value)
