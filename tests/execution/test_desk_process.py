"""The desk process on a told clock: ticks, bars that come in the evening, restarts, questions."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from kasauti.errors import LeaseError
from kasauti.execution import heartbeat
from kasauti.execution.brokers.paper_book import adapter
from kasauti.execution.clock import ReplayClock
from kasauti.execution.events import (
    EpochRaised,
    LimitsSealed,
    OrderFilled,
    Reconciled,
    ReconciliationRequested,
    SessionClosed,
)
from kasauti.execution.heartbeat import BEAT, Mode
from kasauti.execution.host import DESK_PROCESS
from kasauti.execution.limits import custom
from kasauti.execution.model import Outcome, Product, Purpose, Scope
from kasauti.execution.orders import OrderState
from kasauti.execution.replay import decide, replay
from kasauti.execution.schema import broker_events
from kasauti.execution.signals import to_intents
from kasauti.market.markets import NSE
from tests.execution.desks import (
    FLAT,
    HISTORY,
    Running,
    SmallAccount,
    paper_ledger,
    process_in,
    told,
    write_tick,
)
from tests.execution.replays import GENOME, PERMIT, day, settings, walk
from tests.execution.world import (
    AUCTIONS,
    LIMITS,
    OPEN,
    TODAY,
    TOMORROW,
    YESTERDAY,
    at,
    bars_of,
    entry,
)

D = Decimal
MORNING, EVENING = at(8), at(18)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


def turn(running: Running, when: datetime) -> None:
    clock = running.clock
    assert isinstance(clock, ReplayClock)
    clock.set(when)
    running.process.turn()


def outcome(running: Running, key: str = entry().key) -> Outcome:
    order = running.ledger.book().order(key)
    assert order is not None
    return order.outcome


# -- ticks ---------------------------------------------------------------------------------------


def test_a_session_on_ticks_from_open_to_close(tmp_path: Path) -> None:
    with process_in(tmp_path, ReplayClock(MORNING)) as running:
        running.ledger.claim(entry(), at=MORNING)
        turn(running, OPEN - MINUTE)
        write_tick(tmp_path, OPEN, "100.02")
        turn(running, OPEN)
        book = running.ledger.book()
        assert book.limits_day == TODAY and book.self_tested == TODAY
        assert outcome(running) is Outcome.ACCEPTED
        assert book.positions["TEST"].quantity == 10
        (stop,) = [v for v in book.live_orders() if v.intent.purpose is Purpose.STOP]
        assert stop.state.is_working, "it is protected in the same turn"
        write_tick(tmp_path, at(11), "94.00")
        turn(running, at(11))
        turn(running, at(11, 0, 1))
        assert "TEST" not in running.ledger.book().positions, "the stop did its work"
        write_tick(tmp_path, at(12), "96.00", "OTHER")
        turn(running, at(15, 30))
        book = running.ledger.book()
        assert [d.day for d in book.days] == [TODAY] and not book.live_orders()
        assert running.ledger.verify().ok


def test_a_tick_of_before_the_open_opens_nothing(tmp_path: Path) -> None:
    """Its price is none of the session's: an order would fill at what was paid yesterday."""
    with process_in(tmp_path, ReplayClock(MORNING)) as running:
        running.ledger.claim(entry(), at=MORNING)
        write_tick(tmp_path, OPEN - 8 * MINUTE, "110")
        turn(running, OPEN - 8 * MINUTE)
        turn(running, OPEN)
        assert running.ledger.book().limits_day is None
        assert outcome(running) is Outcome.QUEUED
        write_tick(tmp_path, OPEN + SECOND, "110")
        turn(running, OPEN + SECOND)
        turn(running, OPEN + 2 * SECOND)
        order = running.ledger.book().order(entry().key)
        assert order is not None and order.filled == 0, "the limit is below the market"


def test_what_a_dead_desk_left_resting_does_not_execute_in_the_closing_auction(
    tmp_path: Path,
) -> None:
    """The broker knows the hours by itself: no stop rests in the auction, no price moves there."""
    account = SmallAccount(calendar=AUCTIONS)
    with process_in(tmp_path, ReplayClock(MORNING), account) as running:
        running.ledger.claim(entry(), at=MORNING)
        write_tick(tmp_path, OPEN, "100")
        turn(running, OPEN)
    write_tick(tmp_path, at(15, 14, 59), "97")
    write_tick(tmp_path, at(15, 20), "94")
    with process_in(tmp_path, ReplayClock(at(15, 21)), account) as running:
        for second in range(3):
            turn(running, at(15, 21, second))
        book = running.ledger.book()
        assert book.positions["TEST"].quantity == 10 and not book.live_orders()
        (stop,) = [v for v in book.orders.values() if v.intent.purpose is Purpose.STOP]
        assert stop.state is OrderState.LAPSED


