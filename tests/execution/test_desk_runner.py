"""`kasauti reconcile` without a desk: one is hosted for the moment, and it says what differs."""

import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from kasauti.alerts.book import AlertBook
from kasauti.alerts.triggers import Trigger
from kasauti.desk_runner import reconcile, run_desk
from kasauti.errors import LedgerError, SelfTestError
from kasauti.execution import self_test
from kasauti.execution.brokers.paper import PaperBroker
from kasauti.execution.events import EpochRaised
from kasauti.execution.host import RECONCILE_COMMAND
from kasauti.execution.lease import is_taken
from kasauti.execution.limits import profile
from kasauti.home import Home
from kasauti.market.markets import NSE
from tests.execution.desks import paper_ledger, told
from tests.execution.world import CALENDAR, OPEN, entry


def test_without_any_ledger_there_is_nothing_to_compare(tmp_path: Path) -> None:
    assert reconcile(Home(tmp_path), "anna", OPEN) == []
    assert not list(tmp_path.iterdir())


def test_an_order_that_nobody_here_sent_is_a_difference(tmp_path: Path) -> None:
    with closing(paper_ledger(tmp_path)) as ledger:
        broker = PaperBroker(ledger.engine, NSE, cash=profile().capital, calendar=CALENDAR)
        (equal,) = reconcile(Home(tmp_path), "anna", OPEN)
        assert equal.differences == () and equal.by == RECONCILE_COMMAND
        broker.place(replace(entry().order(), quantity=1, limit_price=Decimal("99.00")), OPEN)
        (found,) = reconcile(Home(tmp_path), "anna", OPEN)
        assert "not ours" in "; ".join(found.differences)
        assert told(ledger, EpochRaised) == [EpochRaised(RECONCILE_COMMAND)] * 2
        assert not is_taken(ledger.path), "its lease is given back"


def open_titles(home: Home) -> list[str]:
    with closing(AlertBook(home.alerts)) as book, book.reading() as connection:
        rows = connection.exec_driver_sql("SELECT alert ->> 'trigger' FROM alerts")
        return [trigger for (trigger,) in rows]


def test_a_desk_that_ends_with_an_error_has_told_of_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.ledger.write_bytes(b"no database" * 100)
    with pytest.raises(LedgerError):
        run_desk(home, "ultra-conservative", stopped=lambda: False)
    assert open_titles(home) == [Trigger.DESK_ENDED]


def test_a_control_that_cannot_refuse_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    paper_ledger(tmp_path).close()
    broken = {name: trip for name, trip in self_test.TRIPS.items() if name != "K22"}
    monkeypatch.setattr(self_test, "TRIPS", broken)
    with pytest.raises(SelfTestError, match="K22"):
        run_desk(home, "ultra-conservative", stopped=lambda: False)
    assert open_titles(home) == [Trigger.SELF_TEST_FAILED]


def test_a_book_that_cannot_be_written_changes_nothing_of_the_error(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.ledger.write_bytes(b"no database" * 100)
    home.alerts.mkdir()
    with pytest.raises(LedgerError, match="ledger"):
        run_desk(home, "ultra-conservative", stopped=lambda: False)


def test_a_desk_starts_without_what_only_sends_alerts() -> None:
    program = (
        "import sys, kasauti.desk_runner;"
        "print([name for name in ('apprise', 'slack_sdk', 'kasauti.alerts.book') "
        "if name in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
