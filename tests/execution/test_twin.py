"""The nightly twin: two real weeks on paper against the engine, and every way to differ."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from kasauti.errors import DataError
from kasauti.execution import frames
from kasauti.execution.decided import Decided
from kasauti.execution.events import TwinCompared
from kasauti.execution.ledger import Ledger
from kasauti.execution.limits import custom
from kasauti.execution.model import Fill, Intent, OrderSide, Purpose, Scope
from kasauti.execution.orders import OrderState
from kasauti.execution.projections import Book
from kasauti.execution.replay import replay
from kasauti.execution.signals import Candidate, Signal
from kasauti.execution.twin import (
    TOLERANCE,
    Traded,
    charges_of,
    compare,
    over_tolerance,
    table,
    traded_on,
)
from kasauti.execution.twin_engine import Expected, Stood, expected, stood_before
from kasauti.execution.twin_reasons import Account
from kasauti.execution.twin_rows import Kind, Leg, TwinRow
from kasauti.execution.views import OrderView, Position
from kasauti.genome import genome_from_genes
from kasauti.market.bars import Bars
from kasauti.market.markets import NSE
from tests.backtest.real_bars import read_bars
from tests.execution.replays import GENES, PERMIT, day, settings
from tests.execution.world import DAYS, OPEN, TODAY, YESTERDAY, at, bars_of, closing, entry
from tests.shared_data import NSE_STOCKS

FIRST, SESSIONS = 300, 10
TREND = genome_from_genes({**GENES, "max_bars": 5})
REVERSAL = genome_from_genes(
    {
        **GENES,
        "entry": "close < lag(close, 1)",
        "exit": "close > highest(lag(close, 1), 3)",
        "stop": {"fraction": 0.02},
        "target": {"fraction": 0.03},
        "trail": None,
        "risk": 0.02,
    }
)
DECIDED = Decided(frozenset(), in_time=True)  # asked in time, and nothing was wanted
CANDIDATES = (Candidate(TREND, Decimal(2)), Candidate(REVERSAL, Decimal(1)))


# --- two weeks on real bars -----------------------------------------------------------------------


@dataclass(frozen=True)
class Fortnight:
    bars: Bars
    book: Book
    stood: dict[date, Stood]
    rows: dict[date, tuple[TwinRow, ...]]

    @property
    def all_rows(self) -> list[TwinRow]:
        return [row for rows in self.rows.values() for row in rows]


@pytest.fixture(scope="module")
def fortnight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fortnight]:
    """ITC, TATASTEEL and POWERGRID from 18 March 2024, two strategies on one account."""
    bars = read_bars(NSE_STOCKS, ("ITC", "TATASTEEL", "POWERGRID")).between(0, FIRST + SESSIONS)
    permits = {c.genome.hash: replace(PERMIT, genome_hash=c.genome.hash) for c in CANDIDATES}
    made = settings(bars)
    limits = replace(made.limits, losing_streak=10, cooldown_sessions=0, low_profit_sessions=0)
    made = replace(made, candidates=CANDIDATES, permits=permits.get, limits=limits)
    path = tmp_path_factory.mktemp("twin") / "ledger.sqlite"
    book = replay(path, bars, made, first=day(bars, FIRST))
    ledger = Ledger(path, scope=Scope.REPLAY, market="nse", at=PERMIT.valid_from)
    stood = stood_before(ledger)
    ledger.close()
    rows = {
        day(bars, n): compare(
            bars.between(0, n + 1), CANDIDATES, stood[day(bars, n)], book, NSE, DECIDED
        )
        for n in range(FIRST, FIRST + SESSIONS)
    }
    yield Fortnight(bars, book, stood, rows)


def test_two_real_weeks_differ_only_in_what_is_explained(fortnight: Fortnight) -> None:
    assert len(fortnight.rows) == SESSIONS
    assert not over_tolerance(fortnight.all_rows)
    kinds = {row.kind for row in fortnight.all_rows}
    assert {Kind.SAME, Kind.MISSED, Kind.QUANTITY} <= kinds
    assert not {Kind.EXTRA, Kind.TIME, Kind.CHARGES} & kinds


def test_no_fill_of_the_weeks_is_missing_from_the_table(fortnight: Fortnight) -> None:
    told = {(r.day, r.symbol, r.leg): r.paper_quantity for r in fortnight.all_rows}
    traded: dict[tuple[date, str, Leg], int] = {}
    for fill in fortnight.book.fills.values():
        purpose = fortnight.book.orders[fill.tag].intent.purpose
        leg = Leg.ENTRY if purpose is Purpose.ENTRY else Leg.EXIT
        key = (fill.at.date(), fill.symbol, leg)
        traded[key] = traded.get(key, 0) + fill.quantity
    assert len(traded) >= 10
    assert {key: quantity for key, quantity in told.items() if quantity} == traded


def read_by_eye(rows: list[TwinRow], on: str, symbol: str, leg: Leg, kind: Kind) -> TwinRow:
    found = [
        row
        for row in rows
        if (str(row.day), row.symbol, row.leg, row.kind) == (on, symbol, leg, kind)
    ]
    assert len(found) == 1, (on, symbol, rows)
    return found[0]


@pytest.mark.parametrize(
    ("on", "symbol", "leg", "kind", "why"),
    [
        ("2024-03-18", "ITC", Leg.ENTRY, Kind.QUANTITY, "limit 400.45 instead of the fill 396.59"),
        ("2024-03-18", "POWERGRID", Leg.ENTRY, Kind.MISSED, "denied by K13 FUNDS"),
        ("2024-03-19", "ITC", Leg.EXIT, Kind.SAME, "to the tick"),
        ("2024-03-21", "POWERGRID", Leg.ENTRY, Kind.MISSED, "opened at 267.80, limit 267.30"),
        ("2024-04-01", "TATASTEEL", Leg.EXIT, Kind.PRICE, "out at 158.05, as soon as it is bid"),
    ],
)
def test_rows_of_the_weeks_that_were_checked_by_hand(
    fortnight: Fortnight, on: str, symbol: str, leg: Leg, kind: Kind, why: str
) -> None:
    assert why in read_by_eye(fortnight.all_rows, on, symbol, leg, kind).explanation


def test_a_strategy_that_nobody_traded_is_missed_on_every_day(fortnight: Fortnight) -> None:
    """Without the account's orders each of the engine's entries stands unexplained."""
    on, rows = next((d, r) for d, r in fortnight.rows.items() if any(x.paper_quantity for x in r))
    n = [day(fortnight.bars, i) for i in range(fortnight.bars.shape[1])].index(on)
    bars = fortnight.bars.between(0, n + 1)
    alone = compare(bars, CANDIDATES, fortnight.stood[on], Book(), NSE, DECIDED)
    assert {row.kind for row in alone} == {Kind.MISSED}
    assert over_tolerance(alone)
    assert {(r.symbol, r.leg) for r in alone} == {
        (r.symbol, r.leg) for r in rows if r.engine_quantity
    }


def test_another_strategy_than_the_one_that_traded_is_over_tolerance(fortnight: Fortnight) -> None:
    """The same fills under rules that never enter are extra, each of them."""
    never = replace(CANDIDATES[0], genome=genome_from_genes({**GENES, "entry": "close < 0"}))
    on = next(d for d, rows in fortnight.rows.items() if any(r.paper_quantity for r in rows))
    n = [day(fortnight.bars, i) for i in range(fortnight.bars.shape[1])].index(on)
    bars = fortnight.bars.between(0, n + 1)
    rows = compare(bars, [never], fortnight.stood[on], fortnight.book, NSE, DECIDED)
    assert {row.kind for row in rows if row.leg is Leg.ENTRY} == {Kind.EXTRA}
    assert over_tolerance(rows)


def test_frames_show_the_weeks(fortnight: Fortnight) -> None:
    compared = [
        TwinCompared(on, (TREND.hash, REVERSAL.hash), TOLERANCE, rows)
        for on, rows in fortnight.rows.items()
    ]
    shown = frames.twin_frame(compared)
    assert len(shown) == len(fortnight.all_rows) and shown["within"].all()
    slipped = frames.slippage_frame(compared)
    legs = {(f.at.date(), f.symbol, f.side) for f in fortnight.book.fills.values()}
    assert len(slipped) == len(legs)
    assert slipped["basis_points"].abs().max() < 15
    itc = slipped[(slipped["symbol"] == "ITC") & (slipped["leg"] == "entry")].iloc[0]
    assert itc["basis_points"] == pytest.approx((396.55 / 396.5949 - 1) * 1e4, abs=1e-6)
    assert itc["money"] == pytest.approx((396.55 - 396.5949) * 216)
    assert frames.twin_frame([]).empty and frames.slippage_frame([]).empty


def test_the_account_stood_before_each_session_as_it_closed_the_one_before(
    fortnight: Fortnight,
) -> None:
    days = list(fortnight.rows)
    for before, on in zip(fortnight.book.days, days[1:], strict=False):
        assert fortnight.stood[on].equity == before.equity
    assert fortnight.stood[days[0]].equity == Decimal(100_000)
    assert not fortnight.stood[days[0]].positions


def test_intraday_bars_or_a_single_session_have_no_twin(fortnight: Fortnight) -> None:
    stood = next(iter(fortnight.stood.values()))
    with pytest.raises(DataError, match="at least one before it"):
        expected(fortnight.bars.between(0, 1), CANDIDATES, stood, NSE)


# --- every way to differ --------------------------------------------------------------------------

ENTRY = entry(quantity=100)
STOP = closing(ENTRY, Purpose.STOP, trigger_price=Decimal("95.00"), limit_price=Decimal("93.10"))
TARGET = closing(ENTRY, Purpose.TARGET, limit_price=Decimal("110.00"))
EXIT = closing(ENTRY, Purpose.EXIT)
HELD = Position(
    "TEST", 100, ENTRY.key, "g", at(9, 15, day=YESTERDAY), ENTRY.product, 100, Decimal(10_000)
)
LIMITS = custom(
    capital=Decimal(100_000),
    trades_a_day=2,
    risk_per_trade=Decimal(1_000),
    daily_loss=Decimal(2_000),
    losing_streak=3,
)


@dataclass(frozen=True)
class World:
    """One symbol on one day: the engine's legs, the account's orders and their fills."""

    legs: list[Expected] = field(default_factory=list)
    orders: list[OrderView] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    bar: tuple[float, float, float, float] = (100.0, 104.0, 98.0, 102.0)
    held: bool = False
    holder: str = "g"
    volume: float = 1e6
    volumes: tuple[float, float] | None = None
    decided: Decided | None = DECIDED

    def rows(self) -> tuple[TwinRow, ...]:
        bars = bars_of({"TEST": [(100.0, 101.0, 99.0, 100.0)] * 2 + [self.bar]}, volume=self.volume)
        if self.volumes is not None:
            before, last = self.volumes
            bars = replace(bars, volume=np.array([[before, before, last]]))
        positions = {"TEST": replace(HELD, genome_hash=self.holder)} if self.held else {}
        stood = Stood(positions, Decimal(100_000), Decimal(90_000), LIMITS)
        book = Book()
        book.orders.update({view.intent.tag: view for view in self.orders})
        book.fills.update({fill.key: fill for fill in self.fills})
        charged = charges_of(book, TODAY, NSE)
        account = Account(bars, stood, NSE, TODAY, TOLERANCE, self.decided, charged)
        return table(self.legs, traded_on(book, TODAY), account)


def leg(kind: Leg, price: str, reason: str, quantity: int = 0, on: date = TODAY) -> Expected:
    return Expected("g", "TEST", kind, on, quantity, Decimal(price), reason)


def enters(price: str = "100.05", quantity: int = 100) -> list[Expected]:
    return [leg(Leg.ENTRY, price, "entry", quantity)]


def leaves(price: str, reason: str, on: date = TODAY) -> list[Expected]:
    return [leg(Leg.EXIT, price, reason, on=on)]


def ended(intent: Intent, state: OrderState, code: str = "") -> OrderView:
    return OrderView(intent, state, OPEN, OPEN, code=code)


def filled(
    intent: Intent, price: str, quantity: int | None = None, charges: str | None = None
) -> tuple[list[OrderView], list[Fill]]:
    shares = intent.quantity if quantity is None else quantity
    state = OrderState.FILLED if shares == intent.quantity else OrderState.CANCELLED
    value = shares * Decimal(price)
    due = NSE.charges.charge(TODAY, intent.side.sign > 0, True, value).total
    cost = due if charges is None else Decimal(charges)
    fill = Fill("1", intent.tag, "TEST", intent.side, shares, Decimal(price), cost, OPEN)
    return [ended(intent, state)], [fill]


def traded(legs: list[Expected], made: tuple[list[OrderView], list[Fill]], **more: Any) -> World:
    return World(legs, *made, **more)


NO_SHARE = Signal(
    "TEST", "g", Purpose.ENTRY, OrderSide.BUY, 0, Decimal(100), Decimal("101.00"), YESTERDAY,
    Decimal(1), "less than one share within risk and cash", "v",
)  # fmt: skip
GAP = (103.0, 104.0, 102.0, 103.0)
CASES = {
    "the same": (traded(enters(), filled(ENTRY, "100.05")), Kind.SAME, "to the tick", True),
    "a price within": (
        traded(enters(), filled(ENTRY, "100.15")),
        Kind.PRICE,
        "opened at 100.00",
        True,
    ),
    "a price too far": (traded(enters(), filled(ENTRY, "100.30")), Kind.PRICE, "opened", False),
    "a price far too good": (traded(enters(), filled(ENTRY, "99.70")), Kind.PRICE, "", False),
    "fewer shares, sized at the limit": (
        traded(enters(quantity=104), filled(ENTRY, "100.05")),
        Kind.QUANTITY,
        "sized at the limit 101.00 instead of the fill 100.05",
        True,
    ),
    "far fewer shares": (
        traded(enters(quantity=120), filled(ENTRY, "100.05")),
        Kind.QUANTITY,
        "sized",
        False,
    ),
    "more shares": (traded(enters(quantity=80), filled(ENTRY, "100.05")), Kind.QUANTITY, "", False),
    "a partial fill by volume": (
        traded(enters(), filled(ENTRY, "100.05", 40), volume=400.0),
        Kind.QUANTITY,
        "at most 10% of the volume of 400",
        True,
    ),
    "a partial fill without a reason": (
        traded(enters(), filled(ENTRY, "100.05", 40)),
        Kind.QUANTITY,
        "though the volume allowed more",
        False,
    ),
    "wrong charges": (
        traded(enters(), filled(ENTRY, "100.05", charges="1.00")),
        Kind.CHARGES,
        "booked 1.00, due are",
        False,
    ),
    "limit not reached": (
        World(enters("103.05"), [ended(ENTRY, OrderState.CANCELLED)], bar=GAP),
        Kind.MISSED,
        "limit not reached: opened at 103.00, limit 101.00",
        True,
    ),
    "limit reached, no fill": (
        World(enters(), [ended(ENTRY, OrderState.CANCELLED)]),
        Kind.MISSED,
        "though it opened at 100.00",
        False,
    ),
    "denied": (
        World(enters(), [ended(ENTRY, OrderState.DENIED, "TRADES_A_DAY")]),
        Kind.MISSED,
        "denied by K35 TRADES_A_DAY",
        True,
    ),
    "window over": (
        World(enters(), [ended(ENTRY, OrderState.EXPIRED, "EXPIRED")]),
        Kind.MISSED,
        "its window passed unused",
        False,
    ),
    "rejected": (
        World(enters(), [ended(ENTRY, OrderState.REJECTED, "RMS")]),
        Kind.MISSED,
        "rejected by the broker: RMS",
        False,
    ),
    "unknown": (
        World(enters(), [ended(ENTRY, OrderState.UNKNOWN)]),
        Kind.MISSED,
        "its fate is not known",
        False,
    ),
    "no signal": (World(enters()), Kind.MISSED, "the rules saw no signal", False),
    "held by another": (
        World(enters(), held=True, holder="other"),
        Kind.MISSED,
        "another strategy holds the symbol",
        True,
    ),
    "an entry of nobody": (
        traded([], filled(ENTRY, "100.05")),
        Kind.EXTRA,
        "the engine sees no entry",
        False,
    ),
    "the same stop": (
        traded(leaves("94.95", "stop"), filled(STOP, "94.95"), held=True),
        Kind.SAME,
        "",
        True,
    ),
    "a stop at another price": (
        traded(leaves("94.95", "trail"), filled(STOP, "94.50"), held=True),
        Kind.PRICE,
        "our stop hangs on our own fill, on the tick: 95.00",
        False,
    ),
    "a stop just missed": (
        World(
            leaves("95.05", "stop"),
            [ended(STOP, OrderState.LAPSED)],
            bar=(100.0, 101.0, 95.05, 96.0),
            held=True,
        ),
        Kind.MISSED,
        "our stop 95.00 was just missed by 95.05",
        True,
    ),
    "a stop that was hit and did nothing": (
        World(leaves("94.95", "stop"), [ended(STOP, OrderState.LAPSED)], held=True),
        Kind.MISSED,
        "did not execute",
        False,
    ),
    "no stop at all": (
        World(leaves("94.95", "stop"), held=True),
        Kind.MISSED,
        "no stop rested at the broker",
        False,
    ),
    "a target touched": (
        World(
            leaves("110.00", "target"),
            [ended(TARGET, OrderState.LAPSED)],
            bar=(100.0, 110.0, 98.0, 105.0),
            held=True,
        ),
        Kind.MISSED,
        "touched is not traded through",
        True,
    ),
    "no exit ordered": (
        World(leaves("99.95", "exit"), held=True),
        Kind.MISSED,
        "no exit was ordered though the engine leaves (exit)",
        False,
    ),
    "an exit held up by a control": (
        World(leaves("99.95", "max_bars"), [ended(EXIT, OrderState.DENIED, "MODE")], held=True),
        Kind.MISSED,
        "denied by K02 MODE",
        False,
    ),
    "an exit under its limit": (
        World(
            leaves("93.95", "exit"),
            [ended(EXIT, OrderState.CANCELLED)],
            bar=(94.0, 94.5, 90.0, 92.0),
            held=True,
        ),
        Kind.MISSED,
        "limit not reached: opened at 94.00, limit 95.00",
        True,
    ),
    "an exit a session late": (
        traded(leaves("99.00", "exit", YESTERDAY), filled(EXIT, "99.95"), held=True),
        Kind.TIME,
        f"the engine left on {YESTERDAY}",
        True,
    ),
    "an exit that sells more than is held": (
        traded(leaves("99.95", "exit"), filled(replace(EXIT, quantity=105), "99.95"), held=True),
        Kind.QUANTITY,
        "closed 105 shares of 100 held",
        False,
    ),
    "an exit of what nobody held": (
        traded([], filled(EXIT, "99.95")),
        Kind.EXTRA,
        "closed 100 shares, though none were held",
        False,
    ),
    "a stop that was not needed any more": (
        World(
            leaves("99.95", "max_bars"),
            [ended(EXIT, OrderState.EXPIRED, "NOT_NEEDED")],
            held=True,
        ),
        Kind.MISSED,
        "not needed any more",
        True,
    ),
    "not even one share at the limit": (
        World([replace(enters(quantity=1)[0], signal=NO_SHARE)]),
        Kind.MISSED,
        "no order: less than one share within risk and cash at the limit 101.00",
        True,
    ),
    "a stop on a bar of no volume": (
        World(
            leaves("94.95", "stop"), [ended(STOP, OrderState.LAPSED)], held=True, volumes=(1e6, 0)
        ),
        Kind.MISSED,
        "the volume was 0",
        True,
    ),
    "another moment of the bar": (
        traded(leaves("94.95", "stop"), filled(EXIT, "99.95"), held=True),
        Kind.TIME,
        "the engine's stop came first in its bar, here the EXIT",
        False,
    ),
    "a stop just hit": (
        traded([], filled(STOP, "94.95"), held=True, bar=(100.0, 101.0, 95.0, 96.0)),
        Kind.EXTRA,
        "our stop 95.00 hangs on our own fill; the day's extreme was 95.0",
        True,
    ),
    "a stop far from the engine's": (
        traded([], filled(STOP, "94.95"), held=True, bar=(100.0, 101.0, 90.0, 96.0)),
        Kind.EXTRA,
        "was far from the engine's",
        False,
    ),
    "a rule exit of nobody": (
        traded([], filled(EXIT, "99.95"), held=True),
        Kind.EXTRA,
        "the engine holds on",
        False,
    ),
    "flattened": (
        traded([], filled(replace(EXIT, key=f"{ENTRY.key}|FLATTEN|{TODAY}|1"), "99.95"), held=True),
        Kind.EXTRA,
        "closed by the kill switch's order",
        True,
    ),
}


@pytest.mark.parametrize(("given", "kind", "why", "within"), CASES.values(), ids=CASES.keys())
def test_a_difference_is_named_and_explained(
    given: World, kind: Kind, why: str, within: bool
) -> None:
    rows = [row for row in given.rows() if row.kind is kind]
    assert len(rows) == 1, given.rows()
    assert why in rows[0].explanation
    assert rows[0].within is within
    counted = [row for row in given.rows() if not row.fault]
    assert bool(over_tolerance(given.rows())) is not all(row.within for row in counted)


WANTED = Decided(frozenset({"g|v1|TEST|ENTRY", "g|v1|TEST|EXIT"}), in_time=True)
FAULTS = {
    "nobody decided": World(enters(), decided=None),
    "decided after the open": World(enters(), decided=replace(WANTED, in_time=False)),
    "decided, never committed": World(enters(), decided=WANTED),
    "an exit decided, never committed": World(leaves("99.95", "exit"), held=True, decided=WANTED),
    "no exit was decided": World(leaves("99.95", "exit"), held=True, decided=None),
    "no desk": World(enters(), [ended(ENTRY, OrderState.DENIED, "DESK_DOWN")]),
    "its window passed": World(enters(), [ended(ENTRY, OrderState.EXPIRED, "EXPIRED")]),
}


@pytest.mark.parametrize("given", FAULTS.values(), ids=FAULTS.keys())
def test_where_kasauti_failed_the_session_is_lost_and_the_strategy_is_not(given: World) -> None:
    """A machine that was off on Friday evening says nothing about what it did not trade."""
    (row,) = given.rows()
    assert (row.kind, row.within, row.fault) == (Kind.MISSED, False, True)
    assert not over_tolerance([row])


def test_a_denied_entry_names_its_control() -> None:
    given = World(enters(), [ended(ENTRY, OrderState.DENIED, "NOT_RECONCILED")])
    assert [row.control for row in given.rows()] == ["K28"]


def test_nothing_on_either_side_is_no_row() -> None:
    assert not World().rows()
    assert not World(enters(quantity=0), [ended(ENTRY, OrderState.DENIED)]).rows()
    gone = leaves("99.00", "exit", DAYS[0])
    assert not World(gone, held=True).rows(), "an exit of an earlier day stands in its own table"


def test_an_exit_on_the_day_of_its_entry_is_charged_as_intraday() -> None:
    """The booked charges of both legs together are those of an intraday round trip."""
    bought, sold = Decimal("100.05"), Decimal("94.95")
    charge = NSE.charges.charge
    delivery = charge(TODAY, True, True, 100 * bought).total
    whole = (
        charge(TODAY, True, False, 100 * bought).total
        + charge(TODAY, False, False, 100 * sold).total
    )
    orders, fills = filled(ENTRY, "100.05")
    more = Fill("2", STOP.tag, "TEST", STOP.side, 100, sold, whole - delivery, at(11))
    given = World(
        enters() + leaves("94.95", "stop"),
        [*orders, ended(STOP, OrderState.FILLED)],
        [*fills, more],
    )
    assert [row.kind for row in given.rows()] == [Kind.SAME, Kind.SAME]
    wrong = replace(given, fills=[fills[0], replace(more, charges=more.charges + 1)])
    assert [row.kind for row in wrong.rows()] == [Kind.SAME, Kind.CHARGES]


def test_traded_tells_what_is_a_fill_of_the_day() -> None:
    orders, fills = filled(ENTRY, "100.05")
    book = Book()
    book.orders.update({o.intent.tag: o for o in orders})
    late = replace(fills[0], at=datetime.combine(DAYS[4], OPEN.timetz()))
    book.fills[late.key] = late
    assert traded_on(book, TODAY) == {("g", "TEST", Leg.ENTRY): Traded(tuple(orders))}
    assert np.isclose(float(Traded(tuple(orders), tuple(fills)).price or 0), 100.05)