def test_a_halt_that_the_feed_tells_keeps_orders_back_until_it_is_over(tmp_path: Path) -> None:
    with process_in(tmp_path, ReplayClock(MORNING)) as running:
        feed = running.hosted.feed
        write_tick(tmp_path, OPEN, "100")
        turn(running, OPEN)
        feed.halt(OPEN, "TEST")
        running.ledger.claim(entry(), at=OPEN)
        turn(running, OPEN + SECOND)
        assert outcome(running) is Outcome.QUEUED
        feed.call("TEST")
        turn(running, OPEN + 2 * SECOND)
        assert outcome(running) is Outcome.QUEUED
        feed.resume("TEST")
        turn(running, OPEN + 3 * SECOND)
        assert running.ledger.book().positions["TEST"].quantity == 10


def test_limits_that_are_tightened_while_the_session_runs_are_sealed(tmp_path: Path) -> None:
    with process_in(tmp_path, ReplayClock(MORNING)) as running:
        write_tick(tmp_path, OPEN, "100")
        turn(running, OPEN)
        sealed = running.ledger.book().limits
        assert sealed is not None
        for loss, allowed in ((D(500), D(500)), (D(900), D(500)), (D(400), D(400))):
            running.account.limits = replace(sealed, daily_loss=loss)
            turn(running, running.clock.now() + BEAT)
            now = running.ledger.book().limits
            assert now is not None and now.daily_loss == allowed, "only ever tighter"
        assert len(told(running.ledger, LimitsSealed)) == 3


def test_an_intent_is_answered_in_the_turn_after_its_commit(tmp_path: Path) -> None:
    with process_in(tmp_path, ReplayClock(MORNING)) as running:
        write_tick(tmp_path, OPEN, "100")
        turn(running, OPEN)
        running.ledger.claim(entry(), at=OPEN)
        turn(running, OPEN + timedelta(milliseconds=5))
        assert outcome(running) is Outcome.ACCEPTED


@pytest.mark.parametrize(
    ("better_trades_after", "bought"),
    [
        pytest.param(1, "TEST", id="the better one trades a second later"),
        pytest.param(30, "OTHER", id="it does not trade: nobody waits for ever"),
    ],
)
def test_the_only_slot_is_the_better_ranked_signals(
    tmp_path: Path, better_trades_after: int, bought: str
) -> None:
    """Which share trades first at the open is chance; which signal is better is not."""
    account = SmallAccount(limits=replace(LIMITS, trades_a_day=1))
    with process_in(tmp_path, ReplayClock(at(9, 14)), account) as running:
        for symbol, score in (("OTHER", 1), ("TEST", 5)):
            wanted = replace(entry(symbol, key=f"k|{symbol}"), score=D(score))
            running.hosted.desk.submit(wanted, at(9, 14))
        for second in range(40):
            now = OPEN + second * SECOND
            write_tick(tmp_path, now, "100.00", "OTHER")
            if second >= better_trades_after:
                write_tick(tmp_path, now, "100.00", "TEST")
            turn(running, now)
        assert list(running.ledger.book().positions) == [bought]


def test_without_ticks_an_open_session_is_left_alone(tmp_path: Path) -> None:
    with process_in(tmp_path, ReplayClock(MORNING)) as running:
        running.ledger.claim(entry(), at=MORNING)
        for when in (OPEN, OPEN + 5 * MINUTE, at(12), at(16)):
            turn(running, when)
        assert outcome(running) is Outcome.QUEUED, "neither sent nor expired: its bars may come"
        assert running.ledger.book().limits_day is None


def test_bars_of_a_session_that_was_traded_on_ticks_are_not_played(tmp_path: Path) -> None:
    with process_in(tmp_path, ReplayClock(MORNING)) as running:
        write_tick(tmp_path, OPEN, "100")
        turn(running, OPEN)
        turn(running, at(15, 30))
        before = running.ledger.book().fingerprint()
        running.account.let_arrive(bars_of({"TEST": [FLAT, FLAT, FLAT]}))
        turn(running, EVENING)
        assert running.ledger.book().fingerprint() == before


