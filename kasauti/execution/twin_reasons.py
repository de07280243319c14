"""Why an order of the account came to nothing, or came where the engine has none; pure.

What the account's own rules ask for is explained and tolerated: a limit, a control, the volume. An
entry that nobody decided, an exit that a control held up, a refusal of the broker are not. Where
Kasauti itself was down, the session shows nothing: that is a fault, and no strategy falls by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from kasauti.execution.actions import CLIPPED, NOT_NEEDED
from kasauti.execution.brokers.venue import PARTICIPATION
from kasauti.execution.controls import CONTROLS
from kasauti.execution.decided import Decided
from kasauti.execution.guarded import DESK_DOWN
from kasauti.execution.model import Purpose
from kasauti.execution.orders import OrderState
from kasauti.execution.twin_engine import Expected, Stood
from kasauti.execution.twin_rows import Leg, Tolerance, Word
from kasauti.execution.views import OrderView
from kasauti.execution.volumes import volume_of
from kasauti.market.bars import Bars
from kasauti.market.markets import Market

CONTROL_OF = {control.code: control.id for control in CONTROLS}
FAULT = (False, True)  # of a word: not tolerated, and nothing that a strategy did
FORCED = {"FLATTEN": "the kill switch's order", "SQUARE_OFF": "the intraday square-off"}


@dataclass(frozen=True)
class Charged:
    """Charges of a symbol's day: as the account booked them, as they are due, the last order."""

    booked: Decimal
    due: Decimal
    last: str


@dataclass(frozen=True)
class Account:
    """What all legs of one session have in common."""

    bars: Bars
    stood: Stood
    market: Market
    day: date
    tolerance: Tolerance
    decided: Decided | None
    charged: Mapping[str, Charged] = field(default_factory=dict)

    def held_before(self, genome_hash: str, symbol: str) -> int:
        """Return the shares of `symbol` that the strategy held before the session."""
        position = self.stood.positions.get(symbol)
        if position is None or position.genome_hash != genome_hash:
            return 0
        return abs(position.quantity) - position.foreign


@dataclass(frozen=True)
class Case:
    """One leg: what the engine does, and the orders that the account had for it.

    Attributes
    ----------
    engine : Expected or None
    orders : tuple of OrderView
        Of the day, oldest first.
    last : OrderView or None
        The one that filled last, else the newest.
    """

    genome_hash: str
    symbol: str
    leg: Leg
    engine: Expected | None
    orders: tuple[OrderView, ...]
    last: OrderView | None
    account: Account

    def bar(self, field: str) -> Decimal:
        """Return a price of the session's bar."""
        row = self.account.bars.symbols.index(self.symbol)
        return Decimal(repr(float(getattr(self.account.bars, field)[row, -1])))

    @property
    def volume(self) -> Decimal | None:
        """The session's volume, None where it is not reported."""
        bars = self.account.bars
        return volume_of(bars, bars.symbols.index(self.symbol), -1)

    @property
    def most(self) -> int | None:
        """The shares that could be had, None where nobody knows."""
        return None if self.volume is None else int(PARTICIPATION * self.volume)

    def order_for(self, purpose: Purpose) -> OrderView | None:
        """Return the day's newest order of a purpose."""
        return next((o for o in reversed(self.orders) if o.intent.purpose is purpose), None)

    def is_close(self, level: Decimal, extreme: Decimal) -> bool:
        """Whether a price only just reached, or missed, a level."""
        tick = self.account.market.tick_size(level, self.account.day)
        tolerance = self.account.tolerance
        return abs(level - extreme) <= level * tolerance.price + tolerance.ticks * tick


def why_missed(case: Case) -> Word:
    """Say why the account has no fill where the engine has one."""
    engine = case.engine
    assert engine is not None
    if case.leg is Leg.ENTRY:
        return _entry_missed(case)
    if engine.reason in ("stop", "trail"):
        return _stop_missed(case)
    if engine.reason == "target":
        return _target_missed(case, engine)
    order = case.order_for(Purpose.EXIT)
    if order is None:
        return _not_ordered(
            case, Purpose.EXIT, f"no exit was ordered though the engine leaves ({engine.reason})"
        )
    word = _fate(case, order)
    return word._replace(within=word.within and order.state is not OrderState.DENIED)


