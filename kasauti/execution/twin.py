"""The nightly twin: one session of the account against the engine on the same bars; pure.

Every leg of every strategy becomes at least one row: the same, or how it differs and why. Why an
order came to nothing is told in `twin_reasons`. Shares from outside are nobody's strategy.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from kasauti.execution.decided import Decided
from kasauti.execution.model import Fill, OrderSide, Product, Purpose
from kasauti.execution.orders import OrderState
from kasauti.execution.projections import Book
from kasauti.execution.signals import Candidate
from kasauti.execution.twin_engine import Expected, Stood, expected
from kasauti.execution.twin_reasons import (
    CONTROL_OF,
    Account,
    Case,
    Charged,
    why_extra,
    why_missed,
    why_partial,
)
from kasauti.execution.twin_rows import Kind, Leg, Tolerance, TwinRow, Word
from kasauti.execution.views import ZERO, OrderView
from kasauti.market.bars import Bars
from kasauti.market.contract_note import Executed, contract_note
from kasauti.market.markets import Market

TOLERANCE = Tolerance()
CLOSING = (Purpose.EXIT, Purpose.STOP, Purpose.TARGET)
PURPOSES = {
    "exit": Purpose.EXIT,
    "max_bars": Purpose.EXIT,
    "delisted": Purpose.EXIT,
    "square_off": Purpose.EXIT,
    "stop": Purpose.STOP,
    "trail": Purpose.STOP,
    "target": Purpose.TARGET,
}
"""Which of our orders does what the engine does for this reason."""

Key = tuple[str, str, Leg]  # genome, symbol, leg


@dataclass(frozen=True)
class Traded:
    """One leg as the account traded it on one day.

    Attributes
    ----------
    orders : tuple of OrderView
        All of it that were meant for the day, oldest first, filled or not.
    fills : tuple of Fill
    """

    orders: tuple[OrderView, ...] = ()
    fills: tuple[Fill, ...] = ()

    @property
    def quantity(self) -> int:
        """Shares."""
        return sum(fill.quantity for fill in self.fills)

    @property
    def value(self) -> Decimal:
        """Money."""
        return sum((fill.quantity * fill.price for fill in self.fills), ZERO)

    @property
    def price(self) -> Decimal | None:
        """Mean price, None without a fill."""
        return self.value / self.quantity if self.fills else None

    @property
    def last(self) -> OrderView | None:
        """The order that filled last, else the newest one."""
        if self.fills:
            return next(o for o in self.orders if o.intent.tag == self.fills[-1].tag)
        return self.orders[-1] if self.orders else None

    @property
    def reason(self) -> str:
        """What the last order was for."""
        return self.last.intent.purpose.value if self.last is not None and self.fills else ""


def compare(
    bars: Bars,
    candidates: Sequence[Candidate],
    stood: Stood,
    book: Book,
    market: Market,
    decided: Decided | None,
    tolerance: Tolerance = TOLERANCE,
) -> tuple[TwinRow, ...]:
    """Return the table of one session.

    Parameters
    ----------
    bars : Bars
        Daily, as they were traded on; the session that is compared last.
    candidates : sequence of Candidate
        The strategies that were approved for it, and those whose positions were open.
    stood : Stood
        The account before it, see `stood_before`.
    book : Book
        With all orders and fills of the day.
    market : Market
    decided : Decided or None
        What was wanted for the session; None if nobody asked.
    tolerance : Tolerance

    Raises
    ------
    DataError
        As `expected`.
    """
    day: date = bars.sessions[-1].astype(object)
    legs = expected(bars, candidates, stood, market)
    charged = charges_of(book, day, market)
    account = Account(bars, stood, market, day, tolerance, decided, charged)
    return table(legs, traded_on(book, day), account)


def table(
    legs: Iterable[Expected], traded: Mapping[Key, Traded], account: Account
) -> tuple[TwinRow, ...]:
    """Return the rows of the engine's legs against what the account traded."""
    engine = {(leg.genome_hash, leg.symbol, leg.leg): leg for leg in legs}
    return tuple(
        row
        for key in sorted(engine.keys() | traded.keys())
        for row in _rows(key, engine.get(key), traded, account)
    )