def test_the_next_desk_goes_on_where_a_dead_one_stood(tmp_path: Path) -> None:
    """Ticks that came while nobody ran meet the orders that rested at the broker."""
    with process_in(tmp_path, ReplayClock(MORNING)) as running:
        running.ledger.claim(entry(), at=MORNING)
        write_tick(tmp_path, OPEN, "100")
        turn(running, OPEN)
        assert "TEST" in running.ledger.book().positions
    write_tick(tmp_path, at(11), "94.90")
    with process_in(tmp_path, ReplayClock(at(12))) as running:
        turn(running, at(12))
        turn(running, at(12, 0, 1))
        fills = [event.fill for event in told(running.ledger, OrderFilled)]
        assert [(f.side.value, f.at) for f in fills] == [("BUY", OPEN), ("SELL", at(11))]
        hosts = [event.host for event in told(running.ledger, EpochRaised)]
        assert hosts == [DESK_PROCESS, DESK_PROCESS]


def test_a_session_that_a_dead_desk_left_open_is_closed_by_the_next(tmp_path: Path) -> None:
    with process_in(tmp_path, ReplayClock(MORNING)) as running:
        running.ledger.claim(entry(), at=MORNING)
        write_tick(tmp_path, OPEN, "100")
        turn(running, OPEN)
    write_tick(tmp_path, at(11), "99")
    with process_in(tmp_path, ReplayClock(at(8, day=TOMORROW))) as running:
        turn(running, at(8, day=TOMORROW))
        closed = told(running.ledger, SessionClosed)
        assert closed == [SessionClosed(TODAY, {"TEST": Decimal("99.00")})]


def test_a_silence_of_the_feed_is_followed_by_a_reconciliation(tmp_path: Path) -> None:
    with process_in(tmp_path, ReplayClock(MORNING)) as running:
        write_tick(tmp_path, OPEN, "100")
        turn(running, OPEN)
        turn(running, OPEN + timedelta(milliseconds=100))  # its own records are news, once
        asked: list[datetime] = []
        real = running.hosted.desk.reconcile

        def spy(now: datetime, **more: bool) -> object:
            asked.append(now)
            return real(now, **more)

        running.hosted.desk.reconcile = spy  # type: ignore[assignment]  # watched, not changed
        for tenths in (2, 4):
            turn(running, OPEN + tenths * SECOND / 10)
        assert not asked
        write_tick(tmp_path, OPEN + MINUTE, "100")
        turn(running, OPEN + MINUTE)
        assert len(asked) >= 2, "the gap of the feed and that of the process, then the step"


# -- bars ----------------------------------------------------------------------------------------


def test_paper_trading_on_bars_is_the_replay_one_evening_at_a_time(tmp_path: Path) -> None:
    """Same signals, fills, trades and equity; only the scope and the host differ."""
    bars, first, last = walk(), 30, 45
    limits = custom(
        capital=Decimal(100_000),
        trades_a_day=3,
        risk_per_trade=Decimal(2_000),
        daily_loss=Decimal(5_000),
        losing_streak=10,
    )
    rules = settings(bars, limits=limits)
    cut = bars.between(0, last)
    expected = replay(tmp_path / "replay.sqlite", cut, rules, first=day(bars, first))
    account = SmallAccount(
        bars.between(0, first),
        rules.calendar,
        limits,
        permits={GENOME.hash: replace(PERMIT, scope=Scope.PAPER)},
    )

    def evening(position: int) -> datetime:
        session = rules.calendar.session(day(bars, position))
        assert session is not None
        return session.close + 3 * 60 * MINUTE

    with process_in(tmp_path, ReplayClock(evening(first - 1)), account) as running:
        for position in range(first - 1, last):
            known = bars.between(0, position + 1)
            account.let_arrive(known)
            turn(running, evening(position))
            running.hosted.desk.review(by="anna", reason="looked", now=evening(position))
            session = rules.calendar.next_session(day(bars, position))
            for intent in to_intents(decide(running.ledger.book(), known, rules), session):
                running.ledger.claim(intent, at=evening(position))
        book = running.ledger.book()
        assert running.ledger.verify().ok
    assert len(expected.trades) >= 3
    assert book.trades == expected.trades
    assert (book.days, book.positions, book.fills) == (
        expected.days,
        expected.positions,
        expected.fills,
    )


