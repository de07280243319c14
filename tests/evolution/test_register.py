import hashlib
import random
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.errors import LedgerError
from kasauti.evolution.chained import ChainedTables, Table
from kasauti.evolution.register import (
    DataSet,
    Death,
    DeathBatch,
    Origin,
    Trial,
    TrialBatch,
    TrialRegister,
)
from tests.evolution.small import AT, bars, dataset, trial

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def register(tmp_path: Path) -> TrialRegister:
    return TrialRegister(tmp_path / "state" / "register.sqlite")


@pytest.fixture
def filled(register: TrialRegister) -> TrialRegister:
    """Return a register with two rows in each table."""
    for name in ("d1", "d2"):
        register.begin_search(f"search of {name}", dataset(name), {"seed": 1}, AT)
        register.record(dataset(name), [trial("g")], [Death("g", "evolution", "twin: of h")], at=AT)
    return register


def test_the_number_of_trials_is_of_distinct_genomes_per_symbol(register: TrialRegister) -> None:
    register.record(dataset("d1", ("AAA", "BBB")), [trial("g1"), trial("g2")], at=AT)
    register.record(dataset("d2", ("BBB",)), [trial("g2"), trial("g3", Origin.OPTUNA)], at=AT)
    register.record(dataset("d3", ("CCC",)), [trial("g1", Origin.HAND)], at=AT)
    assert register.count(["AAA"]) == 2
    assert register.count(["BBB"]) == 3, "Optuna's trials count, the same genome counts once"
    assert register.count(["CCC", "AAA"]) == 2, "a panel takes the largest of its symbols"
    assert register.count(["DDD"]) == 0
    assert register.count([]) == 0


def test_a_symbol_is_not_found_inside_a_longer_name(register: TrialRegister) -> None:
    register.record(dataset("d1", ("NIFTY50",)), [trial("g1")], at=AT)
    assert register.count(["NIFTY"]) == 0


def test_new_bars_never_reset_the_count(register: TrialRegister) -> None:
    for length in (400, 500):
        register.record(DataSet.of(bars(length)), [trial(f"of {length}")], at=AT)
    assert register.count(["AAA"]) == 2


def test_recording_again_adds_nothing(register: TrialRegister) -> None:
    trials = [trial("g1"), trial("g2"), trial("g1")]
    deaths = [Death("g1", "evolution", "dominated: by g2", "s")]
    assert register.record(dataset(), trials, deaths, at=AT) == 2
    before = register.heads()
    assert register.record(dataset(), trials, deaths, at=AT) == 0
    assert register.heads() == before
    assert register.record(dataset(), [trial("g1", stage="walk-forward")], at=AT) == 1
    assert register.count(["AAA"]) == 2


def test_everything_of_a_trial_comes_back(register: TrialRegister) -> None:
    written = Trial(
        genome="g",
        genes={"entry": "close > open", "stop": {"atr": 2.5}, "regimes": ["bull"]},
        family="f",
        origin=Origin.OPTUNA,
        stage="walk-forward",
        figures={"sharpe": 1 / 3, "nothing": float("nan"), "ratio": float("inf")},
        search="s",
        generation=3,
        operator="crossover",
        parents=("a", "b"),
    )
    register.record(dataset(), [written], at=AT)
    (read,) = register.trials(genome="g")
    assert read.figures == {"sharpe": 1 / 3, "nothing": None, "ratio": None}
    assert vars(read) | {"figures": 0} == vars(written) | {"figures": 0}
    assert register.trials(search="another") == []


def test_columns_are_recorded_like_single_trials(tmp_path: Path) -> None:
    names = _names(5)
    singles = [
        replace(trial(name), search="s", generation=2, operator="mutation", parents=(names[0],) * i)
        for i, name in enumerate(names)
    ]
    deaths = [Death(name, "evolution", f"twin: of {names[0]}", "s") for name in names[1:]]
    batch = TrialBatch(
        stage="evolution",
        origin=Origin.EVOLUTION,
        search="s",
        generation=2,
        genomes=names,
        families=["family"] * 5,
        genes=[b'{"entry":"close > open"}'] * 5,
        measures=("sharpe",),
        figures=np.full((5, 1), 0.5),
        operators=["mutation"] * 5,
        parents=[one.parents for one in singles],
    )
    died = DeathBatch("evolution", "s", names[1:], [one.cause for one in deaths])
    one, two = (TrialRegister(tmp_path / name) for name in ("one", "two"))
    assert one.record(dataset(), singles, deaths, at=AT) == 5
    assert two.record_batches(dataset(), [batch], [died], at=AT) == 5
    assert two.record_batches(dataset(), [batch], [died], at=AT) == 0
    assert one.heads() == two.heads()
    assert two.trials() == singles
    assert two.deaths() == deaths
    assert [two.trials(genome=name) for name in names] == [[single] for single in singles]


