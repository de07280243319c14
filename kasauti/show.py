"""How results look on a terminal: tables for a person, never for a program (that is ``--json``)."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kasauti.market.findings import Finding, Severity
from kasauti.operations.words import money, number, percent

if TYPE_CHECKING:
    from rich.console import Console

    from kasauti.backtest import Result
    from kasauti.commands import Ingested, Today
    from kasauti.desk_runner import Compared
    from kasauti.evolution.outcome import SearchResult
    from kasauti.execution.audit import Audit
    from kasauti.execution.stop import Looked, Switched
    from kasauti.health.history import Change
    from kasauti.health.model import Account, Status
    from kasauti.validation.verdict import Verdict

SHOWN_TRADES = 12
PARTS = {
    "evaluation": "evaluation",
    "breeding": "breeding, hashing",
    "selection": "ranking, selection",
    "register": "trial register, checkpoint",
    "other": "other",
}
SHOWN_GENOMES = 15
MARKS = {"ok": "✓", "warning": "! warning", "red": "✗ red", "absent": "–"}
BAR = 10  # places
FILE_WIDTH = 120  # of what goes into a file or a pipe; a terminal has its own


@lru_cache(maxsize=2)
def console(*, errors: bool = False) -> "Console":
    """Return the terminal that results, or everything else, go to."""
    from rich.console import Console

    stream = sys.stderr if errors else sys.stdout
    return Console(stderr=errors, highlight=False, width=None if stream.isatty() else FILE_WIDTH)


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, errors: bool = False
) -> None:
    """Print a title and a table; a column named ``>…`` holds numbers, set to the right.

    With `errors` they go to standard error: they are not the command's result.
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    (tell if errors else say)(title)
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, pad_edge=False)
    for name in columns:
        if name.startswith(">"):
            shown.add_column(name[1:], justify="right", no_wrap=True)
        else:
            shown.add_column(name, overflow="fold")
    for row in rows:
        shown.add_row(*(escape(str(cell)) for cell in row))
    console(errors=errors).print(shown)


def tell(text: str) -> None:
    """Say one line on standard error."""
    console(errors=True).print(text, markup=False, soft_wrap=True)


def show_findings(findings: Sequence[Finding]) -> None:
    """Say on standard error what the loader found wrong, once where many files have the same."""
    marks = {Severity.INFO: "·", Severity.WARNING: "!", Severity.ERROR: "✗"}
    alike: dict[tuple[Severity, str, str], list[Finding]] = {}
    for finding in findings:
        key = (finding.severity, finding.problem, finding.remedy)
        alike.setdefault(key, []).append(finding)
    for (severity, problem, remedy), (first, *others) in alike.items():
        files = f"{first.file} and {len(others)} more files: {problem}. {remedy}"
        tell(f"{marks[severity]} {files if others else first}")


def show_backtest(result: "Result") -> None:
    """Print the metrics and the last trades."""
    metrics = result.metrics
    table(
        f"Backtest of {result.genome.hash[:12]} ({result.genome.side.value}) "
        f"on {', '.join(result.symbols)}",
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
        ("symbol", ">shares", ">in", ">at", ">out", ">at", "why", ">net"),
        [
            (
                trade.symbol,
                trade.quantity,
                trade.entry_time,
                number(trade.entry_price),
                trade.exit_time,
                number(trade.exit_price),
                trade.reason,
                money(trade.profit),
            )
            for trade in sorted(result.trades, key=lambda trade: str(trade.exit_time))[
                -SHOWN_TRADES:
            ]
        ],
    )
    for note in result.notes:
        say(f"· {note}")


