"""What comes from outside: adopted once it has stood, flagged, protected, never traded."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from kasauti.execution.brokers.base import BrokerOrder, BrokerPosition
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.events import (
    FundsAdopted,
    OrderAdopted,
    OrderFilled,
    PositionAdopted,
    SessionClosed,
    TradingState,
)
from kasauti.execution.gate import Snapshot
from kasauti.execution.ledger import Entry
from kasauti.execution.model import (
    ADOPTED,
    Fill,
    Order,
    OrderSide,
    OrderType,
    Product,
    Purpose,
    Scope,
    tag_of,
)
from kasauti.execution.orders import OrderState
from kasauti.execution.reconcile import (
    STANDING,
    STANDING_GONE,
    Difference,
    Standing,
    differences,
)
from kasauti.execution.signals import Candidate, signals_for
from tests.execution.replays import GENOME
from tests.execution.world import LIMITS, OPEN, TODAY, World, at, bars_of, closing, entry, world

D = Decimal
SECOND = timedelta(seconds=1)


def by_hand(
    w: World, side: OrderSide, quantity: int, *, limit: str, tag: str = "M1", symbol: str = "TEST"
) -> None:
    """Place an order at the broker as its own app would."""
    order = Order(tag, symbol, side, quantity, OrderType.LIMIT, D(limit))
    w.broker.place(order, OPEN)


def wait(w: World, seconds: int = 35, start: datetime = OPEN) -> datetime:
    for second in range(5, seconds + 1, 5):
        w.desk.step(start + second * SECOND)
    return start + seconds * SECOND


def alerts(w: World) -> str:
    return "\n".join(message for _, message in w.ledger.outbox())


def assert_same(w: World) -> None:
    assert w.desk.book.differences == ()
    held = {p.symbol: p.quantity for p in w.broker.positions()}
    assert {s: p.quantity for s, p in w.desk.book.positions.items()} == held
    assert w.broker.funds() == w.desk.book.capital + w.desk.book.cash_flow


def test_a_purchase_by_hand_is_adopted_protected_and_left_alone(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.broker.feed("open", OPEN, {"TEST": D(100)}, jumped=True)
        by_hand(w, OrderSide.BUY, 7, limit="101")
        w.desk.step(OPEN + SECOND)
        assert any("not ours" in text for text in w.desk.book.differences)
        assert "TEST" not in w.desk.book.positions, "one reading proves nothing"
        wait(w)
        position = w.desk.book.positions["TEST"]
        assert (position.quantity, position.is_foreign, position.genome_hash) == (7, True, "")
        assert "is not ours: BUY 7" in alerts(w)
        (stop,) = w.working(Purpose.STOP)
        assert stop.intent.trigger_price == D("95.05"), "5 % under what was paid, on the tick"
        assert_same(w)
        now = OPEN + 60 * SECOND
        w.desk.submit(entry(valid_until=at(12)), now)
        w.desk.step(now)
        assert w.order(entry()).code == "POSITION", "no entry into what is held already"


def test_no_strategy_trades_shares_from_outside(tmp_path: Path) -> None:
    rows = {"TEST": [(100.0, 101.0, 99.0, 100.0 - day) for day in range(6)]}
    with world(tmp_path) as w:
        w.broker.feed("open", OPEN, {"TEST": D(100)}, jumped=True)
        by_hand(w, OrderSide.BUY, 7, limit="101")
        wait(w)
        ours = replace(w.desk.book.positions["TEST"], genome_hash=GENOME.hash, foreign=3)
        for position, expected in ((ours, [4]), (replace(ours, foreign=7), [0])):
            found = signals_for(
                bars_of(rows),
                [Candidate(GENOME, D(1))],
                positions={"TEST": position},
                limits=LIMITS,
                market=w.desk._market,
                equity=D(100_000),
                cash=D(100_000),
            )
            assert [s.quantity for s in found if s.purpose is Purpose.EXIT] == expected


def test_shares_added_by_hand_share_the_stop_and_leave_its_level(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "100", jumped=True)
        level = w.desk.book.positions["TEST"].stop_price
        by_hand(w, OrderSide.BUY, 5, limit="101")
        wait(w)
        position = w.desk.book.positions["TEST"]
        assert (position.quantity, position.foreign, position.stop_price) == (15, 5, level)
        assert sum(v.intent.quantity for v in w.working(Purpose.STOP)) == 15
        assert_same(w)


def test_our_position_closed_by_hand_is_closed_here(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "100", jumped=True)
        (stop,) = w.working(Purpose.STOP)  # it offers the shares: a broker would refuse the sale
        w.broker.end(stop.intent.tag, OrderState.CANCELLED, "by hand", OPEN)
        by_hand(w, OrderSide.SELL, 10, limit="99")
        wait(w)
        assert not w.desk.book.positions
        assert w.desk.book.trades[0].reason is Purpose.FOREIGN
        assert not w.desk.book.live, "its stop is taken back"
        assert_same(w)


def test_a_resting_order_by_hand_is_watched_and_never_cancelled(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.broker.feed("open", OPEN, {"TEST": D(100)}, jumped=True)
        by_hand(w, OrderSide.BUY, 7, limit="98")
        wait(w)
        w.latch.set(w.ledger, by="test", reason="enough", at=OPEN + 40 * SECOND)
        w.desk.step(OPEN + 41 * SECOND)
        (view,) = [v for v in w.desk.book.orders.values() if v.intent.purpose is Purpose.FOREIGN]
        assert view.state is OrderState.OPEN
        assert view.intent.tag == "M1" == tag_of(f"{ADOPTED}M1")
        assert_same_blocked(w)
        w.tick(at(11), "97")
        assert w.desk.book.positions["TEST"].quantity == 7
        assert_same(w)


def assert_same_blocked(w: World) -> None:
    assert w.desk.book.differences == ()
    assert w.broker.funds() == w.desk.book.capital + w.desk.book.cash_flow - 7 * 98


@pytest.mark.parametrize(
    ("bought", "extra", "left", "foreign"),
    [
        pytest.param(0, 12, 12, 12, id="shares out of nowhere"),
        pytest.param(10, 5, 15, 5, id="more than we bought"),
        pytest.param(10, -4, 6, 0, id="fewer than we bought"),
        pytest.param(10, -10, 0, 0, id="ours are gone"),
    ],
)
def test_positions_that_no_order_explains(
    tmp_path: Path, bought: int, extra: int, left: int, foreign: int
) -> None:
    with world(tmp_path) as w:
        if bought:
            w.desk.submit(entry(), OPEN)
            w.tick(OPEN, "100", jumped=True)
        before = w.broker.funds()
        w.broker.transfer(-extra * D(100), {"TEST": extra})  # at the last close
        patience = STANDING if extra > 0 else STANDING_GONE
        for share in (0.1, 0.5, 0.99):
            w.desk.step(OPEN + SECOND + share * patience)
            assert w.desk.book.differences
        w.desk.step(OPEN + 2 * SECOND + 1.1 * patience)
        position = w.desk.book.positions.get("TEST")
        held = (0, 0) if position is None else (position.quantity, position.foreign)
        assert held == (left, foreign)
        assert sum(v.intent.quantity for v in w.working(Purpose.STOP)) == left
        assert w.desk.book.differences == ()
        assert w.broker.funds() == before - extra * D(100)
        assert "the broker counts" in alerts(w)


def test_an_adopted_position_is_stopped_five_percent_under_the_last_close(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.broker.transfer(-12 * D(100), {"TEST": 12})
        wait(w)
        (stop,) = w.working(Purpose.STOP)
        assert (stop.intent.trigger_price, stop.intent.quantity) == (D("95.00"), 12)


def test_shares_that_were_sold_twice_close_entries_until_a_person_acts(tmp_path: Path) -> None:
    """A broker told us that the stop was cancelled, and executed it as well as the exit.

    Nothing is bought back on its own: a purchase that is told late would be doubled by it.
    """
    with world(tmp_path, scope=Scope.PAPER) as w:
        bought = entry()
        w.desk.submit(bought, OPEN)
        w.tick(OPEN, "100", jumped=True)
        (stop,) = w.working(Purpose.STOP)
        leave = closing(bought, limit_price=D(110))
        w.desk.submit(leave, OPEN + SECOND)
        now = wait(w, 10)
        assert w.order(stop.intent).state is OrderState.CANCELLED and w.working(Purpose.EXIT)
        for purpose, price in ((Purpose.STOP, "95.00"), (Purpose.EXIT, "110.00")):
            tag = (stop.intent if purpose is Purpose.STOP else leave).tag
            sold = Fill(f"x{purpose}", tag, "TEST", OrderSide.SELL, 10, D(price), D(0), now)
            w.ledger.append(OrderFilled(sold), at=now, epoch=w.lease.epoch)
        w.broker.transfer(shares={"TEST": -20})
        w.desk.step(now + SECOND)
        told = "TEST: -10 by our own closing orders, more than was held"
        assert any(text.startswith(told) for text in w.desk.book.differences)
        assert told in alerts(w)
        assert w.desk.book.trading_state is TradingState.REDUCING
        assert not w.working(Purpose.STOP) and not w.working(Purpose.EXIT)


def test_money_from_outside_is_capital_and_no_profit(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.broker.transfer(D("2500.25"))
        wait(w, 20)
        assert any(text.startswith("funds: 100000") for text in w.desk.book.differences)
        wait(w, 40)
        assert w.desk.book.differences == ()
        book = w.desk.book
        assert (book.capital, book.equity() - book.opening_equity()) == (D("102500.25"), D(0))
        w.desk.close_session(at(15, 30), {})
        assert w.desk.book.days[-1].profit == 0
        assert "+2500.25 came from outside" in alerts(w)


def test_money_that_vanished_is_a_loss_that_only_a_person_accepts(tmp_path: Path) -> None:
    """A penalty, a charge that nobody knew, a loss that was not booked: the limits must see it."""
    with world(tmp_path, scope=Scope.PAPER) as w:
        w.broker.transfer(-LIMITS.daily_loss)
        now = wait(w, 60)
        book = w.desk.book
        assert book.differences == ()
        assert (book.capital, book.equity()) == (D(100_000), D(98_000))
        assert list(book.switches.breakers) == ["K22"]
        assert "-2000.00 is lost, and counts as a loss" in alerts(w)
        w.desk.resume(by="Asha", reason="I have withdrawn it", now=now)
        w.desk.step(now + SECOND)
        assert w.desk.book.differences == ()
        w.ledger.append(SessionClosed(TODAY, {}), at=at(15, 30), epoch=w.lease.epoch)
        assert w.desk.book.days[-1].profit == -2_000


def test_money_that_went_out_was_capital_in_older_ledgers(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.ledger.append(FundsAdopted(D(-500)), at=OPEN, epoch=w.lease.epoch)
        assert (w.desk.book.capital, w.desk.book.lost) == (D(99_500), D(0))


def test_a_paisa_is_a_difference(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.broker.transfer(D("-0.01"))
        w.desk.step(OPEN + SECOND)
        assert w.desk.book.differences == (
            "funds: 100000.0000 in the ledger, 99999.9900 at the broker",
        )


def test_a_difference_that_changes_or_goes_starts_anew() -> None:
    standing, same = Standing(), Difference("a", ())
    for second in (0, 20, 29):
        assert standing.settled([same], OPEN + second * SECOND) == []
    assert standing.settled([], OPEN + 30 * SECOND) == []
    entry_of_it = Entry(FundsAdopted(D(1)))
    settling = Difference("a", (entry_of_it,))
    assert standing.settled([settling], OPEN + 31 * SECOND) == []
    assert standing.settled([settling], OPEN + 61 * SECOND) == [], "two readings are not three"
    assert standing.settled([settling], OPEN + 61 * SECOND) == [], "the same moment counts once"
    assert standing.settled([settling], OPEN + 62 * SECOND) == [entry_of_it]


def test_an_order_cancelled_from_outside_ends_and_alerts(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.desk.submit(entry(valid_until=at(12)), OPEN)
        w.tick(OPEN, "103", jumped=True)
        w.broker.end(entry().tag, OrderState.CANCELLED, "exchange kill switch", OPEN + SECOND)
        w.desk.step(OPEN + SECOND)
        assert w.order(entry()).state is OrderState.CANCELLED
        assert "ENTRY cancelled by the broker: exchange kill switch" in alerts(w)
        assert len(w.broker.orders()) == 1, "it is not sent again"


class Forgetful(PaperBroker):
    """Its order book loses what an exchange's kill switch has killed."""

    lost: frozenset[str] = frozenset()

    def orders(self) -> list[BrokerOrder]:
        return [row for row in super().orders() if row.order.tag not in self.lost]


