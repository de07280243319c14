"""`kasauti reconcile` without a desk: one is hosted for the moment, and it says what differs."""

from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from kasauti.desk_runner import reconcile
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.events import EpochRaised
from kasauti.execution.host import RECONCILE_COMMAND
from kasauti.execution.lease import is_taken
from kasauti.execution.limits import profile
from kasauti.home import Home
from kasauti.market.markets import NSE
from tests.execution.desks import paper_ledger, told
from tests.execution.world import OPEN, entry


def test_without_any_ledger_there_is_nothing_to_compare(tmp_path: Path) -> None:
    assert reconcile(Home(tmp_path), "anna", OPEN) == []
    assert not list(tmp_path.iterdir())


def test_an_order_that_nobody_here_sent_is_a_difference(tmp_path: Path) -> None:
    with closing(paper_ledger(tmp_path)) as ledger:
        broker = PaperBroker(ledger.engine, NSE, cash=profile().capital)
        (equal,) = reconcile(Home(tmp_path), "anna", OPEN)
        assert equal.differences == () and equal.by == RECONCILE_COMMAND
        broker.place(replace(entry().order(), quantity=1, limit_price=Decimal("99.00")), OPEN)
        (found,) = reconcile(Home(tmp_path), "anna", OPEN)
        assert "not ours" in "; ".join(found.differences)
        assert told(ledger, EpochRaised) == [EpochRaised(RECONCILE_COMMAND)] * 2
        assert not is_taken(ledger.path), "its lease is given back"