def show_front(found: "SearchResult") -> None:
    """Print the best of what the search found."""
    table(
        f"{found.evaluations} strategies tried in {found.seconds:.0f} s, "
        f"{len(found.front)} on the front",
        ("strategy", ">Sharpe", ">trades", ">deepest fall", ">t", "entry"),
        [
            (
                one.hash[:12],
                number(one.fitness["sharpe"]),
                number(one.fitness["trades"], 0),
                percent(one.fitness["max_drawdown"]),
                number(one.fitness["t"]),
                one.genome.to_genes()["entry"],
            )
            for one in found.front[:SHOWN_GENOMES]
        ],
    )
    table(
        "Where the time went",
        ("part", ">seconds", ">share"),
        [
            (PARTS[name], number(seconds, 1), percent(seconds / found.seconds))
            for name, seconds in found.seconds_by_part.items()
        ],
    )
    if found.front:
        say("None of these is approved: put one on trial with `kasauti judge`.")
    else:
        say("Not one kept the constraints: try more evaluations, or longer bars.")


def show_verdict(verdict: "Verdict") -> None:
    """Print the gates and the verdict."""
    table(
        f"The trial of {verdict.genome[:12]}",
        ("gate", "", "why"),
        [(gate.name, "passed" if gate.passed else "failed", gate.reason) for gate in verdict.gates],
    )
    for note in verdict.notes:
        say(f"· {note}")
    say("Approved." if verdict.approved else "Not approved.")


def show_ingest(outcome: "Ingested") -> None:
    """Print what was appended."""
    added = outcome.appended
    what = f"{len(added)} new times, {added[0]} to {added[-1]}" if added else "nothing new"
    say(f"{', '.join(outcome.symbols)}: {what}; {outcome.stored} stored")


