"""The capital tier follows from what was tested and what each profile could trade."""

from typing import Any

import pytest

from kasauti.execution.limits import DEFAULT_PROFILE, PROFILES
from kasauti.validation.tiers import (
    LOWEST_TIER,
    capital_tier,
    is_sensible,
    still_untested,
    told_by_profile,
)

CAPITALS = {name: float(limits.capital) for name, limits in PROFILES.items()}
GOOD, DEAR, COSTLY, IDLE = (10, 9, 0.4), (10, 4, 0.4), (10, 10, -0.25), (0, 0, 0.0)


def row(profile: str, signals: int, bought: int, total_return: float) -> dict[str, Any]:
    return {
        "profile": profile,
        "capital": CAPITALS[profile],
        "signals": signals,
        "bought": bought,
        "charges_of_value": 0.0094 if bought else None,
        "total_return": total_return,
    }


def rows(*profiles: tuple[int, int, float]) -> list[dict[str, Any]]:
    return [row(name, *each) for name, each in zip(CAPITALS, profiles, strict=True)]


def test_the_lowest_tier_is_the_profile_with_the_least_money() -> None:
    assert LOWEST_TIER == DEFAULT_PROFILE == min(CAPITALS, key=lambda name: CAPITALS[name])


@pytest.mark.parametrize(
    ("untested", "found", "profile", "told"),
    [
        pytest.param((), (GOOD, GOOD, GOOD), "moderate", "up to moderate (₹25,000)", id="all"),
        pytest.param(
            (), (DEAR, DEAR, GOOD), "moderate", "9 of 10 signals", id="too dear for small money"
        ),
        pytest.param(
            (), (GOOD, GOOD, COSTLY), "conservative", "up to conservative (₹10,000)", id="not above"
        ),
        pytest.param((), (GOOD, DEAR, DEAR), LOWEST_TIER, "up to ultra-conservative", id="least"),
        pytest.param(
            *((), (COSTLY, COSTLY, COSTLY), LOWEST_TIER, "at no profile's capital"),
            id="charges eat it everywhere",
        ),
        pytest.param((), (IDLE, IDLE, IDLE), LOWEST_TIER, "at no profile's capital", id="idle"),
        pytest.param(
            *(("2008 financial crisis",), (GOOD, GOOD, GOOD), LOWEST_TIER),
            "ultra-conservative (₹5,000) only: nobody knows what it would have lost in 2008",
            id="untested history caps it",
        ),
        pytest.param(
            *(("2020 COVID",), (DEAR, GOOD, GOOD), LOWEST_TIER),
            "cannot be traded sensibly: only 4 of 10 signals buy a share",
            id="capped where it buys too little",
        ),
        pytest.param(
            *(("2020 COVID",), (COSTLY, GOOD, GOOD), LOWEST_TIER),
            "cannot be traded sensibly: after charges it makes -25.0%",
            id="capped where charges eat it",
        ),
        pytest.param(
            *(("2020 COVID",), (IDLE, IDLE, IDLE), LOWEST_TIER),
            "cannot be traded sensibly: it has no signal at all",
            id="capped and idle",
        ),
    ],
)
def test_the_tier(
    untested: tuple[str, ...],
    found: tuple[tuple[int, int, float], ...],
    profile: str,
    told: str,
) -> None:
    tier = capital_tier(rows(*found), untested)
    assert tier.profile == profile
    assert told in tier.reason


@pytest.mark.parametrize(
    ("signals", "bought", "total_return", "sensible"),
    [
        pytest.param(10, 5, 0.01, True, id="half of the signals"),
        pytest.param(10, 4, 0.01, False, id="less than half"),
        pytest.param(10, 10, 0.0, False, id="earns nothing"),
        pytest.param(0, 0, 0.0, False, id="no signal"),
        pytest.param(10, 10, float("nan"), False, id="no number"),
    ],
)
def test_what_is_sensible(signals: int, bought: int, total_return: float, sensible: bool) -> None:
    assert is_sensible(row(LOWEST_TIER, signals, bought, total_return)) is sensible


LOSS = {"scenario": "2020 COVID", "symbol": "NIFTY50", "loss": -0.1, "how": ""}


@pytest.mark.parametrize(
    ("stress", "sealed", "left"),
    [
        pytest.param({}, {"losses": []}, (), id="everything was replayed"),
        pytest.param(
            {"untested": ["2020 COVID"]}, {"losses": []}, ("2020 COVID",), id="the opening had none"
        ),
        pytest.param(
            {"untested": ["2020 COVID"]}, {"losses": [LOSS]}, (), id="replayed at the opening"
        ),
        pytest.param(
            {"untested": ["2008 crisis", "2020 COVID"]},
            *({"losses": [LOSS]}, ("2008 crisis",)),
            id="one of two replayed",
        ),
        pytest.param(
            {"untested": ["2020 COVID"]},
            {"losses": [LOSS], "differing": ["2020 COVID (recorded -38 %, in these bars -30 %)"]},
            ("2020 COVID (recorded -38 %, in these bars -30 %)",),
            id="replayed on bars that differ from the record",
        ),
        pytest.param(
            *({"cold": ["2000-2001 dot-com"]}, {"losses": []}, ("2000-2001 dot-com",)), id="cold"
        ),
        pytest.param({"differing": ["1998"]}, {"losses": []}, ("1998",), id="differing"),
    ],
)
def test_what_no_replay_speaks_for(
    stress: dict[str, Any], sealed: dict[str, Any], left: tuple[str, ...]
) -> None:
    whole = {"untested": [], "cold": [], "differing": [], **stress}
    assert still_untested(whole, sealed) == left


def test_every_profile_is_told_in_plain_words() -> None:
    assert told_by_profile(rows(IDLE, DEAR, (3, 0, 0.0))) == [
        "ultra-conservative (₹5,000): no signal at all.",
        "conservative (₹10,000): 4 of 10 signals buy at least one share; charges eat 0.94% of the "
        "value of each round trip.",
        "moderate (₹25,000): 0 of 3 signals buy at least one share.",
    ]
