"""The daily report: what it says of a real paper ledger, and of a state folder with holes in it."""

import json
import shutil
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kasauti.alerts.book import AlertBook
from kasauti.alerts.relay import LedgerReader
from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.backups.history import last_proof
from kasauti.execution import stop
from kasauti.execution.controls import CONTROLS
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Purpose, Scope
from kasauti.execution.place import paper_place
from kasauti.home import Home
from kasauti.operations.account_bars import regime_on, sentence_of
from kasauti.operations.announce import announcement
from kasauti.operations.daily import DailyReport, daily_report
from kasauti.operations.daily_page import attention, headline, letter_of, write_daily
from kasauti.operations.daily_trading import Trading
from kasauti.operations.day_alerts import DayAlert
from kasauti.operations.denial_words import MEANINGS, meaning_of
from kasauti.operations.letter import Section, to_html, to_text
from kasauti.operations.unread import Unread
from kasauti.regimes.model import Regime
from tests.execution.replays import walk
from tests.operations.paper_days import EVENING, FIRST, HOSTILE, SECOND, two_days
from tests.operations.test_report import Page

MAIL_SIZE = 100_000
pytestmark = pytest.mark.usefixtures("time_server")


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home(tmp_path_factory.mktemp("traded") / "home")
    two_days(made)
    return made


@pytest.fixture
def home(traded: Home, tmp_path: Path) -> Home:
    """The state folder after two sessions, the test's own."""
    return Home(Path(shutil.copytree(traded.root, tmp_path / "home")))


def trading(report: DailyReport) -> Trading:
    assert isinstance(report.trading, Trading), report.trading
    return report.trading


def section(report: DailyReport, title: str) -> Section:
    (found,) = [one for one in letter_of(report).sections if one.title == title]
    return found


def text_of(report: DailyReport) -> str:
    return " ".join(to_text(letter_of(report)).split())


def proved(home: Home, at: datetime, *, ok: bool = True, detail: str = "") -> None:
    path = home.root / "backups" / "proofs.jsonl"
    path.parent.mkdir(exist_ok=True)
    row = {"at": at.isoformat(), "place": "/mnt/disk", "name": "b", "ok": ok, "detail": detail}
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


# -- the figures -----------------------------------------------------------------------------------


def test_profit_of_day_week_and_all_is_the_ledgers_own(home: Home) -> None:
    first = trading(daily_report(home, FIRST, EVENING))
    second = trading(daily_report(home, SECOND, EVENING))
    with closing(Ledger.existing(home.ledger)) as ledger:
        book = ledger.book()
    one, two = book.days
    (trade,) = book.trades
    assert first.today.net == one.profit == trade.profit < 0
    assert first.today.charges == trade.charges > 0
    assert second.today.net == two.profit > 0
    assert second.week.net == second.start.net == one.profit + two.profit == book.equity() - 100_000
    assert second.start.charges == book.charges and second.start.sessions == 2


def test_a_week_begins_on_monday(home: Home) -> None:
    later = trading(daily_report(home, SECOND + timedelta(days=4), EVENING))
    assert (later.closed, later.week.sessions, later.start.sessions) == (False, 0, 2)


def test_a_day_is_told_as_it_was(home: Home) -> None:
    """What the second day brought, a review among it, is not in the first day's report."""
    first = trading(daily_report(home, FIRST, EVENING))
    second = trading(daily_report(home, SECOND, EVENING))
    assert [one.symbol for one in first.trades] == ["TEST"] and not second.trades
    assert not first.held and [one.symbol for one in second.held] == ["OTHER"]
    assert first.trades[0].reason is Purpose.STOP
    assert first.review_due == SECOND and second.review_due is None
    (held,) = second.held
    assert held.stop is not None and held.stop < held.entry_price < held.mark == Decimal("103.20")
    assert held.profit == second.today.net


def test_an_order_that_was_not_placed_says_why(home: Home) -> None:
    report = daily_report(home, FIRST, EVENING)
    (one,) = trading(report).not_placed
    assert (one.code, one.orders) == ("NO_PERMIT", ("entry 10 THIRD",))
    assert "The strategy has no approval in force (denied, NO_PERMIT)" in text_of(report)
    assert trading(daily_report(home, SECOND, EVENING)).not_placed == ()


def test_every_code_has_a_meaning_and_none_has_two() -> None:
    assert {control.code for control in CONTROLS} < set(MEANINGS)
    assert len(set(MEANINGS.values())) == len(MEANINGS)
    assert meaning_of("price not on tick, says the broker") == "price not on tick, says the broker"


def test_slippage_is_counted_against_the_account(home: Home) -> None:
    report = daily_report(home, FIRST, EVENING)
    compared = trading(report).compared
    assert compared is not None
    (leg,) = compared
    assert leg.money == Decimal("2.00") and leg.basis_points is not None
    assert leg.basis_points.quantize(Decimal("0.1")) == Decimal("20.0")
    assert "Fills cost ₹2.00 more than the backtest's." in text_of(report)
    assert "price: filled later in the session" in text_of(report)
    assert trading(daily_report(home, SECOND, EVENING)).compared is None


