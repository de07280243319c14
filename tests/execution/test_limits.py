"""Profiles, ceilings and tightening."""

from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.errors import UsageError
from kasauti.execution.custom_limits import chosen, read_custom
from kasauti.execution.limits import CEILINGS, PROFILES, Limits, Review, custom, profile, tighter
from kasauti.market.markets import NSE
from kasauti.operations.charge_note import note_of, round_trip
from tests.execution.world import LIMITS, OPEN, at, entry, world

D = Decimal

TABLE = [
    ("ultra-conservative", 5_000, 1, 150, 150, 2, Review.EACH_TRADE),
    ("conservative", 10_000, 2, 250, 400, 3, Review.DAILY),
    ("moderate", 25_000, 3, 500, 1_000, 3, Review.WEEKLY),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_profiles_are_those_of_the_design(row: tuple[Any, ...]) -> None:
    limits = profile(row[0])
    assert (
        limits.profile,
        limits.capital,
        limits.trades_a_day,
        limits.risk_per_trade,
        limits.daily_loss,
        limits.losing_streak,
        limits.review,
    ) == row


def test_the_default_is_the_most_careful_one() -> None:
    assert profile().profile == "ultra-conservative"
    assert len(PROFILES) == len(TABLE)
    with pytest.raises(UsageError, match="no profile"):
        profile("reckless")


GOOD: dict[str, Any] = {
    "capital": D(10_000),
    "trades_a_day": 2,
    "risk_per_trade": D(250),
    "daily_loss": D(400),
    "losing_streak": 3,
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"risk_per_trade": D(501)}, "risk_per_trade"),
        ({"daily_loss": D(1_001)}, "daily_loss"),
        ({"trades_a_day": 21}, "trades_a_day"),
        ({"losing_streak": 11}, "losing_streak"),
        ({"capital": D(10_000_001)}, "capital"),
        ({"capital": D("NaN")}, "capital"),
        ({"trades_a_day": 0}, "trades_a_day"),
        ({"risk_per_trade": D(-1)}, "risk_per_trade"),
    ],
    ids=str,
)
def test_no_setting_lifts_a_ceiling(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        custom(**(GOOD | changes))


@pytest.mark.parametrize(
    "changes", [{"orders_a_second": 6}, {"max_gross": D(10_001)}, {"collar": D("0.11")}], ids=str
)
def test_derived_limits_have_ceilings_too(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(custom(**GOOD), **changes)


def test_a_sealed_session_can_only_be_tightened() -> None:
    sealed = custom(**GOOD)
    wanted = replace(sealed, trades_a_day=1, risk_per_trade=D(300), cooldown_sessions=3)
    result = tighter(sealed, wanted)
    assert (result.trades_a_day, result.risk_per_trade, result.cooldown_sessions) == (1, D(250), 3)
    assert tighter(sealed, sealed) == sealed


def test_the_hash_tells_every_figure_apart() -> None:
    limits = custom(**GOOD)
    assert limits.hash == custom(**GOOD).hash
    assert limits.hash != replace(limits, trades_a_day=1).hash


def drawn(small: int) -> st.SearchStrategy[Limits]:
    """Return limits that are good, figures from 1 to `small` times 1."""
    counts = {
        name: st.integers(1, int(CEILINGS.get(name, small)))
        for name in ("trades_a_day", "losing_streak", "slots", "orders_a_second", "repeats")
    }
    values = {
        name: st.integers(1, 500).map(D)
        for name in ("risk_per_trade", "daily_loss", "max_order_value", "max_gross")
    }
    others = {
        "collar": st.integers(1, 10).map(lambda n: D(n) / 100),
        "max_drawdown": st.integers(1, 20).map(lambda n: D(n) / 100),
        "strategy_share": st.integers(1, 10).map(lambda n: D(n) / 10),
        "cooldown_sessions": st.integers(0, 5),
        "low_profit_sessions": st.integers(0, 9),
        "review": st.sampled_from(Review),
        "start": st.none() | st.dates(date(2026, 1, 1), date(2026, 12, 31)),
        "restricted": st.lists(st.sampled_from("ABCD"), unique=True).map(
            lambda s: tuple(sorted(s))
        ),
        "flatten_on_loss": st.booleans(),
    }
    return st.fixed_dictionaries({**counts, **values, **others}).map(
        lambda changes: replace(custom(**GOOD), **changes)
    )


FREQUENT = tuple(Review)


def is_as_tight(one: Limits, other: Limits) -> bool:
    """Whether nothing that `other` forbids is allowed by `one`."""
    for item in fields(Limits):
        mine, theirs = getattr(one, item.name), getattr(other, item.name)
        match item.name:
            case "profile" | "capital":
                continue
            case "cooldown_sessions" | "low_profit_sessions" | "flatten_on_loss":
                good = mine >= theirs
            case "review":
                good = FREQUENT.index(mine) <= FREQUENT.index(theirs)
            case "start":
                good = theirs is None or (mine is not None and mine >= theirs)
            case "restricted":
                good = set(mine) >= set(theirs)
            case _:
                good = mine <= theirs
        if not good:
            return False
    return True


@settings(deadline=None, max_examples=100, derandomize=True)
@given(drawn(20), drawn(20))
def test_whatever_is_wanted_a_sealed_limit_only_gets_tighter(
    sealed: Limits, wanted: Limits
) -> None:
    result = tighter(sealed, wanted)
    assert is_as_tight(result, sealed) and is_as_tight(result, wanted)
    assert (result.profile, result.capital) == (sealed.profile, sealed.capital)
    assert tighter(result, wanted) == result == tighter(result, sealed)


def test_the_ledger_holds_only_tighter_limits_of_one_day(tmp_path: Path) -> None:
    with world(tmp_path, limits=LIMITS) as w:
        looser = replace(LIMITS, trades_a_day=9, max_drawdown=D("0.20"), daily_loss=D(9_000))
        assert w.desk.open_session(at(10), looser) == LIMITS
        tight = replace(looser, orders_a_day=5)
        assert w.desk.open_session(at(11), tight) == replace(LIMITS, orders_a_day=5)
        assert w.desk.open_session(at(12), LIMITS) == replace(LIMITS, orders_a_day=5)
        book = w.desk.book
        assert book.limits is not None and book.limits_hash == book.limits.hash
        assert book.sealed_at == at(11)


COMPLETE = """
capital = 20000
trades_a_day = 2
risk_per_trade = 400.50
daily_loss = 800
losing_streak = 3
review = "weekly"
start = 2026-08-01
restricted = ["PENNY"]
"""


def test_a_custom_profile_comes_from_a_file_and_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "limits.toml"
    file.write_text(COMPLETE)
    found = chosen("custom", file, {})
    assert (found.capital, found.risk_per_trade) == (D(20_000), D("400.50"))
    assert (found.review, found.start) == (Review.WEEKLY, date(2026, 8, 1))
    assert found.restricted == ("PENNY",) and found.max_gross == D(20_000)
    over = {"KASAUTI_LIMIT_DAILY_LOSS": "500", "KASAUTI_LIMIT_RESTRICTED": "A, B", "PATH": "x"}
    changed = chosen("custom", file, over)
    assert (changed.daily_loss, changed.restricted) == (D(500), ("A", "B"))
    assert chosen("moderate", file, over) == profile("moderate")


@pytest.mark.parametrize(
    ("text", "environment", "told"),
    [
        ("", {}, "start"),
        (COMPLETE.replace("start = 2026-08-01", ""), {}, "start"),
        (COMPLETE + "leverage = 5", {}, "leverage"),
        (COMPLETE + "slots = 50", {}, "ceiling"),
        (COMPLETE + "orders_a_second = 6", {}, "ceiling"),
        (COMPLETE, {"KASAUTI_LIMIT_CAPITAL": "NaN"}, "capital"),
        (COMPLETE, {"KASAUTI_LIMIT_CAPITAL": "lots"}, "capital"),
        (COMPLETE, {"KASAUTI_LIMIT_DAILY_LOSS": "2001"}, "daily_loss"),
        ("capital = [", {}, "TOML"),
    ],
    ids=["no file", "no start", "unknown", "slots", "rate", "NaN", "words", "loss", "not TOML"],
)
def test_a_bad_custom_profile_says_what_is_wrong(
    tmp_path: Path, text: str, environment: dict[str, str], told: str
) -> None:
    file = tmp_path / "limits.toml"
    if text:
        file.write_text(text)
    with pytest.raises(UsageError, match=told):
        read_custom(file, environment)


def test_no_entry_before_the_start_date(tmp_path: Path) -> None:
    with world(tmp_path, limits=replace(LIMITS, start=date(2026, 8, 1))) as w:
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
        assert w.order(entry()).code == "NOT_STARTED"


def test_a_delivery_round_trip_costs_what_the_broker_says() -> None:
    """Golden value of the reference (angel-one-and-nse.md 4.1): bought 5,000, sold 5,500."""
    day = date(2026, 11, 2)
    assert round(round_trip(NSE, D(5_000), D(5_500), day), 4) == D("47.6328")
    note = note_of(profile(), NSE, day)
    assert 46 < note.charges < 47 and note.is_heavy
    assert "Charges eat this profile" in note.words and "31 %" in note.words
    rich = replace(custom(**GOOD | {"capital": D(1_000_000)}), risk_per_trade=D(30_000))
    assert not note_of(rich, NSE, day).is_heavy
