"""No code path reaches a broker but through the gate: read from the sources, and by construction.

Only `host` and `self_test` make a broker and hand it to a gate; only `gate` holds one and calls it.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import kasauti

ROOT = Path(kasauti.__file__).resolve().parent.parent
PACKAGES = ("kasauti", "assets", "resources", "pipelines")
BROKERS = "kasauti.execution.brokers"
GATE = "kasauti.execution.gate"
MAKERS = {"kasauti.execution.host", "kasauti.execution.self_test"}
# Read without a broker: the words of the interface, and which moments a paper account has seen.
HARMLESS = {
    *(f"{BROKERS}.base.{name}" for name in ("Answer", "BrokerOrder", "BrokerPosition", "Reply")),
    *(f"{BROKERS}.paper.{name}" for name in ("has_seen", "last_moment")),
    *(f"{BROKERS}.matching.{name}" for name in ("Quote", "Instrument", "Phase", "WIDEST_BAND")),
    f"{BROKERS}.venue.PARTICIPATION",
}


SIGNS = ("brokers", "_Gate__broker", ".place")  # a module without any of them is not parsed


def violations(name: str, source: str) -> list[str]:
    """Return how the module `name` could reach a broker without the gate."""
    if name.startswith(BROKERS) or not any(sign in source for sign in SIGNS):
        return []
    tree, found = ast.parse(source), []
    for imported in _imports(tree):
        is_broker = imported == BROKERS or imported.startswith(f"{BROKERS}.")
        allowed = imported in HARMLESS or name in MAKERS
        held = name == GATE and imported == f"{BROKERS}.base.Broker"
        if is_broker and not allowed and not held:
            found.append(f"{name} imports {imported}")
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="place")) if name != GATE:
                found.append(f"{name} calls place")
            case ast.Attribute(attr="_Gate__broker"):
                found.append(f"{name} takes the handle out of the gate")
            case ast.Constant(value=str(text)) if _names_a_broker(text):
                found.append(f"{name} names {text!r}")
    return found


def _names_a_broker(text: str) -> bool:
    return "_Gate__broker" in text or text.startswith(f"{BROKERS}.")


def _imports(tree: ast.Module) -> Iterator[str]:
    """Yield what is imported, each name with its module: the module itself only where it is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _modules() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name, path.read_text(encoding="utf-8")


def test_no_module_reaches_a_broker_without_the_gate() -> None:
    read = [(name, violations(name, source)) for name, source in _modules()]
    assert {GATE, *MAKERS} <= {name for name, _ in read}, "the sources are where they were"
    assert [line for _, found in read for line in found] == []


PLANTED = [
    ("from kasauti.execution.brokers.paper import PaperBroker", "imports"),
    ("from kasauti.execution.brokers.paper import PaperBroker as P", "imports"),
    ("from kasauti.execution.brokers import paper", "imports"),
    ("from kasauti.execution import brokers", "imports"),
    ("import kasauti.execution.brokers.paper", "imports"),
    ("import kasauti.execution.brokers.paper as p", "imports"),
    ("from kasauti.execution.brokers.faults import Faulty", "imports"),
    ("from kasauti.execution.brokers.paper import *", "imports"),
    ("def f():\n    from kasauti.execution.brokers.paper import PaperBroker", "imports"),
    ("import importlib\nimportlib.import_module('kasauti.execution.brokers.paper')", "names"),
    ("def f(gate, order, now):\n    gate._Gate__broker.cancel(order, now)", "takes"),
    ("def f(gate):\n    return getattr(gate, '_Gate__broker')", "names"),
    ("def f(feed, order, now):\n    feed.place(order, now)", "calls place"),
]


@pytest.mark.parametrize(("source", "told"), PLANTED, ids=[row[0][:60] for row in PLANTED])
def test_a_planted_way_round_is_found(source: str, told: str) -> None:
    found = violations("kasauti.trading", source)
    assert found and told in found[0]