def show_rows(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """Print a query's answer, one line a row and nothing cut off."""
    lines = [list(columns)] + [["" if v is None else str(v) for v in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        console().out("  ".join(cells).rstrip())


def show_status(status: "Status") -> None:
    """Print every check, then what each ledger holds and may do."""
    table(
        f"Kasauti in {status.home}",
        ("", "what", ""),
        [(MARKS[check.health.value], check.name, check.detail) for check in status.checks],
    )
    show_limits(status.accounts)
    for account in status.accounts:
        _show_lease(account)
        if account.positions:
            _show_positions(account)
        table(
            f"Controls of the {account.ledger} ledger",
            ("", "control", "last evaluated"),
            [
                ("✗ red" if row["red"] else "✓", f"{row['control']} {row['code']}", _when(row))
                for row in account.controls
            ],
        )
    red = len(status.red)
    say("Nothing is red." if not red else f"{red} red: mend it before you trade.")


def show_changes(changes: Sequence["Change"]) -> None:
    """Print when checks changed colour, newest first."""
    if not changes:
        say("No check has changed colour: `kasauti status` looks and records.")
        return
    table(
        "Checks that changed colour, newest first",
        ("when", "what", "was", "is", ""),
        [
            (
                f"{one.at:%Y-%m-%d %H:%M}",
                one.name,
                MARKS[one.before.value],
                MARKS[one.after.value],
                one.detail,
            )
            for one in changes
        ],
    )


def _when(row: Mapping[str, Any]) -> str:
    return str(row["evaluated"] or "never")


def _show_lease(account: "Account") -> None:
    lease = account.state["lease"]
    held = "held by" if lease["held"] else "free, last held by"
    since = f" since {lease['since']}" if lease["held"] else ""
    say(f"Lease of the {account.ledger} ledger: {held} {lease['host']}{since}")


def _show_positions(account: "Account") -> None:
    table(
        f"Open positions of the {account.ledger} ledger",
        ("symbol", ">shares", ">bought at", ">now", ">stop", ">profit"),
        [
            (
                row["symbol"],
                row["quantity"],
                number(row["entry_price"]),
                number(row["mark"]),
                "none" if row["stop"] is None else number(row["stop"]),
                money(row["profit"], 2),
            )
            for row in account.positions
        ],
    )


def show_limits(accounts: Iterable["Account"]) -> None:
    """Print what is used of each limit and what is allowed, and what charges take."""
    for account in accounts:
        since = f"sealed for {account.sealed}" if account.sealed else "no session was opened yet"
        table(
            f"Limits of the {account.ledger} ledger: {account.profile}, {since}",
            ("limit", "held by", ">used", ">allowed", ""),
            [
                (
                    row["limit"],
                    row["control"],
                    _amount(row["used"], row["unit"]),
                    _amount(row["allowed"], row["unit"]),
                    _bar(row["fraction"]),
                )
                for row in account.limits
            ],
        )
        if account.sealed_at is not None:
            say(f"Sealed at {account.sealed_at:%Y-%m-%d %H:%M:%S}, hash {account.hash[:16]}.")
        say(("! " if account.charges["heavy"] else "· ") + account.charges["words"])


def _bar(fraction: float | None) -> str:
    """Return a bar of ten places, with the percentage behind it."""
    if fraction is None:
        return ""
    filled = min(max(round(fraction * BAR), 1 if fraction > 0 else 0), BAR)
    return f"{'█' * filled}{'░' * (BAR - filled)} {percent(fraction, 0)}"


def _amount(value: float | str | None, unit: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if unit == "share":
        return percent(value)
    if unit == "money":
        return money(value, 0 if value == int(value) else 2)
    return number(value, 0)


def show_signals(today: "Today") -> None:
    """Print what the permitted strategies want at the next open."""
    for one in today.permitted:
        say(f"{one['genome'][:12]}: {one['label']}")
    when = f"{today.decided:%Y-%m-%d %H:%M}"
    if not today.signals:
        say(f"No signal, as of {when}.")
        return
    table(
        f"Signals for the next open, as of {when}",
        ("symbol", "", "side", ">shares", ">close", ">limit", "why"),
        [
            (
                row["symbol"],
                row["purpose"],
                row["side"],
                row["quantity"],
                number(row["close"]),
                number(row["limit"]),
                row["reason"],
            )
            for row in today.signals
        ],
    )


def show_switched(switched: Iterable["Switched"]) -> None:
    """Print whether each ledger's trading is stopped now."""
    for one in switched:
        state = "stopped" if one.stopped else "not stopped"
        changed = "" if one.changed else ", as it was"
        record = "recorded in the ledger" if one.recorded else "no ledger yet"
        say(f"{one.ledger}: {state}{changed}; {one.problem or record}")
        if one.left:
            say(f"! {one.ledger}: no desk runs, nobody takes care of this: {'; '.join(one.left)}.")
            say("  Start `kasauti desk`, or cancel and sell in the broker's own app.")


def show_audits(audits: Iterable["Audit"]) -> None:
    """Print what is wrong with each ledger."""
    found = list(audits)
    if not found:
        say("there is no ledger yet: nothing to verify")
    for one in found:
        anchored = "" if one.anchored is None else f", event {one.anchored} anchored"
        told = "; ".join(one.found.problems) or f"{one.found.events} events, whole{anchored}"
        say(f"{one.ledger}: {told}")


def show_looked(looked: Iterable["Looked"]) -> None:
    """Print what a person's review covered."""
    found = list(looked)
    if not found:
        say("there is no ledger yet: nothing to review")
    for one in found:
        streak = f"; {one.streak} losses in a row count until a review in a later session"
        say(f"{one.ledger}: {one.trades} trades reviewed{streak if one.streak else ''}")


def show_compared(compared: Iterable["Compared"]) -> None:
    """Print where each ledger differs from its broker."""
    found = list(compared)
    if not found:
        say("there is no ledger yet: nothing to compare")
    for one in found:
        told = "; ".join(one.differences) or "equal to the broker"
        say(f"{one.ledger}, {one.at:%Y-%m-%d %H:%M:%S}: {told}")


def say(text: str) -> None:
    """Print one sentence or more of the result."""
    console().print(text, markup=False, soft_wrap=True)
