"""The sections of the daily report, a subject each; what needs a person stands in `daily_page`."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar

from kasauti.backups.history import LastProof
from kasauti.execution.limits_used import Unit, Used
from kasauti.execution.model import Purpose, Scope
from kasauti.execution.paper_trial import Trial
from kasauti.execution.views import ClosedTrade
from kasauti.health.model import Check
from kasauti.operations.account_bars import sentence_of
from kasauti.operations.daily import DailyReport
from kasauti.operations.daily_trading import Held, LegCompared, NotPlaced, Trading
from kasauti.operations.day_alerts import DayAlert
from kasauti.operations.denial_words import meaning_of
from kasauti.operations.letter import Cell, Section, Table, Tone
from kasauti.operations.unread import Unread
from kasauti.operations.words import MINUS, grouped, money, percent
from kasauti.operations.words import day as day_words

T = TypeVar("T")

CLOSE_TO = 0.8  # of a limit: from here on it is worth a sentence
# Nearing these is trouble; full slots and spent trades are how a small profile works.
TROUBLE = ("K22", "K23", "K37")
SHOWN_LIMITS = 6
SHOWN_ORDERS = 4
SHOWN_ALERTS = 20
HEALTH_ORDER = {"red": 0, "warning": 1, "absent": 2, "ok": 3}
REASONS = {
    Purpose.EXIT: "its exit rule",
    Purpose.STOP: "its stop",
    Purpose.TARGET: "its target",
    Purpose.FOREIGN: "sold outside Kasauti",
}
NO_BACKUP = "None yet: your ledger has no copy. Run `kasauti backup`."


def sections_of(report: DailyReport) -> Iterator[Section]:
    """Yield every section, whether there is something to tell or not."""
    trading = report.trading
    if isinstance(trading, Unread):
        yield part("Trading", trading, _nothing)
    else:
        yield _trades(trading.trades)
        yield _positions(trading.held)
        yield _not_placed(trading.not_placed)
        yield _against_the_engine(trading.compared)
        yield _limits(trading)
    yield part("The market", report.regime, lambda it: Section("The market", (sentence_of(it),)))
    yield part("Alerts of the day", report.alerts, _alerts)
    yield part("Health", report.health, _health)
    yield part("Backups", report.backups, lambda it: _backups(it, report.made_at))
    if not isinstance(trading, Unread):
        yield _trial(trading.trial, report.day)


def part(title: str, found: T | Unread, make: Callable[[T], Section]) -> Section:
    """Return the section of what was found, or the word that it could not be read."""
    if isinstance(found, Unread):
        return Section(title, (f"This could not be read: {found.why}.",))
    return make(found)


def signed(value: Decimal, decimals: int = 2) -> str:
    """Return an amount with its sign: ``+₹12.50``."""
    text = money(value, decimals)
    is_gain = value > 0 and any(digit in "123456789" for digit in text)
    return f"+{text}" if is_gain else text


def tone_of(value: Decimal) -> Tone:
    """Return the colour of a gain or a loss."""
    return Tone.GOOD if value > 0 else Tone.BAD if value < 0 else Tone.PLAIN


def is_close(used: Used) -> bool:
    """Whether so much of the limit is used that a person should know."""
    return used.control in TROUBLE and used.fraction is not None and used.fraction >= CLOSE_TO


def _nothing(_: Trading) -> Section:
    return Section("Trading")


def _trades(trades: Sequence[ClosedTrade]) -> Section:
    if not trades:
        return Section("Closed trades", ("None.",))
    rows = tuple(
        (
            Cell(one.symbol, f"{one.side.lower()} {grouped(one.quantity)}"),
            Cell(price(one.entry_price), _moment(one.entry_time)),
            Cell(price(one.exit_price), REASONS.get(one.reason, one.reason.value.lower())),
            Cell(signed(one.profit), f"charges {money(one.charges, 2)}", tone_of(one.profit)),
        )
        for one in trades
    )
    return Section("Closed trades", (), Table(("Symbol", "In at", "Out at, by", ">Profit"), rows))


def _positions(held: Sequence[Held]) -> Section:
    if not held:
        return Section("Open positions", ("None.",))
    rows = tuple(
        (
            Cell(one.symbol, f"{_side(one.quantity)} {grouped(abs(one.quantity))}" + _foreign(one)),
            Cell(price(one.entry_price), _moment(one.opened)),
            _stop(one),
            Cell(signed(one.profit), f"now at {price(one.mark)}", tone_of(one.profit)),
        )
        for one in held
    )
    return Section("Open positions", (), Table(("Symbol", "In at", "Stop", ">Profit"), rows))


def _stop(one: Held) -> Cell:
    target = "" if one.target is None else f"target {price(one.target)}"
    if one.stop is None:
        return Cell("none", target, Tone.BAD)
    return Cell(price(one.stop), target)


def _not_placed(found: Sequence[NotPlaced]) -> Section:
    title = "Orders that were not placed"
    if not found:
        return Section(title, ("None.",))
    rows = tuple(
        (
            Cell(", ".join(one.orders[:SHOWN_ORDERS]) + _more(len(one.orders) - SHOWN_ORDERS)),
            Cell(_first_large(meaning_of(one.code)), f"{one.state}, {one.code}"),
        )
        for one in found
    )
    return Section(title, (), Table(("Order", "Why"), rows))


def _against_the_engine(compared: Sequence[LegCompared] | None) -> Section:
    title = "Against the backtest"
    if compared is None:
        return Section(title, ("The engine has not run this session again yet.",))
    if not compared:
        return Section(title, ("Neither paper nor engine traded.",))
    both = [one.money for one in compared if one.money is not None]
    lines = []
    if both:
        worse = sum(both, Decimal(0))
        word = "more" if worse >= 0 else "less"
        lines.append(f"Fills cost {money(abs(worse), 2)} {word} than the backtest's.")
    rows = tuple(
        (
            Cell(one.symbol, one.leg),
            Cell(_traded(one.engine_quantity, one.engine_price)),
            Cell(_traded(one.paper_quantity, one.paper_price), one.explanation),
            Cell(
                "–" if one.basis_points is None else _basis_points(one.basis_points),
                "tolerated" if one.within else "NOT tolerated",
                Tone.PLAIN if one.within else Tone.BAD,
            ),
        )
        for one in compared
    )
    columns = ("Symbol", "Engine", "Paper", ">Slippage")
    return Section(title, tuple(lines), Table(columns, rows))


def _limits(trading: Trading) -> Section:
    counted = [one for one in trading.limits if one.fraction is not None]
    if not counted:
        return Section("Limits used", ("No session was opened yet: no limits are sealed.",))
    lines = [f"Profile {trading.profile}. What is used at the close, and of the day's orders."]
    if trading.review_due is not None:
        lines.append(f"A review is due: entries close on {day_words(trading.review_due)}.")
    used = sorted((one for one in counted if one.used), key=lambda one: -(one.fraction or 0))
    rows = tuple(
        (
            Cell(
                _first_large(one.limit),
                tone=Tone.BAD if is_close(one) else Tone.PLAIN,
                filled=one.fraction,
            ),
            Cell(_amount(one.used, one.unit), f"of {_amount(one.allowed, one.unit)}"),
        )
        for one in used[:SHOWN_LIMITS]
    )
    little = [_share(one) for one in used[SHOWN_LIMITS:]]
    unused = [one.limit for one in counted if not one.used]
    if little:
        lines.append(f"Used a little: {', '.join(little)}.")
    if unused:
        lines.append(f"Not used: {', '.join(unused)}.")
    return Section("Limits used", tuple(lines), Table(("Limit", ">Used"), rows) if rows else None)


def _alerts(alerts: Sequence[DayAlert]) -> Section:
    if not alerts:
        return Section("Alerts of the day", ("None.",))
    shown = alerts[-SHOWN_ALERTS:]
    earlier = len(alerts) - len(shown)
    lines = (f"{earlier} earlier ones: `kasauti ledger show`.",) if earlier else ()
    rows = tuple(
        (
            Cell(f"{one.at:%H:%M}"),
            Cell(one.title + _times(one.count), one.happened),
        )
        for one in shown
    )
    return Section("Alerts of the day", lines, Table(("At", "What"), rows))


def _times(count: int) -> str:
    return "" if count == 1 else f" ({grouped(count)} times)"


def _health(checks: Sequence[Check]) -> Section:
    order = sorted(checks, key=lambda check: HEALTH_ORDER.get(check.health.value, 0))
    told = [check for check in order if HEALTH_ORDER.get(check.health.value, 0) < 2]
    whole = [check.name for check in order if check.health.value == "ok"]
    absent = [check.name for check in order if check.health.value == "absent"]
    lines = []
    if whole:
        lines.append(f"Whole: {', '.join(whole)}.")
    if absent:
        lines.append(f"Not there yet: {', '.join(absent)}.")
    rows = tuple(
        (
            Cell(_first_large(check.name), check.health.value, Tone.BAD),
            Cell(_first_large(check.detail)),
        )
        for check in told
    )
    return Section(
        "Health", tuple(lines), Table(("Check", "What, and what to do"), rows) if rows else None
    )


def _backups(found: LastProof, now: datetime) -> Section:
    failed = (f"The last attempt failed: {found.failed.rstrip('.')}.",) if found.failed else ()
    if found.proved is None:
        return Section("Backups", (NO_BACKUP, *failed))
    age = "" if found.is_fresh(now) else " That is too long ago: run `kasauti backup`."
    proved = day_words(found.proved.astimezone(now.tzinfo))
    told = f"Last proved on {proved}, in {found.place}: restored, verified and counted.{age}"
    return Section("Backups", (told, *failed))


def _trial(trial: Trial, day: date) -> Section:
    if trial.scope is not Scope.PAPER:
        return Section("Paper trial", ("A replay never counts towards it.",))
    best = max(trial.strategies.values(), default=0)
    lines = [
        f"{trial.passed} sessions passed.",
        f"Of {trial.needed} that a strategy needs, the best has {best}.",
    ]
    today = next((one for one in trial.sessions if one.day == day), None)
    if today is not None and today.passed:
        lines.append("This one counts.")
    elif today is not None:
        lines.append(f"This one does not count: {'; '.join(today.problems)}.")
    return Section("Paper trial", tuple(lines))


def price(value: Decimal | None) -> str:
    """Return a price with two decimals."""
    return "none" if value is None else grouped(value, 2)


def _moment(at: datetime) -> str:
    return f"{at.day} {at:%b}, {at:%H:%M}"


def _side(quantity: int) -> str:
    return "long" if quantity >= 0 else "short"


def _foreign(one: Held) -> str:
    return ", from outside" if one.foreign else ""


def _traded(quantity: int, at: Decimal | None) -> str:
    return "nothing" if at is None or not quantity else f"{grouped(quantity)} at {price(at)}"


def _basis_points(value: Decimal) -> str:
    text = grouped(value, 1)
    return f"{'' if text.startswith(MINUS) else '+'}{text} bp"


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""


def _first_large(text: str) -> str:
    return text[:1].upper() + text[1:]


def _share(one: Used) -> str:
    return f"{one.limit} {_amount(one.used, one.unit)} of {_amount(one.allowed, one.unit)}"


def _amount(value: Decimal | float | None, unit: Unit) -> str:
    if value is None:
        return "–"
    if unit is Unit.SHARE:
        return percent(float(value))
    if unit is Unit.MONEY:
        return money(value, 0 if value == int(value) else 2)
    return grouped(value)
