"""Whatever the order in which a broker's news arrives, and however often: one history, one book."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.execution import events as ev
from kasauti.execution.model import Fill, Intent, OrderSide, Purpose, Scope
from kasauti.execution.orders import OrderEvent as E
from kasauti.execution.projections import Book
from tests.execution.world import LIMITS, OPEN, TODAY, closing, entry

D = Decimal
SECOND = timedelta(seconds=1)
Story = list[ev.Event]  # what the broker tells of one true history, in its order

ENTRY = entry()
STOP = closing(ENTRY, Purpose.STOP, trigger_price=D("95.05"), limit_price=D("93.00"))
EXIT = closing(ENTRY, Purpose.EXIT)
AGAIN = entry(key="g|w|TEST|ENTRY", quantity=5)
OTHER = entry("OTHER")


def fill(intent: Intent, number: int, quantity: int, price: str, second: int) -> ev.OrderFilled:
    at = OPEN + second * SECOND
    name = f"{intent.tag}-{number}"
    return ev.OrderFilled(
        Fill(name, intent.tag, intent.symbol, intent.side, quantity, D(price), D("1.25"), at)
    )


def moved(intent: Intent, event: E, second: int, text: str = "") -> ev.OrderMoved:
    at = OPEN + second * SECOND if event in (E.CANCEL, E.LAPSE, E.REJECT) else None
    return ev.OrderMoved(intent.tag, event, f"id-{intent.tag}", text, at)


STORIES: dict[str, tuple[list[Intent], Story]] = {
    "filled in two parts": (
        [ENTRY],
        [
            moved(ENTRY, E.ACKNOWLEDGE, 0),
            moved(ENTRY, E.REST, 0),
            fill(ENTRY, 1, 4, "100", 1),
            fill(ENTRY, 2, 6, "101", 2),
        ],
    ),
    "cancelled with fills": (
        [ENTRY],
        [
            moved(ENTRY, E.ACKNOWLEDGE, 0),
            fill(ENTRY, 1, 4, "100", 1),
            fill(ENTRY, 2, 3, "99", 2),
            moved(ENTRY, E.CANCEL, 3, "cancelled on request"),
        ],
    ),
    "rest rejected after a fill": (
        [ENTRY],
        [
            moved(ENTRY, E.ACKNOWLEDGE, 0),
            fill(ENTRY, 1, 4, "100", 1),
            moved(ENTRY, E.REJECT, 2, "RMS"),
        ],
    ),
    "rejected after acceptance": (
        [ENTRY],
        [moved(ENTRY, E.ACKNOWLEDGE, 0), moved(ENTRY, E.REST, 0), moved(ENTRY, E.REJECT, 2, "RMS")],
    ),
    "stopped out in parts, bought again": (
        [ENTRY, STOP, AGAIN],
        [
            moved(ENTRY, E.ACKNOWLEDGE, 0),
            fill(ENTRY, 1, 6, "100", 1),
            fill(ENTRY, 2, 4, "100.5", 2),
            moved(STOP, E.AWAIT_TRIGGER, 3),
            moved(STOP, E.REST, 5),
            fill(STOP, 1, 7, "95", 6),
            fill(STOP, 2, 3, "94.9", 7),
            moved(AGAIN, E.REST, 8),
            fill(AGAIN, 1, 5, "96", 9),
        ],
    ),
    "exit lapsed in part, and another symbol": (
        [ENTRY, EXIT, OTHER],
        [
            fill(ENTRY, 1, 10, "100", 1),
            moved(EXIT, E.REST, 2),
            fill(OTHER, 1, 10, "100", 3),
            fill(EXIT, 1, 4, "99", 4),
            moved(EXIT, E.LAPSE, 9, "over"),
        ],
    ),
}


def book_of(intents: Sequence[Intent], news: Sequence[ev.Event]) -> Book:
    """Return the book after the intents were sent and `news` came in."""
    sent: list[ev.Event] = [
        ev.Genesis(Scope.PAPER, "nse"),
        ev.LimitsSealed(TODAY, LIMITS, LIMITS.hash),
    ]
    for intent in intents:
        sent += [ev.IntentCommitted(intent), ev.GateDecided(intent.key, True, "", (), "")]
    book = Book()
    for seq, event in enumerate([*sent, *news], start=1):
        later = OPEN + 60 * SECOND * (seq > len(sent))
        book.apply(ev.Record(seq, 1, later, event, None, ""))
    return book


def told(book: Book) -> dict[str, Any]:
    """Return all that the book says; the ledger's own time of a move that has no other is news."""
    found = book.fingerprint()
    found["trades"] = list(found["trades"])
    found["positions"] = dict(found["positions"])
    found["charges"] = book.charges
    found["live"] = sorted(book.live)
    return found


@pytest.mark.parametrize("name", STORIES)
@settings(deadline=None, max_examples=40, derandomize=True)
@given(data=st.data())
def test_any_order_and_repetition_of_the_news_ends_in_the_same_book(
    name: str, data: st.DataObject
) -> None:
    intents, story = STORIES[name]
    repeated = data.draw(st.lists(st.sampled_from(story), max_size=6))
    news = data.draw(st.permutations([*story, *repeated]))
    assert told(book_of(intents, news)) == told(book_of(intents, story))


def test_a_late_execution_is_put_in_its_place() -> None:
    intents, story = STORIES["stopped out in parts, bought again"]
    late = [news for news in story if news != story[2]] + [story[2]]
    before = book_of(intents, late[:-1])
    assert before.positions["TEST"].quantity == 5 - 4, "four shares too few were known to be bought"
    book = book_of(intents, late)
    assert [(t.quantity, t.entry_price, t.exit_price) for t in book.trades] == [
        (10, D("100.2"), D("94.97"))
    ]
    assert (book.positions["TEST"].quantity, book.positions["TEST"].parent) == (5, AGAIN.key)
    assert book.streak == 1


def test_levels_and_marks_survive_a_late_execution() -> None:
    intents, story = STORIES["filled in two parts"]
    book = book_of(intents, [story[3]])
    book.apply(
        ev.Record(book.seq + 1, 1, OPEN + 70 * SECOND, revised("TEST", ENTRY.key, "99"), None, "")
    )
    book.apply(ev.Record(book.seq + 1, 1, OPEN + 80 * SECOND, story[2], None, ""))
    assert (book.positions["TEST"].quantity, book.positions["TEST"].stop_price) == (10, D(99))


def revised(symbol: str, parent: str, price: str) -> ev.ProtectionRevised:
    return ev.ProtectionRevised(symbol, parent, D(price))


def test_an_execution_through_zero_closes_one_position_and_opens_another() -> None:
    exit_of_more = replace(EXIT, quantity=15)
    news = [fill(ENTRY, 1, 10, "100", 1), fill(exit_of_more, 1, 15, "99", 2)]
    book = book_of([ENTRY, exit_of_more], news)
    (trade,) = book.trades
    assert (trade.quantity, trade.exit_price) == (10, D(99))
    assert book.positions["TEST"].quantity == -5
    assert trade.charges + book.positions["TEST"].charges == D("2.50"), "no charge is lost"
    assert exit_of_more.side is OrderSide.SELL
