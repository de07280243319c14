"""What an order may not do by any detour, and what may not hold an exit up."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from kasauti.errors import LedgerError
from kasauti.execution.brokers.base import Reply
from kasauti.execution.brokers.matching import Quote
from kasauti.execution.custom_limits import VARIABLE, read_custom
from kasauti.execution.decisions import Cancel, next_actions
from kasauti.execution.events import (
    Acknowledged,
    Event,
    LatchChanged,
    Resumed,
    Reviewed,
    TradingState,
    TradingStateChanged,
)
from kasauti.execution.limits import Review
from kasauti.execution.limits_used import limits_used
from kasauti.execution.model import Offset, Protection, Purpose, Scope
from kasauti.execution.orders import OrderState
from kasauti.execution.references import Reference
from kasauti.execution.reviews import review_due
from kasauti.health.ledgers import _state
from kasauti.health.model import Health
from tests.execution.world import LIMITS, OPEN, TODAY, YESTERDAY, at, closing, entry, world


def test_what_is_held_can_be_sold_without_a_reference_for_it(tmp_path: Path) -> None:
    """Bars that cannot be read in the morning: the stop goes on, exits go out, entries do not."""
    with world(tmp_path, scope=Scope.PAPER) as w:
        held = entry()
        w.desk.submit(held, OPEN)
        w.tick(OPEN, "100", jumped=True)
        w.references.clear()
        (stop,) = w.working(Purpose.STOP)
        w.broker.end(stop.intent.tag, OrderState.CANCELLED, "by the exchange", at(10))
        w.desk.step(at(10))
        (again,) = w.working(Purpose.STOP)
        assert again.intent.quantity == 10
        other = entry("OTHER", valid_until=at(11))
        w.desk.submit(other, at(10, 1))
        w.desk.submit(closing(held, valid_until=at(11)), at(10, 1))
        w.desk.step(at(10, 1))
        w.desk.step(at(10, 1, 1))
        assert w.order(other).code == "INSTRUMENT"
        assert "TEST" not in w.desk.book.positions


def test_a_reference_that_raises_for_one_symbol_traps_no_exit_of_another(tmp_path: Path) -> None:
    with world(tmp_path, scope=Scope.PAPER) as w:
        for symbol in ("TEST", "OTHER"):
            w.desk.submit(entry(symbol), OPEN)
            w.tick(OPEN, "100", symbol=symbol, jumped=True)
        for moment in range(3):
            w.desk.step(OPEN + timedelta(seconds=moment))
        known = w.gate._references

        def raising(symbol: str) -> Reference | None:
            if symbol == "OTHER":
                raise LookupError("no row for OTHER")
            return known(symbol)

        w.gate._references = raising
        w.desk.submit(closing(entry(), valid_until=at(11)), at(10))
        w.desk.step(at(10))
        w.desk.step(at(10, 0, 1))
        assert set(w.desk.book.positions) == {"OTHER"}


@pytest.mark.parametrize("band", [Decimal("0.02"), None], ids=["2 %", "20 %"])
@pytest.mark.parametrize("limit", ["50.00", "500.00"], ids=["far below", "far above"])
def test_an_exit_outside_of_the_band_is_brought_to_it(
    tmp_path: Path, limit: str, band: Decimal | None
) -> None:
    with world(tmp_path) as w:
        w.references["TEST"] = replace(w.references["TEST"], band=band)
        held = entry(protection=Protection(Offset(Decimal(1))))
        w.desk.submit(held, OPEN)
        w.tick(OPEN, "100", jumped=True)
        wrong = closing(held, limit_price=Decimal(limit), valid_until=at(11))
        w.desk.submit(wrong, at(10))
        for second in range(3):
            w.desk.step(at(10, 0, second))
        clipped = w.desk.book.order(f"{wrong.key}|CLIPPED")
        assert w.order(wrong).code == "CLIPPED" and clipped is not None
        wide = band or Decimal("0.20")
        assert clipped.intent.limit_price == 100 * (1 + wide if limit == "500.00" else 1 - wide)
        assert clipped.state is (OrderState.OPEN if limit == "500.00" else OrderState.FILLED)


@pytest.mark.parametrize("target", ["NaN", "-200", "Infinity", "0"])
def test_a_target_that_is_none_is_no_entry(tmp_path: Path, target: str) -> None:
    """It could not be placed, and what cannot be placed would stop the desk with bare shares."""
    with world(tmp_path) as w:
        bad = entry(protection=Protection(Offset(Decimal(5)), target=Offset(Decimal(target))))
        w.desk.submit(bad, OPEN)
        w.tick(OPEN, "100", jumped=True)
        assert w.order(bad).code == "TRADE_RISK"


@pytest.mark.parametrize("close", ["0", "NaN", "-1"])
def test_a_close_that_is_none_takes_no_stop_away(tmp_path: Path, close: str) -> None:
    with world(tmp_path) as w:
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "100", jumped=True)
        (stop,) = w.working(Purpose.STOP)
        w.references["TEST"] = replace(w.references["TEST"], close=Decimal(close))
        w.broker.end(stop.intent.tag, OrderState.CANCELLED, "by the exchange", at(10))
        w.desk.step(at(10))
        assert len(w.working(Purpose.STOP)) == 1


@pytest.mark.parametrize(
    ("state", "breaker", "is_left"),
    [
        pytest.param(TradingState.REDUCING, "", False, id="a person reduces"),
        pytest.param(TradingState.HALTED, "", False, id="a person halts"),
        pytest.param(TradingState.REDUCING, "K22", False, id="the daily loss"),
        pytest.param(TradingState.REDUCING, "K28", True, id="a difference that may pass"),
    ],
)
def test_an_entry_that_rests_is_taken_back_with_the_state(
    tmp_path: Path, state: TradingState, breaker: str, is_left: bool
) -> None:
    with world(tmp_path) as w:
        resting = entry(limit_price=Decimal("98.00"), valid_until=at(11))
        w.desk.submit(resting, OPEN)
        w.tick(OPEN, "100", jumped=True)
        changed = TradingStateChanged(state, "test", "test", breaker)
        w.ledger.append(changed, at=at(10), epoch=w.lease.epoch)
        view = w.desk._view(at(10))
        cancels = [a for a in next_actions(view) if isinstance(a, Cancel)]
        assert (cancels == []) is is_left


def test_cancels_keep_to_the_order_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    symbols = [f"S{number}" for number in range(6)]
    known = {symbol: Reference(symbol, YESTERDAY, Decimal(100)) for symbol in symbols}
    limits = replace(LIMITS, trades_a_day=8, slots=8)
    with world(tmp_path, limits=limits, references=known) as w:
        w.broker.feed("open", OPEN, dict.fromkeys(symbols, Decimal(100)), jumped=True)
        for symbol in symbols:
            w.desk.submit(entry(symbol, limit_price=Decimal("98.00"), valid_until=at(11)), OPEN)
        for second in range(4):
            w.desk.step(OPEN + timedelta(seconds=second))
        w.latch.set(w.ledger, by="me", reason="stop", at=at(10))
        asked = []
        cancel = w.broker.cancel

        def note(tag: str, now: datetime) -> Reply:
            asked.append(now)
            return cancel(tag, now)

        monkeypatch.setattr(w.broker, "cancel", note)
        for second in range(4):
            w.desk.step(at(10, 0, second))
        assert Counter(asked) == {at(10, 0, second): 2 for second in range(3)}
        assert not w.desk.book.live


def test_what_was_known_at_a_review_is_reviewed_and_nothing_later(tmp_path: Path) -> None:
    """Bars arrive in the evening: a session is played whose trades ended before the review."""
    with world(tmp_path) as w:
        for key, close in (("a", at(9, 20)), ("b", at(9, 40))):
            bought = entry(key=key, valid_from=close, valid_until=at(11))
            w.desk.submit(bought, close)
            w.tick(close, "100", jumped=True)
            if key == "b":
                w.ledger.append(Reviewed("me", "looked"), at=at(17, day=TODAY))
            with w.ledger.session_time():
                sold = closing(bought, valid_from=close, valid_until=at(11))
                w.desk.submit(sold, close + timedelta(minutes=1))
                for second in range(3):
                    w.tick(close + timedelta(minutes=1, seconds=second), "99")
        book = w.desk.book
        assert len(book.trades) == 2 and book.reviewed == 1
        assert review_due(book, Review.EACH_TRADE) == TODAY
        rows = limits_used(book, replace(LIMITS, review=Review.EACH_TRADE), at(18))
        (said,) = [row.used for row in rows if row.limit == "review"]
        assert said == "entries are closed since 2026-07-15: `kasauti review`"


@pytest.mark.parametrize(
    "event",
    [
        Resumed("", "why"),
        Resumed("Asha", " "),
        Reviewed("", ""),
        Acknowledged("Asha", ""),
        LatchChanged(False, "", "why"),
        TradingStateChanged(TradingState.ACTIVE, "", "why"),
    ],
    ids=repr,
)
def test_nobody_without_a_name_and_a_reason_lets_trading_go_on(
    tmp_path: Path, event: Event
) -> None:
    with world(tmp_path) as w, pytest.raises(LedgerError, match="only a person"):
        w.ledger.append(event, at=OPEN, epoch=w.lease.epoch)


def test_a_kill_whose_file_cannot_be_made_is_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, *given: object) -> None:
        raise OSError(28, "No space left on device")

    with world(tmp_path) as w:
        monkeypatch.setattr(Path, "touch", full)
        with pytest.raises(OSError, match="No space"):
            w.latch.set(w.ledger, by="me", reason="stop", at=OPEN)
        assert w.desk.book.latched


@pytest.mark.parametrize(
    ("age", "denied"), [(timedelta(minutes=15), ""), (timedelta(minutes=16), "POSITION")]
)
def test_a_held_price_that_is_too_old_closes_entries(
    tmp_path: Path, age: timedelta, denied: str
) -> None:
    """What was lost since then nobody knows."""
    with world(tmp_path, scope=Scope.PAPER) as w:
        quote = Quote(Decimal(100))
        w.broker.quote("open", OPEN, {"TEST": quote, "OTHER": quote}, jumped=True)
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        w.broker.quote("next", OPEN + timedelta(seconds=1), {"TEST": quote})
        w.desk.step(OPEN + timedelta(seconds=1))
        assert "TEST" in w.desk.book.positions
        later = OPEN + timedelta(seconds=1) + age
        w.broker.quote("later", later, {"OTHER": quote})
        other = entry("OTHER", valid_from=later, valid_until=at(11))
        w.desk.submit(other, later)
        w.desk.step(later)
        assert w.order(other).code == denied


@pytest.mark.parametrize("written", ["tcs", " TCS ", "TCS-EQ", "NSE:TCS"])
def test_a_restricted_symbol_may_be_written_as_brokers_do(tmp_path: Path, written: str) -> None:
    settings = {
        "CAPITAL": "10000",
        "TRADES_A_DAY": "1",
        "RISK_PER_TRADE": "100",
        "DAILY_LOSS": "100",
        "LOSING_STREAK": "2",
        "REVIEW": "daily",
        "START": "2026-01-01",
        "RESTRICTED": written,
    }
    given = {f"{VARIABLE}{name}": value for name, value in settings.items()}
    assert read_custom(tmp_path / "limits.toml", given).restricted == ("TCS",)


def test_a_review_that_is_overdue_is_red_in_paper_trading(tmp_path: Path) -> None:
    limits = replace(LIMITS, review=Review.EACH_TRADE)
    with world(tmp_path, scope=Scope.PAPER, limits=limits) as w:
        bought = entry()
        w.desk.submit(bought, OPEN)
        w.tick(OPEN, "100", jumped=True)
        assert _state(Scope.PAPER, w.desk.book).health is Health.OK
        w.desk.submit(closing(bought, valid_until=at(11)), at(10))
        for second in range(3):
            w.tick(at(10, 0, second), "101")
        found = _state(Scope.PAPER, w.desk.book)
        assert found.health is Health.RED and "`kasauti review`" in found.detail
        assert _state(Scope.REPLAY, w.desk.book).health is Health.OK
