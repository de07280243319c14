"""The book read from the ledger in a hurry is the book of all that the ledger says."""

import json
import tempfile
from contextlib import closing as closed
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.errors import LedgerError
from kasauti.execution import events as ev
from kasauti.execution.ledger import Entry, Ledger
from kasauti.execution.model import Fill, Intent, OrderSide, Purpose, Scope
from kasauti.execution.orders import OrderEvent, advance
from kasauti.execution.projections import Book
from kasauti.execution.views import ClosedTrade, OrderView, Position, changed, made
from tests.execution.test_ledger import tamper
from tests.execution.world import LIMITS, OPEN, TODAY, closing, entry

D = Decimal
SECOND = timedelta(seconds=1)

ENTRY = entry()
INTENTS = (
    ENTRY,
    closing(ENTRY, Purpose.STOP, trigger_price=D("95.05")),
    closing(ENTRY, Purpose.EXIT),
    entry(key='a "key" of ₹', quantity=5, score=D("1E+2")),
    entry("OTHER", side=OrderSide.SELL, protection=None),
)

numbers = st.integers(1, 12)
prices = st.decimals(50, 150, places=2)
texts = st.sampled_from(["", "RMS", 'a "quoted" text', '],"key":"x', '"decisions":[', "₹"])
which = st.sampled_from(INTENTS)
times = st.integers(-30, 30).map(lambda second: OPEN + second * SECOND)
persons = texts.filter(bool)  # who lets trading go on has a name and a reason
words = st.lists(
    st.builds(
        ev.Decision,
        st.integers(1, 40).map("K{:02}".format),
        texts,
        st.booleans(),
        st.booleans(),
        st.dictionaries(st.sampled_from(["control", "controls", "x"]), texts),
    ),
    max_size=4,
).map(tuple)


@st.composite
def fills(draw: st.DrawFn) -> ev.OrderFilled:
    intent = draw(which)
    fill = Fill(
        f"F{draw(numbers)}",
        intent.tag,
        intent.symbol,
        intent.side,
        draw(numbers),
        draw(prices),
        draw(prices),
        draw(times),
    )
    return ev.OrderFilled(fill)


decisions = st.builds(
    ev.GateDecided, which.map(lambda one: one.key), st.booleans(), texts, words, texts
)
moves = st.builds(
    ev.OrderMoved,
    which.map(lambda one: one.tag),
    st.sampled_from(OrderEvent),
    texts,
    texts,
    st.none() | times,
)
symbols = st.sampled_from(["TEST", "OTHER"])
others = st.one_of(
    st.builds(ev.SessionClosed, st.just(TODAY), st.dictionaries(symbols, prices)),
    st.builds(ev.ProtectionRevised, symbols, st.just(ENTRY.key), prices),
    st.builds(ev.PositionAdopted, symbols, st.integers(-9, 9), prices),
    st.builds(ev.FundsAdopted, prices),
    st.builds(ev.LatchChanged, st.just(True), texts, texts),
    st.builds(ev.LatchChanged, st.just(False), persons, persons),
    st.builds(ev.Acknowledged, persons, persons),
)
news = st.lists(st.one_of(decisions, moves, fills(), fills(), others), max_size=25)


def is_possible(event: ev.Event, book: Book) -> bool:
    """Whether the order concerned may be moved so; other events are possible at any time."""
    match event:
        case ev.GateDecided(key, allowed):
            order = book.order(key)
            moves_by = OrderEvent.SEND if allowed else OrderEvent.DENY
            if order is not None and order.sent_at is not None:
                return False
        case ev.OrderMoved(tag, moves_by):
            order = book.orders.get(tag)
            if moves_by is OrderEvent.SEND:
                return False
        case ev.OrderFilled(fill):
            order = book.orders.get(fill.tag)
            whole = order is not None and order.filled + fill.quantity >= order.intent.quantity
            moves_by = OrderEvent.FILL if whole else OrderEvent.FILL_PART
        case _:
            return True
    try:
        return order is not None and advance(order.state, moves_by) is not None
    except LedgerError:
        return False


def written(ledger: Ledger, told: list[ev.Event], sent: list[Intent]) -> None:
    """Append what is possible of a story, in transactions of a few events, reading in between."""
    begin: list[ev.Event] = [ev.EpochRaised("test"), ev.LimitsSealed(TODAY, LIMITS, LIMITS.hash)]
    begin += [ev.IntentCommitted(intent) for intent in INTENTS]
    begin += [ev.GateDecided(intent.key, True, "", (), "") for intent in sent]
    shadow, waiting = Book(), []
    for number, event in enumerate([*begin, *told], start=2):
        at = OPEN + number * SECOND
        if is_possible(event, shadow):
            shadow.apply(ev.Record(number, 1, at, event, None, ""))
            waiting.append(Entry(event))
        if waiting and (number % 7 == 0 or number == len(begin) + len(told) + 1):
            ledger.append_all(waiting, at=at, epoch=1)
            ledger.book()
            waiting = []


