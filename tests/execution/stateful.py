"""Random sequences of everything that can happen to a gate, and what must never happen.

A seeded driver of its own: hypothesis' state machine runs a few hundred steps in the time of a
hundred thousand of these. The order that goes to the broker is judged there, by what the broker
has and what was sealed, not by what the gate thought of it.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from typing import Any

from kasauti.errors import KasautiError, LeaseError, LedgerError
from kasauti.execution import desk as desks
from kasauti.execution.brokers.base import BrokerOrder, BrokerPosition, Reply
from kasauti.execution.brokers.faults import Fault, FaultPlan, Faulty
from kasauti.execution.conditions import Conditions
from kasauti.execution.controls import CONTROLS, Control
from kasauti.execution.desk import Desk
from kasauti.execution.events import (
    EpochRaised,
    GateDecided,
    LatchChanged,
    LimitsSealed,
    OrderAdopted,
    OrderMoved,
    PositionAdopted,
    Record,
    Reviewed,
    TradingState,
    TradingStateChanged,
)
from kasauti.execution.gate import Gate
from kasauti.execution.latch import Latch
from kasauti.execution.lease import Lease
from kasauti.execution.limits import Limits, Review
from kasauti.execution.model import (
    Fill,
    Intent,
    Offset,
    Order,
    OrderSide,
    OrderType,
    Protection,
    Purpose,
    Scope,
    round_to_tick,
)
from kasauti.execution.orders import OrderState
from kasauti.execution.projections import Book
from kasauti.execution.references import Reference
from kasauti.execution.self_test import trip_every_control
from kasauti.market.markets import NSE
from tests.execution import world
from tests.execution.memory import MemoryBroker, MemoryLedger

SYMBOLS = ("TEST", "OTHER", "THIRD", "FOURTH")
LIMITS = replace(
    world.LIMITS,
    trades_a_day=8,
    review=Review.WEEKLY,
    slots=3,
    max_order_value=Decimal(30_000),
    max_open_value=Decimal(45_000),
    max_gross=Decimal(60_000),
    max_position_value=Decimal(30_000),
    repeats=10,
    losing_streak=10,
    orders_a_second=5,
    cooldown_sessions=0,
)
TICK = Decimal("0.05")
PERMIT = replace(world.permit(Scope.PAPER), valid_until=world.at(0, day=date(2027, 1, 1)))
SECOND = timedelta(seconds=1)
HEALTHY = FaultPlan({})
DAYS = world.DAYS[1:]


class Broken(AssertionError):
    """An invariant that did not hold."""


@dataclass
class Judge:
    """Stands between faults and broker and judges every order that gets this far."""

    broker: Faulty
    game: "Game"

    name = "paper"
    funds_are_exact = True

    @property
    def absence_is_proof(self) -> bool:
        return self.broker.absence_is_proof

    def place(self, order: Order, at: datetime) -> Reply:
        self.game.judge(order, at)
        return self.broker.place(order, at)

    def cancel(self, tag: str, at: datetime) -> Reply:
        return self.broker.cancel(tag, at)

    def orders(self) -> Sequence[BrokerOrder]:
        return self.broker.orders()

    def trades(self) -> Sequence[Fill]:
        return self.broker.trades()

    def positions(self) -> Sequence[BrokerPosition]:
        return self.broker.positions()

    def funds(self) -> Decimal:
        return self.broker.funds()

    def conditions(self, now: datetime) -> Conditions:
        return self.broker.conditions(now)


class Lock:
    """A lease's lock that only the epoch can take away."""

    def is_held(self) -> bool:
        return True

    def release(self) -> None:
        return