def test_what_one_register_object_wrote_another_does_not_write_again(tmp_path: Path) -> None:
    first, second = (TrialRegister(tmp_path / "register.sqlite") for _ in range(2))
    for start, register in enumerate((first, second, first, second)):
        trials = [trial(name) for name in _names(30)[5 * start :]]
        assert register.record(dataset(), trials, at=AT) == (30 if start == 0 else 0)
    assert first.record(dataset(), [trial("a")], at=AT) == 1
    assert second.record(dataset(), [trial("a"), trial("b"), trial("b")], at=AT) == 1
    assert [one.genome for one in first.trials()] == [*_names(30), "a", "b"]


def test_what_was_rolled_back_may_be_recorded(register: TrialRegister) -> None:
    once = replace(trial("h"), figures={"sharpe": 1.0}, parents=("p",) * 256)  # one byte counts
    with pytest.raises(ValueError, match="256"):
        register.record(dataset(), [trial("g"), once], at=AT)
    assert register.trials() == []
    assert register.record(dataset(), [trial("g")], at=AT) == 1


def test_who_was_never_tried(register: TrialRegister) -> None:
    names = _names(4)
    register.record(dataset(), map(trial, names[:3]), at=AT)
    register.record(dataset("d2"), [trial("by hand")], at=AT)
    assert register.never_tried([*names, "by hand", "smuggled"]) == {names[3], "smuggled"}
    assert register.trials(genome=names[3]) == []


def test_the_dead_are_dead_on_their_own_data(register: TrialRegister) -> None:
    register.record(dataset("d1"), [trial("g")], at=AT)
    register.record(dataset("d1"), deaths=[Death("g", "stress", "stress: lost 31 %")], at=AT)
    assert register.is_dead("g", "d1")
    assert not register.is_dead("g", "d2")
    assert not register.is_dead("h", "d1")


def test_causes_are_counted_by_kind(register: TrialRegister) -> None:
    causes = ["dominated: in generation 1 by a", "dominated: in generation 2 by b", "twin: of c"]
    deaths = [Death(f"g{i}", "evolution", cause, "s") for i, cause in enumerate(causes)]
    register.record(dataset(), deaths=deaths, at=AT)
    assert register.causes("s") == {"dominated": 2, "twin": 1}


def test_a_search_begun_again_sees_the_dead_that_it_saw_first(register: TrialRegister) -> None:
    register.record(dataset(), deaths=[Death("old", "evolution", "twin: of x")], at=AT)
    register.record(dataset("d2"), deaths=[Death("elsewhere", "evolution", "twin: of x")], at=AT)
    assert not register.has_begun("s")
    assert register.begin_search("s", dataset(), {"seed": 1}, AT) == {"old"}
    register.record(dataset(), deaths=[Death("new", "evolution", "twin: of x", "s")], at=AT)
    assert register.begin_search("s", dataset(), {"seed": 1}, AT) == {"old"}
    assert register.begin_search("later", dataset(), {"seed": 2}, AT) == {"old", "new"}
    assert register.has_begun("s")


def test_ancestry_lists_every_ancestor_once_nearest_first(register: TrialRegister) -> None:
    tree = {"child": ("mother", "father"), "mother": ("eve",), "father": ("eve", "mother")}
    trials = [
        Trial(name, {}, "f", Origin.EVOLUTION, "evolution", parents=tree.get(name, ()))
        for name in ("eve", "mother", "father", "child", "stranger")
    ]
    register.record(dataset(), trials, at=AT)
    names = [one.genome for one in register.ancestry("child", "d1")]
    assert names == ["child", "mother", "father", "eve"]
    with pytest.raises(LedgerError, match="never tried on data set d2"):
        register.ancestry("child", "d2")


@pytest.mark.parametrize("table", ["datasets", "searches", "trials", "deaths"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {table} SET at = 'then'",
        "DELETE FROM {table}",
        "DELETE FROM {table} WHERE position = 2",
        "INSERT OR REPLACE INTO {table} SELECT * FROM {table} WHERE position = 1",
        "INSERT INTO {table} SELECT * FROM (SELECT * FROM {table} WHERE position = 1)",
    ],
)
def test_rows_can_be_neither_changed_nor_removed(
    filled: TrialRegister, table: str, statement: str
) -> None:
    with sqlite3.connect(filled.path) as connection, pytest.raises(sqlite3.Error) as refusal:
        connection.execute(statement.format(table=table))
    assert f"{table} is append-only" in str(refusal.value)
    assert filled.verify() == 8


def test_replacing_a_key_under_the_next_position_is_refused(filled: TrialRegister) -> None:
    with sqlite3.connect(filled.path) as connection, pytest.raises(sqlite3.Error) as refusal:
        connection.execute("INSERT OR REPLACE INTO datasets VALUES (3, 'd1', '[]', '', '', '', '')")
    assert "datasets is append-only" in str(refusal.value)