def said(book: Book) -> dict[str, Any]:
    return dict(vars(book))


@settings(deadline=None, max_examples=60, derandomize=True)
@given(told=news, sent=st.lists(which, unique=True))
def test_a_rebuilt_book_is_the_fold_of_every_event(
    told: list[ev.Event], sent: list[Intent]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        with closed(Ledger(path, scope=Scope.REPLAY, market="nse", at=OPEN)) as ledger:
            written(ledger, told, sent)
            whole = Book()
            for record in ledger.events():
                whole.apply(record)
            assert said(ledger.book()) == said(whole)
        with closed(Ledger(path, scope=Scope.REPLAY, market="nse", at=OPEN)) as again:
            assert said(again.book()) == said(whole)
            assert again.book().evaluated == whole.evaluated


def test_a_late_execution_takes_its_place_in_a_rebuilt_book(tmp_path: Path) -> None:
    """Of what the stories above rarely tell: a round trip whose first execution comes last."""
    ledger = Ledger(tmp_path / "ledger.sqlite", scope=Scope.REPLAY, market="nse", at=OPEN)
    leave = INTENTS[2]
    told: list[ev.Event] = [
        ev.OrderFilled(
            Fill(f"F{second}", i.tag, "TEST", i.side, n, D(price), D(1), OPEN + second * SECOND)
        )
        for i, n, price, second in [(ENTRY, 4, "100", 2), (leave, 10, "99", 3), (ENTRY, 6, "90", 1)]
    ]
    written(ledger, told, [ENTRY, leave])
    (trade,) = ledger.book().trades
    assert (trade.quantity, trade.profit) == (10, D(990 - 400 - 540 - 3))
    assert ledger.book().positions == {}


def gate(controls: str | None, *spoke: str) -> str:
    """Return the payload of a decision that says of itself that `controls` spoke."""
    said = tuple(ev.Decision(control, "CODE", True, True) for control in spoke)
    plain = json.loads(ev.to_json(ev.GateDecided("k", True, "", said, "h"))[1])
    del plain["controls"]
    plain |= {} if controls is None else {"controls": controls}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))


def test_a_decision_says_in_short_who_spoke() -> None:
    event = ev.from_json("GateDecided", gate("K01 K02", "K01", "K02"))
    assert isinstance(event, ev.GateDecided) and len(event.decisions) == 2
    short = ev.for_book("GateDecided", gate("K01 K02", "K01", "K02"))
    assert isinstance(short, ev.GateDecided)
    assert short == changed(event, decisions=())


def test_a_decision_that_does_not_say_it_in_short_is_read_whole() -> None:
    event = ev.for_book("GateDecided", gate(None, "K01", "K02"))
    assert isinstance(event, ev.GateDecided) and event.controls == "K01 K02"


def test_a_decision_cannot_say_that_others_spoke() -> None:
    with pytest.raises(LedgerError, match="broken GateDecided"):
        ev.from_json("GateDecided", gate("K01 K03", "K01", "K02"))


BROKEN = [
    pytest.param("kind = 'GateDecided'", "broken GateDecided", id="of another kind"),
    pytest.param("kind = 'Dreamt'", "'Dreamt' that this version does not know", id="unknown kind"),
    pytest.param("payload = 'x'", "broken LatchChanged", id="no JSON"),
    pytest.param(
        """kind = 'GateDecided', payload = '{"decisions":[],"key":"k"}'""",
        "broken GateDecided",
        id="fields missing",
    ),
    pytest.param(
        """kind = 'GateDecided', payload = '],"key":"decisions":['""",
        "broken GateDecided",
        id="its end before its beginning",
    ),
]


@pytest.mark.parametrize(("change", "message"), BROKEN)
def test_what_cannot_be_read_stops_the_rebuild(tmp_path: Path, change: str, message: str) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite", scope=Scope.REPLAY, market="nse", at=OPEN)
    ledger.append(ev.LatchChanged(True, "test", ""), at=OPEN)
    tamper(ledger, f"UPDATE events SET {change} WHERE seq = 2")
    with pytest.raises(LedgerError, match=message):
        ledger.book()


@pytest.mark.parametrize(
    "row",
    [
        OrderView(ENTRY, committed_at=OPEN),
        Position("TEST", 10, "k", "g", OPEN, ENTRY.product, 10, D(1000), charges=D(1)),
        ClosedTrade("TEST", "g", "long", 1, OPEN, D(1), OPEN, D(2), Purpose.EXIT, D(0), D(1)),
    ],
    ids=lambda row: type(row).__name__,
)
def test_a_row_made_in_a_hurry_is_the_one_that_the_constructor_makes(row: Any) -> None:
    given = {name: v for name, v in vars(row).items() if v != getattr(type(row), name, None)}
    quick = made(type(row), **given)
    assert quick == row and hash(quick) == hash(row) and repr(quick) == repr(row)
    assert asdict(quick) == asdict(row)