class Game:
    """One account that is played with.

    Parameters
    ----------
    folder : Path
        For the latch file.
    seed : int
    controls : sequence of Control
        Fewer than all of them only to see that the judge misses them.
    """

    def __init__(self, folder: Path, seed: int, controls: Sequence[Control] = CONTROLS) -> None:
        self.controls = controls
        self.rng = random.Random(f"stateful {seed}")
        self.days = iter(DAYS)
        self.now = world.at(9, 0, day=next(self.days))
        self.rows: list[Record] = []
        self.done: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.paper = MemoryBroker(NSE, LIMITS.capital)
        self.faulty = Faulty(self.paper, HEALTHY)
        self.prices = dict.fromkeys(SYMBOLS, Decimal(100))
        self.references: dict[str, Reference] = {}
        self.sent: set[str] = set()
        self.sends: list[datetime] = []
        self.wanted = LIMITS
        self.moment = self.number = 0
        self.latch = Latch.beside(folder / "ledger")
        self.path = folder / "ledger"
        # The whole scratch gate takes longer than a day here.
        desks.self_test = trip_every_control  # type: ignore[attr-defined]
        self.rules: dict[Callable[[], None], int] = {
            self.tick: 30,
            self.step: 12,
            self.enter: 22,
            self.leave: 8,
            self.ask_nonsense: 8,
            self.wait: 14,
            self.harm: 4,
            self.heal: 6,
            self.restart: 3,
            self.be_overtaken: 1,
            self.set_clock_back: 1,
            self.tighten: 1,
            self.loosen: 1,
            self.kill: 1,
            self.flatten: 1,
            self.resume: 8,
            self.switch: 2,
            self.activate: 8,
            self.revise: 2,
            self.buy_by_hand: 1,
            self.end_from_outside: 2,
            self.trip: 1,
            self.forget_reference: 1,
            self.review: 1,
        }
        self.start()
        self.open()

    # -- what happens ----------------------------------------------------------------------------

    def play(self, steps: int) -> None:
        """Play `steps` rules."""
        rules, weights = list(self.rules), list(accumulate(self.rules.values()))
        for _ in range(steps):
            (rule,) = self.rng.choices(rules, cum_weights=weights)
            self.now += timedelta(seconds=self.rng.choice((0, 0, 1, 1, 3, 30)))
            if self.now >= world.at(15, 20, day=self.now.date()):
                self.close()
            rule()
            self.done[rule.__name__] += 1
            self.check()

    def start(self) -> None:
        """Start a desk on what there is."""
        self.ledger = MemoryLedger(self.path, self.rows, scope=Scope.PAPER, at=self.now)
        epoch = self.ledger.raise_epoch(host="stateful", at=self.now) if self.rows else 0
        self.lease = Lease(self.ledger, Lock(), epoch)
        self.gate = Gate(
            Judge(self.faulty, self),
            ledger=self.ledger,
            lease=self.lease,
            latch=self.latch,
            calendar=world.CALENDAR,
            market=NSE,
            references=self.references.get,
            permits={"g": PERMIT}.get,
            controls=self.controls,
        )
        self.desk = Desk(
            ledger=self.ledger,
            lease=self.lease,
            gate=self.gate,
            latch=self.latch,
            calendar=world.CALENDAR,
            market=NSE,
            references=self.references.get,
        )
        self.desk.reconcile(self.now, always_record=True)

    def open(self) -> None:
        day = self.now.date()
        before = max(d for d in world.DAYS if d < day)
        closes = self.paper.last_prices() or self.prices
        self.references.clear()
        self.references.update(
            {s: Reference(s, before, closes.get(s, Decimal(100))) for s in SYMBOLS}
        )
        self.now = max(self.now, world.at(9, 15, day=day))
        self.wanted = LIMITS
        self.desk.open_session(self.now, self.wanted)
        volumes = {s: Decimal(self.rng.choice((500, 3_000, 100_000))) for s in SYMBOLS}
        self.paper.feed("open", self.now, self.prices, volumes, jumped=True)
        self.desk.step(self.now)

    def close(self) -> None:
        """End the session and open the next one; after the last the days begin anew."""
        self.heal()
        day = self.now.date()
        self.now = max(self.now, world.at(15, 30, day=day))
        self.seen["positions held over a session's end"] += len(self.paper.positions())
        self.paper.end_session(self.now)
        self.desk.reconcile(self.now)
        self.desk.close_session(self.now, self.paper.last_prices())
        following = next(self.days, None)
        if following is None:
            raise StopIteration
        self.now = world.at(9, 0, day=following)
        if self.desk.book.trades:
            self.desk.acknowledge(by="somebody", reason="stateful", now=self.now)
        self.restart()
        self.open()

    def tick(self) -> None:
        for symbol in self.rng.sample(SYMBOLS, 2):
            # Around the last close, else the collar denies everything; at times far from it.
            known = self.references.get(symbol)
            middle = self.prices[symbol] if known is None else known.close
            far = self.rng.choice(("0.985", "0.995", "1", "1.005", "1.01", "1.02", "0.96", "0.9"))
            self.prices[symbol] = round_to_tick(middle * Decimal(far), TICK, up=False)
        self.paper.feed("", self.now, self.prices)
        self.desk.step(self.now)

    def step(self) -> None:
        self.desk.step(self.now)

    def wait(self) -> None:
        self.now += timedelta(seconds=self.rng.choice((31, 61, 600, 1_200)))

    def enter(self) -> None:
        self._submit(self._entry())

    def leave(self) -> None:
        book = self.desk.book
        ours = [p for p in book.positions.values() if abs(p.quantity) > p.foreign and not p.leaving]
        if ours:
            position = self.rng.choice(ours)
            parent = book.order(position.parent)
            assert parent is not None
            quantity = position.quantity - position.foreign
            limit = round_to_tick(self.prices[position.symbol] * Decimal("0.95"), TICK, up=True)
            self._submit(
                world.closing(
                    parent.intent,
                    key=self._key(position.symbol),
                    quantity=quantity,
                    limit_price=limit,
                    valid_from=self.now,
                    valid_until=self.now + timedelta(minutes=10),
                )
            )

    def ask_nonsense(self) -> None:
        good = self._entry()
        price, protection = good.limit_price, good.protection
        wrong: Mapping[str, Any] = self.rng.choice(
            (
                {"limit_price": Decimal("NaN")},
                {"limit_price": -price},
                {"limit_price": price + Decimal("0.01")},
                {"limit_price": round_to_tick(price * Decimal("1.15"), TICK, up=True)},
                {"quantity": 0},
                {"quantity": 100_000},
                {"symbol": "NOBODY"},
                {"genome_hash": "nobody"},
                {"protection": None},
                {"trigger_price": price},
                {"side": OrderSide.SELL},
                {"purpose": Purpose.STOP, "side": OrderSide.SELL, "protection": None},
                {"valid_until": self.now},
                {"valid_from": self.now + timedelta(minutes=5)},
                {"protection": protection and Protection(Offset(Decimal("0.9"), of_price=True))},
            )
        )
        self._submit(replace(good, **wrong))

    def harm(self) -> None:
        fault = self.rng.choice(list(Fault))
        rate = self.rng.choice((0.2, 0.6, 1.0))
        self.faulty = Faulty(self.paper, FaultPlan({fault: rate}, seed=self.number))
        self._rewire()

    def heal(self) -> None:
        self.faulty = Faulty(self.paper, HEALTHY)
        self.paper.trip()
        self._rewire()

    def restart(self) -> None:
        before = self.desk.book.fingerprint()
        again = MemoryLedger(self.path, self.rows, scope=Scope.PAPER, at=self.now)
        if again.book().fingerprint() != before:
            raise Broken("the book is not the same when it is built again")
        self.start()

    def be_overtaken(self) -> None:
        """Another desk takes over; the old one may not do a thing any more."""
        old, gate, sent = self.desk, self.gate, len(self.sent)
        self.start()
        intent = self._entry()
        self.ledger.claim(intent, at=self.now)
        length = len(self.rows)
        for act in (
            lambda: gate.release(intent, self.now, None),
            lambda: gate.cancel(intent.tag, self.now),
            lambda: old.set_state(TradingState.ACTIVE, by="x", reason="x", now=self.now),
        ):
            try:
                act()
            except LeaseError:
                continue
            raise Broken("an overtaken desk acted")
        if len(self.sent) != sent or len(self.rows) != length:
            raise Broken("an overtaken desk sent or wrote")
        self.held["an overtaken desk neither sends nor writes"] += 1

    def set_clock_back(self) -> None:
        try:
            self.ledger.claim(self._entry(), at=self.now - timedelta(minutes=5))
        except LedgerError:
            self.held["a clock that was set back is refused"] += 1
            return
        if self.rows[-1].at - self.now > timedelta(minutes=-4):
            raise Broken("the ledger took an event of a clock that was set back")

    def tighten(self) -> None:
        self.wanted = replace(self.wanted, trades_a_day=max(1, self.wanted.trades_a_day - 1))
        self.desk.open_session(self.now, self.wanted)

    def loosen(self) -> None:
        before = self.desk.book.limits
        self.desk.open_session(self.now, replace(LIMITS, trades_a_day=20, slots=20))
        if self.desk.book.limits != before:
            raise Broken("the limits were loosened during a session")
        self.held["limits are not loosened during a session"] += 1

    def kill(self) -> None:
        self.latch.set(self.ledger, by="stateful", reason="seeded", at=self.now)

    def flatten(self) -> None:
        self.kill()
        self.ledger.append(LatchChanged(True, "stateful", "seeded", flatten=True), at=self.now)

    def resume(self) -> None:
        self.latch.lift(self.ledger, by="stateful", reason="seeded", at=self.now)

    def switch(self) -> None:
        state = self.rng.choice((TradingState.REDUCING, TradingState.HALTED))
        self.desk.set_state(state, by="stateful", reason="seeded", now=self.now)

    def activate(self) -> None:
        self.desk.set_state(TradingState.ACTIVE, by="stateful", reason="seeded", now=self.now)

    def revise(self) -> None:
        for symbol, position in list(self.desk.book.positions.items()):
            if position.stop_price is not None:
                stop = position.stop_price * Decimal("1.004")
                self.desk.revise(symbol, stop, str(self.number), self.now)

    def review(self) -> None:
        self.ledger.append(Reviewed("stateful", "seeded"), at=self.now)

    def buy_by_hand(self) -> None:
        self.number += 1
        order = Order(
            f"HAND{self.number}", "FOURTH", OrderSide.BUY, 3, OrderType.LIMIT, Decimal(300)
        )
        self.paper.place(order, self.now)

    def end_from_outside(self) -> None:
        resting = [row for row in self.paper.orders() if row.state.is_working]
        if resting:
            row = self.rng.choice(resting)
            state = self.rng.choice((OrderState.CANCELLED, OrderState.REJECTED))
            self.paper.end(row.order.tag, state, "from outside", self.now)

    def trip(self) -> None:
        self.paper.trip(
            **self.rng.choice(
                (
                    {"market_halted": True},
                    {"feed_at": None},
                    {"login_day": None},
                    {"ip": "10.0.0.1"},
                )
            )
        )

    def forget_reference(self) -> None:
        symbol = self.rng.choice(SYMBOLS)
        kept = self.references.pop(symbol, None)
        self.desk.step(self.now)
        if kept is not None:
            self.references[symbol] = kept

    # -- what must hold --------------------------------------------------------------------------

    def judge(self, order: Order, at: datetime) -> None:
        """Judge one order at the last moment before it leaves."""
        book = self.desk.book
        view = book.orders.get(order.tag)
        if view is None or view.state is not OrderState.SENT:
            raise Broken(f"{order} leaves, and the ledger says {view}")
        if order.tag in self.sent:
            raise Broken(f"{order} leaves a second time")
        if not self.lease.is_held:
            raise Broken(f"{order} leaves without the lease")
        day = at.date()
        if not world.at(9, 15, day=day) <= at < world.at(15, 30, day=day):
            raise Broken(f"{order} leaves while the market is shut")
        tick = NSE.tick_size(order.limit_price, day)
        if order.quantity <= 0 or not order.limit_price > 0 or order.limit_price % tick:
            raise Broken(f"{order} is none")
        limits = book.limits
        assert limits is not None
        self.sent.add(order.tag)
        self.sends = [one for one in self.sends if at - one < SECOND] + [at]
        if len(self.sends) > limits.orders_a_second:
            raise Broken(f"{len(self.sends)} orders a second")
        if view.intent.purpose is Purpose.ENTRY:
            self._judge_entry(order, view.intent, book, limits)
        elif order.quantity > self.paper._book.held.get(order.symbol, 0):
            raise Broken(f"{order} sells more than is held")
        self.held["what leaves is decided, new, on the tick, in time and in pace"] += 1

    def _judge_entry(self, order: Order, intent: Intent, book: Book, limits: Limits) -> None:
        if book.latched or self.latch.is_set() or book.trading_state is not TradingState.ACTIVE:
            raise Broken(f"{order} leaves while trading is stopped")
        if book.limits_day != self.now.date():
            raise Broken(f"{order} leaves under the limits of {book.limits_day}")
        paper, resting = self.paper._book, Decimal(0)
        others, symbols = 0, {s for s, held in paper.held.items() if held}
        for tag in book.sent.get(self.now.date(), []):
            row, other = paper.orders.get(tag), book.orders[tag].intent
            if row is None or other.purpose is not Purpose.ENTRY or tag == order.tag:
                continue
            if row.state.is_working or row.filled:
                others += 1
            if row.state.is_working:
                symbols.add(other.symbol)
                resting += (other.quantity - row.filled) * other.limit_price
        if others >= limits.trades_a_day:
            raise Broken(f"{order} is trade {others + 1} of {limits.trades_a_day}")
        if order.symbol in symbols or len(symbols) >= limits.slots:
            raise Broken(f"{order} takes a slot that is taken: {symbols}")
        value = order.quantity * order.limit_price
        if value > limits.max_order_value or value + resting > limits.max_open_value:
            raise Broken(f"{order} is over the value limits, {resting} rests")
        gross = sum((held * self._mark(s) for s, held in paper.held.items()), Decimal(0))
        if gross + resting + value > limits.max_gross:
            raise Broken(f"{order} is over the gross limit: {gross} held, {resting} rests")
        assert intent.protection is not None
        stop = intent.protection.stop_price(order.limit_price, order.side)
        if abs(order.limit_price - stop) * order.quantity > limits.risk_per_trade:
            raise Broken(f"{order} risks too much")
        self.held["an entry keeps to what was sealed"] += 1

    def _mark(self, symbol: str) -> Decimal:
        position, reference = self.desk.book.positions.get(symbol), self.references.get(symbol)
        if position is None:
            return Decimal(0)
        if reference is not None and reference.day >= position.opened_at.date():
            return reference.close
        return position.average_price

    def check(self) -> None:
        """Judge what stands after a step; every 200th time the whole ledger is folded again."""
        self.number += 1
        if any(held < 0 for held in self.paper._book.held.values()):
            raise Broken("short at the broker")
        self.held["nothing is held short"] += 1
        if self.number % 40 == 0:
            self._trapped()
        if self.number % 200 == 0:
            fresh, epoch = Book(), -1
            for record in self.rows:
                fresh.apply(record)
                if record.epoch != max(epoch, 0) + isinstance(record.event, EpochRaised):
                    raise Broken(f"event {record.seq} has epoch {record.epoch} after {epoch}")
                epoch = record.epoch
            if fresh.fingerprint() != self.desk.book.fingerprint():
                raise Broken("the book is not the fold of the ledger")
            self.held["the book is the fold of the ledger, epochs rise one by one"] += 1

    def _trapped(self) -> None:
        """Where broker and market are well, every share of ours comes under a closing order.

        Within seconds: two orders a second are allowed, and a stop that gives way is replaced.
        """
        self.heal()
        for seconds in (1, 35, 35, 301, *[1] * 12):
            if self.now + timedelta(seconds=seconds) >= world.at(15, 0, day=self.now.date()):
                return
            self.now += timedelta(seconds=seconds)
            self.desk.step(self.now)
            bare = self._uncovered()
            if seconds == 1 and not bare:
                self.held["every share comes under a closing order"] += 1
                return
        raise Broken(f"not under closing orders: {bare}")

    def _uncovered(self) -> dict[str, int]:
        """Return the shares at the broker that no closing order of ours would sell."""
        bare = Counter({one.symbol: one.quantity for one in self.paper.positions()})
        for row in self.paper.orders():
            if row.state.is_working and row.order.side is OrderSide.SELL:
                view = self.desk.book.orders[row.order.tag]
                if view.intent.purpose in (Purpose.STOP, Purpose.EXIT):
                    bare[row.order.symbol] -= row.order.quantity - row.filled
        return {symbol: shares for symbol, shares in bare.items() if shares}

    # -- tools -----------------------------------------------------------------------------------

    def _rewire(self) -> None:
        self.gate._Gate__broker.broker = self.faulty  # type: ignore[attr-defined]

    def _key(self, symbol: str) -> str:
        self.number += 1
        return f"g|{self.number}|{symbol}"

    def _entry(self) -> Intent:
        symbol = self.rng.choice(SYMBOLS)
        price = self.prices[symbol]
        near = Decimal(self.rng.choice(("1.01", "1.01", "0.98", "1")))
        return world.entry(
            symbol,
            key=self._key(symbol),
            quantity=self.rng.choice((1, 10, 50, 120, 200, 280, 600)),
            limit_price=round_to_tick(price * near, TICK, up=False),
            valid_from=self.now,
            valid_until=self.now + timedelta(minutes=10),
            reference_price=price,
            protection=Protection(
                Offset(Decimal("0.03"), of_price=True),
                target=self.rng.choice((None, Offset(Decimal("0.03"), of_price=True))),
            ),
        )

    def _submit(self, intent: Intent) -> None:
        self.ledger.claim(intent, at=self.now)
        if self.rng.random() < 0.1:
            self.ledger.claim(intent, at=self.now)  # a sender that runs again
        self.desk.step(self.now)