def test_limits_are_those_of_the_day(home: Home) -> None:
    """After the close the book counts a new day; the report still says what this one lost."""
    report = trading(daily_report(home, FIRST, EVENING))
    used = {one.limit: one.used for one in report.limits}
    assert used["loss today"] == -report.today.net > 0
    assert (used["trades today"], used["losses in a row"]) == (1, 1)
    second = {one.limit: one.used for one in trading(daily_report(home, SECOND, EVENING)).limits}
    assert (second["positions and entries"], second["loss today"]) == (1, 0)


# -- what needs a person ---------------------------------------------------------------------------


def test_a_good_day_needs_nobody(home: Home) -> None:
    proved(home, EVENING - timedelta(hours=1))
    report = daily_report(home, None, EVENING)
    assert report.day == SECOND, "the last session that is over"
    assert attention(report) == ()
    assert headline(report) == "₹24.41 earned on Thu 16 Jul 2026 after charges; nothing needs you."
    assert "What needs you" not in [one.title for one in letter_of(report).sections]


def test_what_needs_a_person_is_said_with_what_to_do(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    two_days(home, within=False)
    first = attention(daily_report(home, FIRST, EVENING))
    assert [one.split(",")[0] for one in first[:1]] == [
        "TEST entry differs from the engine beyond tolerance"
    ]
    assert any("`kasauti review`" in one and "from 16 Jul 2026 on" in one for one in first)
    assert any(
        one.startswith("Backup: none was ever proved: run `kasauti backup`") for one in first
    )


def test_what_is_red_now_is_said(home: Home) -> None:
    stop.kill(home, by="Asha", reason="too windy", now=EVENING)
    report = daily_report(home, SECOND, EVENING)
    assert any(one.startswith("Paper kill switch: set") for one in attention(report))
    told = section(report, "Health")
    assert told.table is not None
    assert "Paper kill switch" in [row[0].text for row in told.table.rows]
    assert not isinstance(report.alerts, Unread)
    assert any("too windy" in one.happened for one in report.alerts)


@pytest.mark.parametrize(
    ("day", "hour", "earned", "needs"),
    [
        pytest.param(date(2026, 7, 18), 19, "was no trading day", False, id="saturday"),
        pytest.param(date(2026, 7, 17), 19, "is not traded yet", True, id="bars are missing"),
        pytest.param(date(2026, 7, 17), 11, "is not traded yet", False, id="not over"),
    ],
)
def test_a_session_that_is_over_and_not_in_the_ledger_needs_a_person(
    home: Home, day: date, hour: int, earned: str, needs: bool
) -> None:
    proved(home, EVENING)
    now = EVENING.replace(day=day.day, hour=hour)
    report = daily_report(home, day, now)
    assert earned in headline(report)
    assert any("was not traded" in one for one in attention(report)) is needs


def test_alerts_of_the_day_are_those_of_the_ledger_and_of_the_book(home: Home) -> None:
    before = daily_report(home, SECOND, EVENING).alerts
    assert not isinstance(before, Unread)
    low = alert_of(Trigger.DISK_LOW, "state folder", "1 GB is free")
    with closing(AlertBook(home.alerts)) as book:
        for minute in range(3):
            book.raise_alert(low, f"disk:{minute}", EVENING + timedelta(minutes=minute))
        book.raise_alert(low, "disk:yesterday", EVENING - timedelta(days=1))
        book.raise_alert(alert_of(Trigger.REPORT, "daily"), "report", EVENING)
        with closing(LedgerReader(paper_place(home))) as reader:
            reader.relay(book, EVENING)
    told = daily_report(home, SECOND, EVENING).alerts
    assert not isinstance(told, Unread)
    assert told == (
        *before,
        DayAlert(EVENING, "Disk low: state folder", low.happened, count=3),
    ), "what the ledger says is told once, relayed or not"


# -- backups ---------------------------------------------------------------------------------------


def test_without_a_backup_the_ledger_has_no_copy(home: Home) -> None:
    report = daily_report(home, SECOND, EVENING)
    assert section(report, "Backups").lines == (
        "None yet: your ledger has no copy. Run `kasauti backup`.",
    )


def test_the_last_proof_counts_and_a_failed_attempt_is_told(home: Home) -> None:
    proved(home, EVENING - timedelta(days=3))
    proved(home, EVENING - timedelta(hours=2), ok=False, detail="disk full")
    with (home.root / "backups" / "proofs.jsonl").open("a") as file:
        file.write('{"at": "2026-07-1\n')  # a power cut
    found = last_proof(home)
    assert (found.proved, found.failed) == (EVENING - timedelta(days=3), "disk full")
    assert not found.is_fresh(EVENING)
    report = daily_report(home, SECOND, EVENING)
    assert any("last proved 2026-07-13" in one for one in attention(report))
    assert "The last attempt failed: disk full." in section(report, "Backups").lines
    proved(home, EVENING - timedelta(hours=1))
    assert last_proof(home).failed == ""


# -- what cannot be read ---------------------------------------------------------------------------


def test_before_there_is_a_ledger_it_says_so(tmp_path: Path) -> None:
    report = daily_report(Home(tmp_path), None, EVENING)
    assert report.scope is None and isinstance(report.trading, Unread)
    assert headline(report).startswith("Nothing was traded yet")
    assert "there is no ledger yet" in text_of(report)


def test_a_broken_ledger_costs_no_report(home: Home) -> None:
    home.ledger.write_bytes(b"SQLite format 3\0 and then nothing of it")
    report = daily_report(home, SECOND, EVENING)
    assert report.scope is Scope.PAPER and isinstance(report.trading, Unread)
    assert isinstance(report.alerts, Unread) and not isinstance(report.health, Unread)
    assert attention(report)[0].startswith("The ledger could not be read")
    assert "restore a backup" in text_of(report)
    assert write_daily(report, home).stat().st_size < MAIL_SIZE
    json.dumps(report.to_json(), allow_nan=False)


def test_each_part_that_is_missing_says_so_in_its_place(home: Home) -> None:
    report = daily_report(home, SECOND, EVENING)
    broken = Unread("the disk is gone (OSError)")
    for name, title in (
        ("trading", "Trading"),
        ("regime", "The market"),
        ("alerts", "Alerts of the day"),
        ("health", "Health"),
        ("backups", "Backups"),
    ):
        changes: dict[str, Any] = {name: broken}
        told = section(replace(report, **changes), title)
        assert told.lines == ("This could not be read: the disk is gone (OSError).",)


# -- the regime ------------------------------------------------------------------------------------


def test_the_regime_is_that_of_the_day_and_counts_back_to_its_start() -> None:
    bars = walk(symbols=1, length=400)
    days = bars.sessions.astype(object).tolist()
    span = regime_on(bars, days[390])
    assert isinstance(span.regime, Regime) and span.since is not None
    assert span.last == days[390]
    before = regime_on(bars, days[days.index(span.since) - 1])
    assert before.regime is not span.regime
    assert all(regime_on(bars, day).regime is span.regime for day in (span.since, days[389]))
    assert regime_on(bars.between(0, 391), days[399]) == span, "what came later changes nothing"
    assert sentence_of(regime_on(bars, days[100])).startswith("Unknown: a label takes 220 sessions")


# -- how it looks ----------------------------------------------------------------------------------


def test_the_page_is_a_mail(home: Home) -> None:
    """Nothing that a mail program drops or fetches: no script, no sheet, nothing from outside."""
    page = Page(to_html(letter_of(daily_report(home, SECOND, EVENING))))
    tags = [tag for tag, _ in page.tags]
    assert not {"script", "style", "link", "svg", "iframe", "form"} & set(tags)
    assert not page.open, "every tag is closed"
    for _, attributes in page.tags:
        assert "class" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        source = attributes.get("src") or attributes.get("href") or "data:"
        assert source.startswith("data:image/png;base64,") or source == "data:"
    assert tags.count("img") == 1, "the curve of two sessions"


def test_it_is_small_enough_to_be_sent(home: Home) -> None:
    path = write_daily(daily_report(home, SECOND, EVENING), home)
    assert path == home.reports / "daily-2026-07-16.html"
    assert path.stat().st_size < MAIL_SIZE


def test_hostile_text_stays_text(home: Home) -> None:
    report = daily_report(home, SECOND, EVENING)
    hostile = replace(report, alerts=(DayAlert(EVENING, HOSTILE, f"{HOSTILE} and `{HOSTILE}`"),))
    html = to_html(letter_of(hostile))
    assert "<script" not in html and html.count("&lt;script&gt;") == 3


def test_the_announcement_says_the_same_and_carries_the_page(home: Home) -> None:
    report = daily_report(home, SECOND, EVENING)
    path = write_daily(report, home)
    alert = announcement(letter_of(report), path, attention(report))
    assert (alert.title, alert.attachment) == ("Daily report, 16 Jul 2026", path.name)
    assert alert.happened.startswith(headline(report))
    assert all(need in alert.detail for need in attention(report))
    assert ("The day", "+₹24.41 (+0.02 %, charges ₹7.09)") in alert.figures
    shown = " ".join(Page(path.read_text(encoding="utf-8")).text.split())
    for words in (headline(report), "OTHER", "long 10", "103.20", "95.05", "of ₹1,00,000"):
        assert words in text_of(report) and words in shown, words


def test_the_replay_is_labelled_as_one(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    two_days(home, scope=Scope.REPLAY)
    report = daily_report(home, None, datetime.now(EVENING.tzinfo))
    assert (report.scope, report.day) == (Scope.REPLAY, SECOND)
    assert letter_of(report).label == "Replay of the sample: an exercise, no paper trading"
    assert section(report, "Paper trial").lines == ("A replay never counts towards it.",)
    assert not any("Backup" in one for one in attention(report))