def why_extra(case: Case) -> Word:
    """Say why the account has a fill where the engine has none."""
    order = case.last
    assert order is not None
    if case.leg is Leg.ENTRY:
        return Word("the engine sees no entry on these bars", False)
    for word, said in FORCED.items():
        if f"|{word}|" in order.intent.key:
            return Word(f"closed by {said}, not by the strategy", True)
    if order.intent.purpose is Purpose.EXIT:
        return Word("the engine holds on: its rules do not leave on these bars", False)
    is_stop = order.intent.purpose is Purpose.STOP
    level = (order.intent.trigger_price if is_stop else None) or order.intent.limit_price
    extreme = case.bar(_extreme(case, is_stop=is_stop))
    name = "stop" if is_stop else "target"
    if case.is_close(level, extreme):
        return Word(
            f"our {name} {level} hangs on our own fill; the day's extreme was {extreme}", True
        )
    return Word(f"our {name} {level} was far from the engine's, the day's extreme {extreme}", False)


def why_partial(case: Case, ordered: int, filled: int) -> Word:
    """Say why less filled than was ordered."""
    volume, most = case.volume, case.most
    if most is not None and filled <= most < ordered:
        return Word(
            f"partial fill: at most {PARTICIPATION:.0%} of the volume of {volume:.0f}", True
        )
    return Word(f"only {filled} of {ordered} shares filled, though the volume allowed more", False)


def _entry_missed(case: Case) -> Word:
    if not case.orders:
        signal = None if case.engine is None else case.engine.signal
        if signal is not None and signal.quantity == 0:
            return Word(f"no order: {signal.reason} at the limit {signal.limit_price}", True)
        position = case.account.stood.positions.get(case.symbol)
        if position is not None:
            return Word("another strategy holds the symbol: one position a symbol", True)
        return _not_ordered(case, Purpose.ENTRY, "no order was wanted: the rules saw no signal")
    return _fate(case, case.orders[-1])


def _not_ordered(case: Case, purpose: Purpose, said: str) -> Word:
    """Tell the strategy's silence from that of a Kasauti that did not run."""
    decided = case.account.decided
    if decided is None or not decided.in_time:
        return Word("nothing was decided before the open: Kasauti was down or had no bars", *FAULT)
    if decided.wants(case.genome_hash, case.symbol, purpose.value):
        return Word("the order was decided, and no run committed its intent", *FAULT)
    return Word(said, False)


def _fate(case: Case, order: OrderView) -> Word:
    """Say what became of an order that did not fill."""
    match order.state:
        case OrderState.DENIED if order.code == DESK_DOWN:
            return Word("no desk ran that could have sent it", *FAULT)
        case OrderState.DENIED:
            control = CONTROL_OF.get(order.code, "the desk")
            return Word(f"denied by {control} {order.code}", True)
        case OrderState.EXPIRED if order.code in (NOT_NEEDED, CLIPPED):
            return Word("it was not needed any more", True)
        case OrderState.EXPIRED:
            return Word("its window passed unused: no desk ran, or it had no price", *FAULT)
        case OrderState.REJECTED:
            return Word(f"rejected by the broker: {order.code}", False)
        case _ if order.state.is_unconfirmed:
            return Word("sent, and its fate is not known", False)
    limit, opened = order.intent.limit_price, case.bar("open")
    if (opened - limit) * order.intent.side.sign >= 0:
        return Word(f"limit not reached: opened at {opened:.2f}, limit {limit}", True)
    if case.most == 0:
        return Word(f"no fill: the volume was {case.volume:.0f}", True)
    return Word(f"not filled ({order.state.value}), though it opened at {opened:.2f}", False)


def _stop_missed(case: Case) -> Word:
    order = case.order_for(Purpose.STOP)
    if order is None:
        return Word("no stop rested at the broker, the engine's was hit", False)
    if case.most == 0:
        return Word(f"no fill: the volume was {case.volume:.0f}", True)
    level = order.intent.trigger_price or order.intent.limit_price
    extreme = case.bar(_extreme(case, is_stop=True))
    if case.is_close(level, extreme):
        return Word(f"our stop {level} was just missed by {extreme}", True)
    return Word(f"our stop {level} did not execute, the extreme was {extreme}", False)


def _target_missed(case: Case, engine: Expected) -> Word:
    """Say why a target was not sold; it is ordered only when its price is there."""
    if case.most == 0:
        return Word(f"no fill: the volume was {case.volume:.0f}", True)
    order, extreme = case.order_for(Purpose.TARGET), case.bar(_extreme(case, is_stop=False))
    level = engine.price if order is None else order.intent.limit_price
    if case.is_close(level, extreme):
        said = f"our target {level} was just missed by {extreme}"
        return Word(f"{said}, and touched is not traded through", True)
    return Word(f"our target {level} did not execute, the extreme was {extreme}", False)


def _extreme(case: Case, *, is_stop: bool) -> str:
    position = case.account.stood.positions.get(case.symbol)
    is_long = position is None or position.sign > 0
    return "low" if is_stop == is_long else "high"