@pytest.mark.parametrize(
    ("committed", "expected"),
    [
        pytest.param(at(18, day=YESTERDAY), OrderState.FILLED, id="the evening before"),
        pytest.param(at(9, 14), OrderState.FILLED, id="a minute before the open"),
        pytest.param(at(9, 20), OrderState.EXPIRED, id="within its window, after the open"),
        pytest.param(at(15), OrderState.EXPIRED, id="in hindsight"),
    ],
)
def test_only_what_was_wanted_before_the_open_is_traded(
    tmp_path: Path, committed: datetime, expected: OrderState
) -> None:
    with process_in(tmp_path, ReplayClock(at(17, day=YESTERDAY))) as running:
        turn(running, at(17, day=YESTERDAY))
        running.ledger.claim(entry(), at=committed)
        running.account.let_arrive(bars_of({"TEST": [FLAT, FLAT, FLAT]}))
        turn(running, at(14, 59))
        assert outcome(running) is Outcome.QUEUED, "the session is not over yet"
        turn(running, EVENING)
        order = running.ledger.book().order(entry().key)
        assert order is not None and order.state is expected
        assert [d.day for d in running.ledger.book().days] == [TODAY]


def test_daily_bars_deny_the_intraday_entry_that_they_could_not_square_off(tmp_path: Path) -> None:
    evening = at(18, day=YESTERDAY)
    with process_in(tmp_path, ReplayClock(evening)) as running:
        turn(running, evening)
        running.ledger.claim(entry(product=Product.INTRADAY), at=evening)
        running.ledger.claim(entry("OTHER"), at=evening)
        rows = {symbol: [FLAT, FLAT, FLAT] for symbol in ("TEST", "OTHER")}
        running.account.let_arrive(bars_of(rows))
        turn(running, EVENING)
        order = running.ledger.book().order(entry().key)
        assert order is not None
        assert (order.state, order.code) == (OrderState.DENIED, "DAILY_BARS")
        assert any("denied: DAILY_BARS" in said for _, said in running.ledger.outbox())
        assert set(running.ledger.book().positions) == {"OTHER"}


@pytest.mark.parametrize(
    ("volume", "filled"),
    [
        pytest.param((50.0, 50.0, 0.0), 0, id="nothing was traded"),
        pytest.param((0.0, 0.0, 0.0), 10, id="none is ever reported"),
        pytest.param(9.0, 0, id="a tenth is less than a share"),
        pytest.param(50.0, 5, id="a tenth"),
        pytest.param(float("nan"), 10, id="nobody knows"),
    ],
)
def test_a_bar_fills_a_tenth_of_its_volume_at_most(
    tmp_path: Path, volume: float | tuple[float, ...], filled: int
) -> None:
    evening = at(18, day=YESTERDAY)
    with process_in(tmp_path, ReplayClock(evening)) as running:
        turn(running, evening)
        running.ledger.claim(entry(), at=evening)
        bars = bars_of({"TEST": [FLAT, FLAT, FLAT]})
        bars = replace(bars, volume=np.broadcast_to(np.array(volume), (1, 3)).copy())
        running.account.let_arrive(bars)
        turn(running, EVENING)
        order = running.ledger.book().order(entry().key)
        assert order is not None and order.filled == filled


def test_a_session_with_a_closing_auction_is_played_like_any_other(tmp_path: Path) -> None:
    """Its stop works until the auction; the close, the auction's price, executes nothing."""
    evening = at(18, day=YESTERDAY)
    with process_in(tmp_path, ReplayClock(evening), SmallAccount(calendar=AUCTIONS)) as running:
        turn(running, evening)
        for symbol in ("TEST", "OTHER"):
            running.ledger.claim(entry(symbol), at=evening)
        falls = [FLAT, FLAT, (100.0, 101.0, 90.0, 94.0)]
        running.account.let_arrive(bars_of({"TEST": falls, "OTHER": [FLAT, FLAT, FLAT]}))
        turn(running, EVENING)
        book = running.ledger.book()
        assert book.trades[0].reason is Purpose.STOP
        assert set(book.positions) == {"OTHER"} and not book.live_orders()
        assert book.differences == ()


def test_sessions_that_are_played_have_the_bands_of_their_own_day(tmp_path: Path) -> None:
    """Those of a day on ticks are over with it; of bars they are of what may be traded."""
    with process_in(tmp_path, ReplayClock(at(8, day=YESTERDAY))) as running:
        write_tick(tmp_path, at(9, 15, day=YESTERDAY), "100")
        for when in (at(9, 15, day=YESTERDAY), at(15, 30, day=YESTERDAY), at(18, day=YESTERDAY)):
            turn(running, when)
        running.ledger.claim(entry(), at=at(18, day=YESTERDAY))
        rise = (100.0, 118.0, 99.0, 117.0)
        bars = bars_of({"TEST": [FLAT, FLAT, rise, (130.0, 135.0, 129.0, 134.0)]})
        running.account.let_arrive(bars)
        turn(running, at(18, day=TOMORROW))
        with running.ledger.engine.connect() as connection:
            kind = broker_events.c.kind == "Listed"
            found = connection.execute(select(broker_events.c.payload).where(kind)).scalars()
            listed = [adapter("Listed").validate_json(payload) for payload in found]
        bands = [(one.day, one.instruments["TEST"].previous_close) for one in listed]
        assert bands[1:] == [(TODAY, 100), (TOMORROW, 117)]


