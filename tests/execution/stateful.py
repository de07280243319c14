"""Random sequences of everything that can happen to a gate; what must never happen is in `laws`.

A seeded driver of its own: hypothesis' state machine runs a few hundred steps in the time of a
hundred thousand of these.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from typing import Any

from kasauti.errors import KasautiError, LeaseError, LedgerError
from kasauti.execution import desk as desks
from kasauti.execution.brokers.faults import Fault, FaultPlan, Faulty
from kasauti.execution.controls import CONTROLS, Control
from kasauti.execution.desk import Desk
from kasauti.execution.events import (
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
from kasauti.execution.limits import Review
from kasauti.execution.model import (
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
from kasauti.execution.references import Reference
from kasauti.execution.self_test import trip_every_control
from kasauti.market.markets import NSE
from tests.execution import world
from tests.execution.laws import Broken, JudgedBroker, Laws
from tests.execution.memory import MemoryBroker, MemoryLedger

SYMBOLS = ("TEST", "OTHER", "THIRD", "FOURTH")
LIMITS = replace(
    world.LIMITS,
    trades_a_day=8,
    review=Review.WEEKLY,
    slots=3,
    max_order_value=Decimal(30_000),
    max_open_value=Decimal(32_000),
    max_gross=Decimal(60_000),
    max_position_value=Decimal(30_000),
    repeats=10,
    losing_streak=10,
    orders_a_second=5,
    cooldown_sessions=0,
    low_profit_sessions=0,
)
TICK = Decimal("0.05")
PERMIT = replace(world.permit(Scope.PAPER), valid_until=world.at(0, day=date(2027, 1, 1)))
HEALTHY = FaultPlan({})
DAYS = world.DAYS[1:]


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
        self.laws = Laws(self)
        self.paper = MemoryBroker(NSE, LIMITS.capital, world.CALENDAR)
        self.faulty = Faulty(self.paper, HEALTHY)
        self.prices = dict.fromkeys(SYMBOLS, Decimal(100))
        self.references: dict[str, Reference] = {}
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
            self.number += 1
            self.laws.judge_holdings()
            if self.number % 40 == 0:
                self.laws.judge_cover()
            if self.number % 200 == 0:
                self.laws.judge_book()

    def start(self) -> None:
        """Start a desk on what there is."""
        self.ledger = MemoryLedger(self.path, self.rows, scope=Scope.PAPER, at=self.now)
        epoch = self.ledger.raise_epoch(host="stateful", at=self.now) if self.rows else 0
        self.lease = Lease(self.ledger, Lock(), epoch)
        self.gate = Gate(
            JudgedBroker(self.faulty, self.laws),
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
        closes = self.paper.last_prices(before) or self.prices
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
        self.desk.close_session(self.now, self.paper.last_prices(day))
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
                {"purpose": Purpose.EXIT, "side": OrderSide.SELL, "protection": None},
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
        old, gate, sent = self.desk, self.gate, len(self.laws.sent)
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
        if len(self.laws.sent) != sent or len(self.rows) != length:
            raise Broken("an overtaken desk sent or wrote")
        self.laws.held["an overtaken desk neither sends nor writes"] += 1

    def set_clock_back(self) -> None:
        try:
            self.ledger.claim(self._entry(), at=self.now - timedelta(minutes=5))
        except LedgerError:
            self.laws.held["a clock that was set back is refused"] += 1
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
        self.laws.held["limits are not loosened during a session"] += 1

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
        played += Played(game.done, game.seen + _outcomes(game), game.laws.held)
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