@pytest.mark.parametrize("table", ["datasets", "searches", "trials", "deaths"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {table} SET at = 'then' WHERE position = 1",
        "UPDATE {table} SET chain = 'x' WHERE position = 2",
        "DELETE FROM {table} WHERE position = 1",
        "UPDATE {table} SET position = position + 100",
    ],
)
def test_tampering_behind_the_triggers_is_found(
    filled: TrialRegister, table: str, statement: str
) -> None:
    with sqlite3.connect(filled.path) as connection:
        for verb in ("update", "delete"):
            connection.execute(f"DROP TRIGGER {table}_no_{verb}")
        connection.execute(statement.format(table=table))
    with pytest.raises(LedgerError, match=f"row . of {table} was changed or removed"):
        filled.verify()


@pytest.mark.parametrize("column", ["genomes", "families", "genes", "figures", "parents"])
def test_a_changed_blob_is_found(filled: TrialRegister, column: str) -> None:
    with sqlite3.connect(filled.path) as connection:
        connection.execute("DROP TRIGGER trials_no_update")
        connection.execute(f"UPDATE trials SET {column} = x'00' WHERE position = 2")
    with pytest.raises(LedgerError, match="row 2 of trials was changed"):
        filled.verify()


def test_losing_the_newest_rows_shows_in_the_heads(filled: TrialRegister) -> None:
    before = filled.heads()
    with sqlite3.connect(filled.path) as connection:
        connection.execute("DROP TRIGGER trials_no_delete")
        connection.execute("DELETE FROM trials WHERE position = 2")
    assert filled.heads()["trials"] != before["trials"]
    assert filled.heads()["deaths"] == before["deaths"]


def test_one_id_cannot_name_two_data_sets(register: TrialRegister) -> None:
    register.record(dataset("d1", ("AAA",)), [trial("g")], at=AT)
    with pytest.raises(LedgerError, match="give other data another id"):
        register.record(dataset("d1", ("BBB",)), [trial("h")], at=AT)
    assert register.trials(genome="h") == []


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    table = Table("things", ("name",), 1)
    tables = ChainedTables(tmp_path / "t.sqlite", [table])
    with pytest.raises(RuntimeError), tables.transaction() as connection:
        tables.append(connection, table, [("a",)])
        raise RuntimeError
    with tables.transaction() as connection:
        assert tables.append(connection, table, [("a",), ("a",), ("b",)]) == 2
    assert tables.verify() == 2


def test_a_register_of_another_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "register.sqlite"
    before = Table("trials", ("dataset", "genome", "stage", "genes", "at"), 3)
    tables = ChainedTables(path, [before])
    with tables.transaction() as connection:
        tables.append(connection, before, [("d", "g", "evolution", "{}", "then")])
    with pytest.raises(LedgerError, match=r"register.sqlite: .* trials .* another version .* keep"):
        TrialRegister(path)
    assert ChainedTables(path, [before]).verify() == 1
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        assert [name for (name,) in found] == ["trials"]


def test_a_file_that_is_no_register_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "register.sqlite"
    path.write_text("this is no database, but it is long enough to be read as one" * 20)
    with pytest.raises(LedgerError, match=r"register.sqlite: .*restore it from a backup"):
        TrialRegister(path)


def _names(count: int) -> list[str]:
    return [hashlib.sha256(str(i).encode()).hexdigest() for i in range(count)]


@settings(deadline=None, max_examples=10, derandomize=True)
@given(seed=st.integers(0, 1000), size=st.integers(1, 20))
def test_the_reservoir_does_not_depend_on_the_order_of_arrival(
    tmp_path_factory: pytest.TempPathFactory, seed: int, size: int
) -> None:
    names = _names(40)
    random.Random(seed).shuffle(names)
    register = TrialRegister(tmp_path_factory.mktemp("reservoir") / "register.sqlite")
    for start in range(0, 40, 8):
        register.record(dataset(), map(trial, names[start : start + 8]), at=AT)
    register.record(dataset(), [trial(name, stage="judge") for name in names[:10]], at=AT)
    assert [one.genome for one in register.reservoir("d1", size)] == sorted(names)[:size]
    assert register.reservoir("d2") == []


WRITER = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from kasauti.evolution.register import DataSet, Death, Origin, Trial, TrialRegister

path, first = Path(sys.argv[1]), int(sys.argv[2])
dataset, at = DataSet("d1", ("AAA",), "", ""), datetime(2024, 3, 1, tzinfo=timezone.utc)
sys.stdin.readline()
register = TrialRegister(path)
for batch in range(20):
    names = [f"g{first + 10 * batch + i}" for i in range(10)]
    trials = [Trial(name, {}, "f", Origin.EVOLUTION, "evolution") for name in names]
    register.record(dataset, trials, [Death(name, "evolution", "twin") for name in names], at=at)
"""


def test_processes_may_write_at_once_from_the_very_first_moment(tmp_path: Path) -> None:
    path = tmp_path / "register.sqlite"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(first)],
            stdin=subprocess.PIPE,
            cwd=ROOT,
        )
        for first in (0, 100, 200)  # each overlaps the next by 100 genomes
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    register = TrialRegister(path)
    assert register.count(["AAA"]) == 400
    assert len(register.deaths()) == 400
    assert register.verify() == 1 + 400 + 400