def over_tolerance(rows: Iterable[TwinRow]) -> dict[str, str]:
    """Return the strategies whose rows are over tolerance, each with its reasons.

    Where Kasauti itself failed, a row says nothing about its strategy.
    """
    found: dict[str, list[str]] = {}
    for row in rows:
        if not row.within and not row.fault:
            said = f"{row.symbol} {row.leg.value} {row.kind.value}: {row.explanation}"
            found.setdefault(row.genome_hash, []).append(said)
    return {genome: "; ".join(reasons) for genome, reasons in found.items()}


def traded_on(book: Book, day: date) -> dict[Key, Traded]:
    """Return what each strategy traded in each symbol on `day`; foreign orders are left out."""
    fills: dict[str, list[Fill]] = {}
    for fill in book.fills.values():
        if fill.at.date() == day:
            fills.setdefault(fill.tag, []).append(fill)
    found: dict[Key, list[OrderView]] = {}
    for order in book.orders.values():
        intent = order.intent
        if intent.valid_from.date() != day or intent.purpose is Purpose.FOREIGN:
            continue
        leg = Leg.EXIT if intent.purpose in CLOSING else Leg.ENTRY
        found.setdefault((intent.genome_hash, intent.symbol, leg), []).append(order)
    return {key: _traded(orders, fills) for key, orders in found.items()}


def _traded(orders: Sequence[OrderView], fills: Mapping[str, Sequence[Fill]]) -> Traded:
    mine = [fill for order in orders for fill in fills.get(order.intent.tag, ())]
    return Traded(tuple(orders), tuple(sorted(mine, key=lambda fill: (fill.at, fill.id))))


def _rows(
    key: Key, engine: Expected | None, traded: Mapping[Key, Traded], account: Account
) -> Iterator[TwinRow]:
    genome, symbol, leg = key
    paper = traded.get(key, Traded())
    entered = traded.get((genome, symbol, Leg.ENTRY), Traded())
    if leg is Leg.EXIT:
        before = account.held_before(genome, symbol)
        held = before + entered.quantity
        if held == 0 and not paper.fills:
            return  # the entry that it would have ended is missed itself
        if engine is not None and held:
            engine = replace(engine, quantity=held)
    wanted = engine if engine is not None and engine.quantity else None
    case = Case(genome, symbol, leg, wanted, paper.orders, paper.last, account)
    row = _Row(case, paper)
    if leg is Leg.EXIT and held == 0:
        yield row.of(Kind.EXTRA, f"closed {paper.quantity} shares, though none were held", False)
        return
    if wanted is None and not paper.fills:
        return
    if wanted is None:
        yield row.of(Kind.EXTRA, *why_extra(case))
    elif not paper.fills:
        if wanted.day == account.day:  # an earlier one stands in its own day's table
            yield row.of(Kind.MISSED, *why_missed(case))
    else:
        differing = list(_differing(row, wanted))
        yield from differing or [row.of(Kind.SAME, "the same to the tick", True)]


def _differing(row: "_Row", engine: Expected) -> Iterator[TwinRow]:
    case, paper, account = row.case, row.paper, row.case.account
    tolerance = account.tolerance
    if engine.day != account.day:
        late = f"the engine left on {engine.day} ({engine.reason}), the account could only now"
        yield row.of(Kind.TIME, late, True)
        return
    wanted = PURPOSES.get(engine.reason, Purpose.ENTRY)
    if wanted.value != paper.reason:
        said = f"the engine's {engine.reason} came first in its bar, here the {paper.reason}"
        yield row.of(Kind.TIME, said, _near(paper.price, engine, account))
    if paper.quantity != engine.quantity:
        yield row.of(Kind.QUANTITY, *_why_quantity(case, paper, engine, tolerance))
    assert paper.price is not None
    if abs(paper.price - engine.price) >= account.market.tick_size(paper.price, account.day):
        yield row.of(Kind.PRICE, _why_price(case, engine), _near(paper.price, engine, account))
    charged = account.charged.get(case.symbol)
    is_last = charged is not None and charged.last == paper.fills[-1].tag
    if charged is not None and is_last and abs(charged.booked - charged.due) > tolerance.charges:
        said = f"the day's orders were booked {charged.booked:.2f}, due are {charged.due:.2f}"
        yield row.of(Kind.CHARGES, said, False)


