"""One or two sessions of a small account as a seeded list of moves; nothing is carried out here."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from kasauti.execution.brokers.faults import Fault
from kasauti.execution.limits import Limits
from kasauti.execution.model import Intent, Offset, OrderSide, Protection, Purpose, round_to_tick
from tests.execution import world

DAYS = (world.TODAY, world.TOMORROW)
SYMBOLS = ("TEST", "OTHER", "THIRD")
LIMITS = replace(world.LIMITS, trades_a_day=3, slots=3)
TIGHTER = replace(LIMITS, trades_a_day=1, risk_per_trade=Decimal(300))
QUANTITIES = (5, 20, 60, 150, 400)  # the last one risks too much
SETTLING = (0, 40, 80)  # seconds: three reads over thirty seconds settle a difference
LATE = timedelta(minutes=20)  # an intent whose window is over when the desk hears of it
CHECK_AT = (14, 30)


class Verb(StrEnum):
    """What a move does."""

    OPEN = "open the session"
    HARM = "let the broker fail from now on"
    HEAL = "let the broker be well"
    TICK = "feed prices and step"
    STEP = "step"
    SUBMIT = "commit an intent as a sender does, and step"
    REVISE = "tighten every stop"
    TIGHTEN = "tighten the limits"
    KILL = "set the kill latch and step"
    FLATTEN = "set the kill latch, close everything, and step"
    LIFT = "lift the latch"
    FOREIGN = "somebody buys by hand"
    CHECK = "look whether everything is protected"
    CLOSE = "end the session"


@dataclass(frozen=True)
class Move:
    """One move at one moment; done twice it changes nothing more.

    Attributes
    ----------
    at : datetime
    verb : Verb
    given : Any
        An intent, prices, or nothing.
    """

    at: datetime
    verb: Verb
    given: Any = None


@dataclass(frozen=True)
class Prices:
    """Prices of one moment, and the session's volume with the first."""

    of: dict[str, Decimal]
    volume: dict[str, Decimal] | None = None
    jumped: bool = False


def script(seed: int, fault: Fault | None, sessions: int = 2) -> list[Move]:
    """Return the moves of `seed`; the faults between harm and heal are chosen by the worker."""
    rng = random.Random(f"script {seed}")
    prices = dict.fromkeys(SYMBOLS, Decimal(100))
    moves: list[Move] = []
    for day in DAYS[:sessions]:
        moves += _session(rng, day, prices, harmed=fault is not None)
    return moves


def _session(
    rng: random.Random, day: date, prices: dict[str, Decimal], *, harmed: bool
) -> Iterator[Move]:
    now = world.at(9, 15, day=day)
    yield Move(now, Verb.OPEN)
    if harmed:
        yield Move(now, Verb.HARM)
    volume = {symbol: Decimal(rng.choice((300, 1_000, 100_000))) for symbol in SYMBOLS}
    yield Move(now, Verb.TICK, Prices(dict(prices), volume, jumped=True))
    for symbol in rng.sample(SYMBOLS, rng.choice((2, 3, 3))):
        now += timedelta(seconds=rng.choice((1, 1, 20)))
        yield Move(now, Verb.SUBMIT, _entry(rng, symbol, day, now, prices[symbol]))
    if rng.random() < 0.7:
        yield Move(now, Verb.SUBMIT, _entry(rng, "TEST", day, now - LATE, prices["TEST"]))
    stopped = False
    for _ in range(rng.choice((6, 8, 10))):
        now += timedelta(seconds=rng.choice((15, 40, 700, 1_200)))
        verb = rng.choice(_KINDS)
        if verb is Verb.LIFT and not stopped:
            verb = Verb.TICK
        stopped = verb in (Verb.KILL, Verb.FLATTEN) or (stopped and verb is not Verb.LIFT)
        yield Move(now, verb, _given(rng, verb, day, now, prices))
    now = world.at(*CHECK_AT, day=day)
    yield Move(now, Verb.HEAL)
    for seconds in SETTLING:
        yield Move(now + timedelta(seconds=seconds), Verb.STEP)
    yield Move(now + timedelta(seconds=SETTLING[-1] + 1), Verb.CHECK)
    if stopped and rng.random() < 0.7:
        yield Move(now + timedelta(minutes=5), Verb.LIFT)
    yield Move(world.at(15, 30, day=day), Verb.CLOSE)


_KINDS = (
    *[Verb.TICK] * 8,
    *[Verb.SUBMIT] * 4,
    *[Verb.REVISE] * 2,
    *[Verb.LIFT] * 2,
    Verb.STEP,
    Verb.TIGHTEN,
    Verb.KILL,
    Verb.FLATTEN,
    Verb.FOREIGN,
)


def _given(
    rng: random.Random, verb: Verb, day: date, now: datetime, prices: dict[str, Decimal]
) -> Any:
    if verb is Verb.TICK:
        for symbol in rng.sample(SYMBOLS, 2):
            moved = prices[symbol] * Decimal(str(rng.choice((0.97, 0.99, 1.0, 1.01, 1.02))))
            prices[symbol] = round_to_tick(moved, Decimal("0.05"), up=False)
        return Prices(dict(prices))
    if verb is Verb.SUBMIT:
        symbol = rng.choice(SYMBOLS)
        if rng.random() < 0.6:
            return (symbol, now)  # the exit of whatever is held then
        return _entry(rng, symbol, day, now, prices[symbol])
    return None


def _entry(rng: random.Random, symbol: str, day: date, begun: datetime, price: Decimal) -> Intent:
    near = rng.choice((Decimal("1.01"), Decimal("1.01"), Decimal("0.985")))  # the last one rests
    return world.entry(
        symbol,
        key=f"g|{day}|{begun:%H%M%S}|{symbol}|ENTRY",
        quantity=rng.choice(QUANTITIES),
        limit_price=round_to_tick(price * near, Decimal("0.05"), up=False),
        valid_from=begun,
        valid_until=begun + timedelta(minutes=10),
        reference_price=price,
        protection=Protection(
            Offset(Decimal("0.03"), of_price=True),
            target=rng.choice((None, Offset(Decimal("0.02"), of_price=True))),
        ),
    )


def exit_of(symbol: str, now: datetime, quantity: int, parent: str, genome: str) -> Intent:
    """Return the exit that a strategy wants of a position."""
    return Intent(
        key=f"{parent}|EXIT|{now:%d%H%M%S}",
        genome_hash=genome,
        signal_version="v",
        symbol=symbol,
        side=OrderSide.SELL,
        quantity=quantity,
        purpose=Purpose.EXIT,
        limit_price=Decimal("85.00"),
        valid_from=now,
        valid_until=now + timedelta(minutes=10),
        parent=parent,
    )


def limits_of(tightened: bool) -> Limits:
    """Return the limits that are wanted."""
    return TIGHTER if tightened else LIMITS
