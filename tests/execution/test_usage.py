"""What an order finds used: counted from trades and sessions as they stand in the book."""

from datetime import date, datetime, time
from decimal import Decimal

import pytest

from kasauti.execution.model import Purpose
from kasauti.execution.projections import Book
from kasauti.execution.usage import usage
from kasauti.execution.views import ClosedTrade, DayResult
from kasauti.market.calendar import nse_calendar
from tests.execution.world import OPEN, ZONE, entry

D = Decimal
SESSIONS = [s.day for s in nse_calendar().sessions(date(2026, 5, 4), date(2026, 7, 14))]


def trade(sessions_ago: int, profit: int, symbol: str = "TEST") -> ClosedTrade:
    at = datetime.combine(SESSIONS[-sessions_ago], time(10), tzinfo=ZONE)
    return ClosedTrade(
        symbol, "g", "long", 10, at, D(100), at, D(100), Purpose.EXIT, D(0), D(profit)
    )


@pytest.mark.parametrize(
    ("trades", "rested"),
    [
        pytest.param([], None, id="nothing was traded"),
        pytest.param([trade(3, -5), trade(2, -5)], None, id="two are too few to say"),
        pytest.param([trade(3, -5), trade(2, -5), trade(1, -5)], 1, id="the last one yesterday"),
        pytest.param([trade(9, -5), trade(8, -5), trade(7, -5)], 7, id="a while ago"),
        pytest.param([trade(3, -5), trade(2, 20), trade(1, -5)], None, id="together they won"),
        pytest.param([trade(4, 50), *(trade(3, -5),) * 3], 3, id="only the last three count"),
        pytest.param([*(trade(3, -5),) * 2, trade(2, -5, "OTHER")], None, id="another symbol's"),
        pytest.param([*(trade(22, -5),) * 3], None, id="longer ago than a month"),
    ],
)
def test_a_symbol_whose_last_trades_lost_together_is_known(
    trades: list[ClosedTrade], rested: int | None
) -> None:
    book = Book()
    book.trades.extend(trades)
    book.days.extend(DayResult(day, D(100_000), D(0), D(0)) for day in SESSIONS)
    found = usage(book, entry(), lambda symbol: None, OPEN)
    assert found.sessions_since_losses == rested
