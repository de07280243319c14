"""Profiles, ceilings and tightening."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from kasauti.errors import UsageError
from kasauti.execution.limits import PROFILES, Review, custom, profile, tighter

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