def _why_quantity(case: Case, paper: Traded, engine: Expected, tolerance: Tolerance) -> Word:
    ordered = paper.orders[-1].intent.quantity if case.leg is Leg.ENTRY else engine.quantity
    if paper.quantity < ordered:
        return why_partial(case, ordered, paper.quantity)
    if case.leg is Leg.EXIT:
        return Word(f"closed {paper.quantity} shares of {engine.quantity} held", False)
    allowed = max(Decimal(1), tolerance.quantity * engine.quantity)
    said = (
        f"sized at the limit {paper.orders[-1].intent.limit_price} instead of the fill "
        f"{engine.price:.2f}"
    )
    return Word(said, abs(engine.quantity - paper.quantity) <= allowed)


def _why_price(case: Case, engine: Expected) -> str:
    fill = case.last
    assert fill is not None
    if fill.intent.purpose is Purpose.STOP:
        steps = sum(1 for o in case.orders if o.intent.purpose is Purpose.STOP and o.triggered)
        gave = f", repriced {steps - 1} times" if steps > 1 else ""
        level = fill.intent.trigger_price or fill.intent.limit_price
        return f"our stop hangs on our own fill, on the tick: {level}{gave}"
    if fill.intent.purpose is Purpose.TARGET:
        return f"our target goes out at {fill.intent.limit_price}, as soon as it is bid"
    return (
        f"opened at {case.bar('open'):.2f}: half the spread on the tick here, "
        f"half the spread and impact there ({engine.reason})"
    )


def _near(price: Decimal | None, engine: Expected, account: Account) -> bool:
    if price is None:
        return False
    tick = account.market.tick_size(price, account.day)
    tolerance = account.tolerance
    return abs(price - engine.price) <= engine.price * tolerance.price + tolerance.ticks * tick


def charges_of(book: Book, day: date, market: Market) -> dict[str, Charged]:
    """Return for each symbol what its executions of `day` were charged, and should have been.

    Where a foreign order was executed as well, nobody knows by which rules: it is left out.
    """
    orders: dict[str, dict[str, Executed]] = {}
    booked: dict[str, Decimal] = {}
    last: dict[str, str] = {}
    foreign: set[str] = set()
    for fill in book.fills.values():
        if fill.at.date() != day:
            continue
        intent = book.orders[fill.tag].intent
        if intent.purpose is Purpose.FOREIGN:
            foreign.add(fill.symbol)
        mine = orders.setdefault(fill.symbol, {})
        before = mine.get(fill.tag)
        mine[fill.tag] = Executed(
            fill.side is OrderSide.BUY,
            fill.quantity + (0 if before is None else before.quantity),
            fill.quantity * fill.price + (ZERO if before is None else before.value),
            intent.product is Product.INTRADAY,
        )
        booked[fill.symbol] = booked.get(fill.symbol, ZERO) + fill.charges
        last[fill.symbol] = fill.tag
    return {
        symbol: Charged(
            booked[symbol], contract_note(market.charges, day, mine.values()), last[symbol]
        )
        for symbol, mine in orders.items()
        if symbol not in foreign
    }


@dataclass(frozen=True)
class _Row:
    """Makes the rows of one leg."""

    case: Case
    paper: Traded

    def of(self, kind: Kind, explanation: str, within: bool, fault: bool = False) -> TwinRow:
        case, engine, paper = self.case, self.case.engine, self.paper
        return TwinRow(
            case.account.day,
            case.genome_hash,
            case.symbol,
            case.leg,
            kind,
            0 if engine is None else engine.quantity,
            paper.quantity,
            None if engine is None else engine.price,
            None if paper.price is None else paper.price.quantize(Decimal("0.0001")),
            "" if engine is None else engine.reason,
            paper.reason,
            explanation,
            within,
            self._control(kind),
            None if case.last is None else case.last.intent.side,
            fault,
        )

    def _control(self, kind: Kind) -> str:
        last = self.case.last
        denied = kind is Kind.MISSED and last is not None and last.state is OrderState.DENIED
        return CONTROL_OF.get(last.code, "") if denied and last is not None else ""
