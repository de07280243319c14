"""ledger verify and ledger show, on a whole ledger and on a broken one."""

import sqlite3
from contextlib import closing

from kasauti.home import Home
from tests.cli.conftest import Run
from tests.execution.world import World


def test_before_there_is_a_ledger(run: Run, home: Home) -> None:
    told = run("ledger", "verify", "--json")
    assert (told.code, told.json) == (0, {"ok": True, "ledgers": []})
    assert "nothing to verify" in run("ledger", "verify").out
    assert run("ledger", "show", "--json").json == {"events": []}


def test_a_whole_ledger(run: Run, desk: World) -> None:
    told = run("ledger", "verify", "--json")
    assert told.code == 0 and told.json["ok"]
    (one,) = told.json["ledgers"]
    assert (one["ledger"], one["events"], one["head"]) == ("replay", *desk.ledger.head())
    assert "whole" in run("ledger", "verify").out
    shown = run("ledger", "show", "--last", "2", "--json").json["events"]
    assert [row["seq"] for row in shown] == [one["events"] - 1, one["events"]]
    assert str(one["events"]) in run("ledger", "show", "--last", "1").out


def test_a_broken_ledger_is_a_negative_answer(run: Run, desk: World) -> None:
    with closing(sqlite3.connect(desk.ledger.path)) as file:
        file.execute("DROP TRIGGER events_no_update")
        file.execute("UPDATE events SET payload = 'x' WHERE seq = 3")
        file.commit()
    told = run("ledger", "verify", "--json")
    assert told.code == 1 and not told.json["ok"]
    problems = told.json["ledgers"][0]["problems"]
    assert problems[-1] == "event 3 was changed"
    assert [text.split()[1] for text in problems[:-1]] == ["events_no_update"], "it was dropped"
    assert "event 3 was changed" in run("ledger", "verify").out
    assert run("ledger", "show", "--last", "1000").code == 2


def test_a_bad_count_is_bad_usage(run: Run, desk: World) -> None:
    assert run("ledger", "show", "--last", "0").code == 2