def test_sessions_before_the_ledger_began_are_history(tmp_path: Path) -> None:
    with process_in(tmp_path, ReplayClock(EVENING)) as running:
        running.account.let_arrive(bars_of({"TEST": [FLAT, FLAT, FLAT]}))
        turn(running, EVENING)
        assert not running.ledger.book().days


def test_bars_that_cannot_be_used_are_said_and_stop_nothing(tmp_path: Path) -> None:
    with process_in(tmp_path, ReplayClock(MORNING)) as running:
        running.account.calendar = NSE.replay_calendar([TODAY])
        running.account.let_arrive(HISTORY)
        turn(running, MORNING + 2 * SECOND)
        said = heartbeat.read(tmp_path / "desk.json")
        assert said is not None and "does not know" in said.problem


# -- the process itself --------------------------------------------------------------------------


def test_it_says_once_a_second_what_it_does(tmp_path: Path) -> None:
    beat = tmp_path / "desk.json"
    with process_in(tmp_path, ReplayClock(MORNING)) as running:
        turn(running, MORNING)
        first = heartbeat.read(beat)
        assert first is not None and (first.mode, first.epoch) == (Mode.BARS, 1)
        assert "waits for the open at 09:15" in first.doing and first.is_alive(MORNING)
        turn(running, MORNING + SECOND / 2)
        assert heartbeat.read(beat) == first
        write_tick(tmp_path, OPEN, "100")
        turn(running, OPEN)
        later = heartbeat.read(beat)
        assert later is not None and (later.mode, later.last_tick) == (Mode.TICKS, OPEN)
        running.process.run(lambda: True)
    last = heartbeat.read(beat)
    assert last is not None and last.mode is Mode.STOPPED and not last.is_alive(OPEN)


def test_it_reconciles_by_the_timer_and_when_asked(tmp_path: Path) -> None:
    def comparisons(running: Running) -> int:
        return len(told(running.ledger, Reconciled))

    with process_in(tmp_path, ReplayClock(MORNING), every=30 * SECOND) as running:
        assert comparisons(running) == 1, "on its start"
        turn(running, MORNING + SECOND)
        running.ledger.append(ReconciliationRequested("anna"), at=MORNING + SECOND)
        turn(running, MORNING + 2 * SECOND)
        assert comparisons(running) == 2
        turn(running, MORNING + 3 * SECOND)
        assert comparisons(running) == 2, "one answer to one question"
        for second in range(4, 40):
            turn(running, MORNING + second * SECOND)
        said = heartbeat.read(tmp_path / "desk.json")
        assert said is not None and said.reconciled == MORNING + 32 * SECOND


def test_when_another_desk_has_taken_over_it_ends_and_sends_nothing(tmp_path: Path) -> None:
    with process_in(tmp_path, ReplayClock(MORNING)) as running:
        write_tick(tmp_path, OPEN, "100")
        turn(running, OPEN)
        other = paper_ledger(tmp_path)
        other.raise_epoch(host="another", at=OPEN)
        other.claim(entry(), at=OPEN)
        with pytest.raises(LeaseError, match="another desk has taken over"):
            turn(running, OPEN + SECOND)
        assert outcome(running) is Outcome.QUEUED
        other.close()


def test_a_clock_that_was_set_back_is_waited_for(tmp_path: Path) -> None:
    class Wrong(ReplayClock):
        back = timedelta(0)

        def now(self) -> datetime:
            return super().now() - self.back

    clock = Wrong(MORNING)
    with process_in(tmp_path, clock) as running:
        running.ledger.claim(entry(), at=MORNING)
        turn(running, OPEN - MINUTE)
        write_tick(tmp_path, OPEN - MINUTE, "100")
        clock.back = timedelta(hours=1)
        turn(running, OPEN)
        said = heartbeat.read(tmp_path / "desk.json")
        assert said is not None and "set back" in said.problem
        assert outcome(running) is Outcome.QUEUED
        clock.back = timedelta(0)
        write_tick(tmp_path, OPEN, "100")
        turn(running, OPEN + SECOND)
        assert outcome(running) is Outcome.ACCEPTED
