"""More signals than slots: one function ranks them, wherever they are ranked."""

import ast
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kasauti.execution
from kasauti.execution.decisions import Release, next_actions
from kasauti.execution.model import OrderSide, Purpose
from kasauti.execution.ranking import rank_key
from kasauti.execution.signals import Signal, rank_signals
from tests.execution.world import OPEN, TODAY, entry, world

D = Decimal
SYMBOLS = ("TEST", "OTHER", "THIRD")
scores = st.sampled_from(["0", "1", "1.0", "1.5", "-2", "NaN"])
rows = st.lists(st.tuples(scores, st.sampled_from("abc")), min_size=3, max_size=3)


def signal(symbol: str, score: str, genome_hash: str) -> Signal:
    return Signal(
        symbol,
        genome_hash,
        Purpose.ENTRY,
        OrderSide.BUY,
        1,
        D(100),
        D(101),
        TODAY,
        D(score),
        "entry",
        "v",
    )


@settings(deadline=None, max_examples=25, derandomize=True)
@given(drawn=rows)
def test_signals_and_desk_rank_alike(
    drawn: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    wanted = [(s, score, genome) for s, (score, genome) in zip(SYMBOLS, drawn, strict=True)]
    ranked = [found.symbol for found in rank_signals(signal(*want) for want in wanted)]
    with world(tmp_path_factory.mktemp("rank")) as w:
        for symbol, score, genome in wanted:
            intent = entry(symbol, key=f"{genome}|{symbol}", score=D(score), genome_hash=genome)
            w.desk.submit(intent, OPEN)
        actions = next_actions(w.desk._view(OPEN))
    released = [action.intent.symbol for action in actions if isinstance(action, Release)]
    by_key = sorted(wanted, key=lambda want: rank_key(D(want[1]), want[2], want[0]))
    assert ranked == released == [symbol for symbol, _, _ in by_key]


def test_whoever_sorts_by_score_asks_the_one_function() -> None:
    """No module of execution sorts by a score of its own."""
    wrong = []
    for path in sorted(Path(kasauti.execution.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.keywords:
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            name = node.func.attr if isinstance(node.func, ast.Attribute) else name
            keys = [ast.unparse(word.value) for word in node.keywords if word.arg == "key"]
            if name in ("sorted", "sort", "max", "min") and any("score" in key for key in keys):
                wrong += [f"{path.name}: {key}" for key in keys if "rank_key" not in key]
    assert not wrong