def test_an_order_that_vanished_ends_as_cancelled_and_its_stop_is_placed_again(
    tmp_path: Path,
) -> None:
    with world(tmp_path, broker_class=Forgetful) as w:
        assert isinstance(w.broker, Forgetful)
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "100", jumped=True)
        (stop,) = w.working(Purpose.STOP)
        w.broker.end(stop.intent.tag, OrderState.CANCELLED, "killed", OPEN)
        w.broker.lost = frozenset({stop.intent.tag})
        w.desk.step(OPEN + SECOND)
        assert w.order(stop.intent).code == "VANISHED"
        assert "STOP vanished" in alerts(w)
        (again,) = w.working(Purpose.STOP)
        assert again.intent.key != stop.intent.key


def test_what_was_adopted_is_in_the_ledger_and_survives_a_restart(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.broker.feed("open", OPEN, {"TEST": D(100), "OTHER": D(100)}, jumped=True)
        by_hand(w, OrderSide.BUY, 7, limit="101", symbol="OTHER")
        w.broker.transfer(D(1_000), {"TEST": 12})
        wait(w, 120)
        kinds = {type(record.event) for record in w.ledger.events()}
        assert {OrderAdopted, PositionAdopted, FundsAdopted} <= kinds
        kept = w.desk.book.fingerprint()
        assert w.desk.book.positions["TEST"].product is Product.DELIVERY
    with world(tmp_path, now=OPEN + 130 * SECOND) as w:
        assert w.desk.book.fingerprint()["positions"] == kept["positions"]
        assert w.ledger.verify().ok


def test_differences_in_plain_words(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "100", jumped=True)
        full = w.gate.snapshot()
        bare = Snapshot([], [], [BrokerPosition("ODD", 3, 3)], False, D(5))
        assert differences(w.desk.book, full) == ()
        found = differences(w.desk.book, bare)
        tags = [view.intent.tag for view in w.desk.book.live_orders()]
        assert set(found) == {
            "ODD: 0 in the ledger, 3 at the broker",
            "TEST: 10 in the ledger, 0 at the broker",
            *(f"order {tag} of TEST is not in the broker's book" for tag in tags),
            f"order {entry().tag} of TEST has filled today, the broker's book lacks it",
        }


class Frozen(PaperBroker):
    """Its books stand still, or are empty for a while."""

    empty = False

    def orders(self) -> list[BrokerOrder]:
        return [] if self.empty else list(super().orders())

    def trades(self) -> list[Fill]:
        return [] if self.empty else list(super().trades())

    def positions(self) -> list[BrokerPosition]:
        return [] if self.empty else list(super().positions())


def test_books_that_come_back_empty_take_no_stop_away(tmp_path: Path) -> None:
    class Unsure(Frozen):
        absence_is_proof = False
        funds_are_exact = False

    with world(tmp_path, broker_class=Unsure) as w:
        assert isinstance(w.broker, Unsure)
        w.desk.submit(entry(), OPEN)
        w.tick(OPEN, "100", jumped=True)
        w.broker.empty = True
        wait(w, 1_200)
        assert w.desk.book.positions["TEST"].quantity == 10, "its entry filled today"
        assert w.desk.book.differences
        w.broker.empty = False
        wait(w, 120, OPEN + 1_200 * SECOND)  # those that vanished are taken back, two a second
        assert w.desk.book.differences == ()
        assert sum(v.intent.quantity for v in w.working(Purpose.STOP)) == 10
        resting = [row for row in w.broker.orders() if row.state.is_working]
        assert sum(row.order.quantity for row in resting) == 10, "no second stop is left"


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param("98.00", id="the cash of a resting purchase is still blocked"),
        pytest.param("101.00", id="a sale has brought cash in"),
    ],
)
def test_an_order_is_not_gone_while_the_cash_says_otherwise(tmp_path: Path, limit: str) -> None:
    """A book that lags lacks what was sent last, for minutes; another order would double it."""

    class Lagging(Forgetful):
        absence_is_proof = False

    with world(tmp_path, broker_class=Lagging) as w:
        assert isinstance(w.broker, Lagging)
        w.desk.submit(entry(limit_price=Decimal(limit)), OPEN)
        w.tick(OPEN, "100", jumped=True)
        w.desk.step(OPEN + SECOND)
        (live,) = [v for v in w.desk.book.live_orders() if v.state.is_working]
        if live.intent.purpose is Purpose.STOP:
            w.broker.feed("crash", OPEN + 2 * SECOND, {"TEST": Decimal(94)})  # the desk is away
        w.broker.lost = frozenset({live.intent.tag})
        wait(w, 300, OPEN + 3 * SECOND)
        assert w.order(live.intent).code != "VANISHED"
        assert w.desk.book.differences
