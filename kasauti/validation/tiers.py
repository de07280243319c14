"""The capital tier: up to which profile a strategy may be traded, and why; no gate is here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LOWEST_TIER = "ultra-conservative"
FEWEST_BOUGHT = 0.5
"""Of its signals, those that must buy a share: trading fewer is another strategy than the one
judged. The execution tester's bound."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Tier:
    """A profile's name, and in plain words why it is this one."""

    profile: str
    reason: str


def capital_tier(rows: Sequence[Row], untested: Sequence[str]) -> Tier:
    """Return the highest profile that a strategy may be traded with.

    Parameters
    ----------
    rows : sequence of mapping
        What each profile could have traded, as `gates.affordability` found it.
    untested : sequence of str
        History that no replay speaks for; any of it allows the lowest tier only.
    """
    by_name = {str(row["profile"]): row for row in rows}
    good = [row for row in rows if is_sensible(row)]
    if untested:
        reason = (
            f"{_money(by_name[LOWEST_TIER])} only: nobody knows what it would have lost in "
            f"{', '.join(untested)}"
        )
        if by_name[LOWEST_TIER] not in good:
            reason += f". At that capital it cannot be traded sensibly: {_trouble(by_name)}"
        return Tier(LOWEST_TIER, reason)
    if not good:
        reason = (
            f"{_money(by_name[LOWEST_TIER])} only: at no profile's capital does it buy a share at "
            "half of its signals and earn after charges"
        )
        return Tier(LOWEST_TIER, reason)
    best = max(good, key=lambda row: float(row["capital"]))
    return Tier(
        str(best["profile"]),
        f"up to {_money(best)}: there {best['bought']} of {best['signals']} signals buy at least "
        "one share, and it earns after charges",
    )


def is_sensible(row: Row) -> bool:
    """Whether a profile buys a share at half of the signals and earns after charges."""
    signals = int(row["signals"])
    return (
        signals > 0
        and int(row["bought"]) >= FEWEST_BOUGHT * signals
        and float(row["total_return"]) > 0.0
    )


def told_by_profile(rows: Sequence[Row]) -> list[str]:
    """Return a sentence on what each profile's money would meet."""
    notes = []
    for row in rows:
        if not row["signals"]:
            notes.append(f"{_money(row)}: no signal at all.")
            continue
        text = f"{_money(row)}: {row['bought']} of {row['signals']} signals buy at least one share"
        if row["charges_of_value"] is not None:
            text += f"; charges eat {row['charges_of_value']:.2%} of the value of each round trip"
        notes.append(text + ".")
    return notes


def still_untested(stress: Row, sealed: Row) -> tuple[str, ...]:
    """Return the history that neither the searched nor the opened bars speak for.

    Parameters
    ----------
    stress, sealed : mapping
        Figures of the two gates. A crash that was replayed at the opening is tested; one whose
        indicators were cold, or that differs from the record, is not.
    """
    replayed = {str(one["scenario"]) for one in sealed.get("losses", ())}
    untested = [name for name in stress["untested"] if name not in replayed]
    doubtful = (*stress["cold"], *stress["differing"], *sealed.get("differing", ()))
    return tuple(dict.fromkeys((*untested, *doubtful)))


def _money(row: Row) -> str:
    return f"{row['profile']} (₹{float(row['capital']):,.0f})"


def _trouble(by_name: Mapping[str, Row]) -> str:
    row = by_name[LOWEST_TIER]
    if not row["signals"]:
        return "it has no signal at all"
    if int(row["bought"]) < FEWEST_BOUGHT * int(row["signals"]):
        return f"only {row['bought']} of {row['signals']} signals buy a share"
    return f"after charges it makes {float(row['total_return']):.1%} over all these years"