@dataclass(frozen=True)
class Played:
    """What a number of steps was made of.

    Attributes
    ----------
    done : Counter
        Rules, by name.
    seen : Counter
        What became of it: orders by outcome, denials by code.
    held : Counter
        How often each invariant was asked and held.
    """

    done: Counter[str]
    seen: Counter[str]
    held: Counter[str]

    @property
    def steps(self) -> int:
        """How many rules were played."""
        return self.done.total()

    def __add__(self, other: "Played") -> "Played":
        return Played(self.done + other.done, self.seen + other.seen, self.held + other.held)


def play(folder: Path, seed: int, steps: int, controls: Sequence[Control] = CONTROLS) -> Played:
    """Play games until `steps` rules are done.

    Raises
    ------
    Broken
        With the seed of the game, if anything did not hold.
    """
    played = Played(Counter(), Counter(), Counter())
    while played.steps < steps:
        for latch in folder.iterdir():
            latch.unlink()
        game = Game(folder, seed, controls)
        try:
            game.play(steps - played.steps)
        except StopIteration:
            pass
        except (
            Broken,
            KasautiError,
            ArithmeticError,
            AssertionError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:
            told = f"game {seed} after {game.done.total()} steps: {error!r}"
            raise Broken(told) from error
        played += Played(game.done, game.seen + _outcomes(game), game.held)
        seed += 1_000_003
    return played


def _outcomes(game: Game) -> Counter[str]:
    """Count what the events of a game say."""
    seen: Counter[str] = Counter({"games": 1})
    for record in game.rows:
        match record.event:
            case GateDecided(allowed=False, code=code):
                seen[f"denied: {code}"] += 1
            case GateDecided():
                seen["sent"] += 1
            case OrderMoved(event=event):
                seen[f"moved: {event.value}"] += 1
            case OrderAdopted() | PositionAdopted():
                seen["adopted"] += 1
            case LimitsSealed():
                seen["limits sealed"] += 1
            case TradingStateChanged(state=state):
                seen[f"trading {state.value}"] += 1
    for view in game.desk.book.orders.values():
        if view.filled:
            whole = view.filled == view.intent.quantity
            seen["filled" if whole else "partly filled"] += 1
    return seen
