"""Intents, tags and ticks."""

from base64 import b32encode
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.errors import UsageError
from kasauti.execution.events import IntentCommitted, from_json, to_json
from kasauti.execution.model import (
    TAG_LENGTH,
    Offset,
    Order,
    OrderSide,
    OrderType,
    Protection,
    round_to_tick,
    tag_of,
)
from kasauti.execution.ranking import rank_key
from tests.execution.world import OPEN, entry


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.text(min_size=1))
def test_tags_are_deterministic_and_fit_the_broker(key: str) -> None:
    tag = tag_of(key)
    assert tag == tag_of(key)
    assert len(tag) == TAG_LENGTH < 20
    assert tag.isascii() and tag.isalnum()
    assert tag == b32encode(sha256(key.encode()).digest()).decode()[:TAG_LENGTH]


def test_tags_differ() -> None:
    assert len({tag_of(f"key {number}") for number in range(10_000)}) == 10_000


def test_no_market_order_can_be_expressed() -> None:
    assert {kind.value for kind in OrderType} == {"LIMIT", "STOPLOSS_LIMIT"}
    assert entry().order_type is OrderType.LIMIT
    assert entry(trigger_price=Decimal(99)).order_type is OrderType.STOPLOSS_LIMIT
    assert "validity" not in Order.__dataclass_fields__, "DAY is the only validity"


@pytest.mark.parametrize(
    ("price", "tick", "up", "expected"),
    [
        ("100.03", "0.05", True, "100.05"),
        ("100.03", "0.05", False, "100.00"),
        ("100.05", "0.05", True, "100.05"),
        ("1234.56", "0.10", False, "1234.50"),
        ("20001", "5", True, "20005"),
    ],
)
def test_rounding_to_the_tick(price: str, tick: str, up: bool, expected: str) -> None:
    assert round_to_tick(Decimal(price), Decimal(tick), up=up) == Decimal(expected)


def test_protection_levels_are_the_tighter_of_stop_and_trail() -> None:
    protection = Protection(
        stop=Offset(Decimal("0.04"), of_price=True),
        target=Offset(Decimal(7)),
        trail=Offset(Decimal(3)),
    )
    assert protection.stop_price(Decimal(100), OrderSide.BUY) == 97
    assert protection.stop_price(Decimal(100), OrderSide.SELL) == 103
    assert protection.target_price(Decimal(100), OrderSide.BUY) == 107
    assert replace(protection, trail=None).stop_price(Decimal(100), OrderSide.BUY) == 96


def test_an_intent_needs_exchange_time() -> None:
    with pytest.raises(UsageError, match="time zone"):
        entry(valid_from=datetime(2026, 7, 15, 9, 15))


def test_an_undefined_price_survives_the_ledger_so_that_the_gate_can_refuse_it() -> None:
    kind, payload = to_json(IntentCommitted(entry(limit_price=Decimal("NaN"))))
    event = from_json(kind, payload)
    assert isinstance(event, IntentCommitted)
    assert event.intent.limit_price.is_nan()


def test_an_intent_comes_back_as_it_went() -> None:
    intent = entry(trigger_price=Decimal("99.95"), score=Decimal("1.23"))
    event = from_json(*to_json(IntentCommitted(intent)))
    assert event == IntentCommitted(intent)
    assert isinstance(event, IntentCommitted)
    assert event.intent.valid_from.utcoffset() == OPEN.utcoffset()


def test_rank_is_score_then_hash_then_symbol_and_undefined_last() -> None:
    signals = [
        (Decimal(1), "b", "X"),
        (Decimal("NaN"), "a", "X"),
        (Decimal(2), "c", "X"),
        (Decimal(1), "a", "Y"),
        (Decimal(1), "a", "X"),
    ]
    ranked = sorted(signals, key=lambda s: rank_key(*s))
    assert [s[1:] for s in ranked] == [("c", "X"), ("a", "X"), ("a", "Y"), ("b", "X"), ("a", "X")]
