"""The custom capital profile, from a settings file and the environment; checked, never evaluated.

The file holds the names of `Custom` (TOML); a variable ``KASAUTI_LIMIT_<NAME>`` goes before it.
"""

import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kasauti.errors import UsageError
from kasauti.execution import limits
from kasauti.execution.limits import Limits, Review

CUSTOM = "custom"
PROFILE_VARIABLE = "KASAUTI_PROFILE"
VARIABLE = "KASAUTI_LIMIT_"  # then a name in capitals, for instance KASAUTI_LIMIT_CAPITAL

Amount = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[Decimal, Field(gt=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0)]


class Custom(BaseModel):
    """What a custom profile must say, and what it may say beside; ceilings stay in code."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    capital: Amount
    trades_a_day: Count
    risk_per_trade: Amount
    daily_loss: Amount
    losing_streak: Count
    review: Review
    start: date
    slots: Count | None = None
    max_quantity: Count | None = None
    max_order_value: Amount | None = None
    max_open_value: Amount | None = None
    max_position_value: Amount | None = None
    max_gross: Amount | None = None
    orders_a_second: Count | None = None
    orders_a_minute: Count | None = None
    orders_a_day: Count | None = None
    repeats: Count | None = None
    collar: Share | None = None
    max_drawdown: Share | None = None
    strategy_share: Share | None = None
    sector_share: Share | None = None
    cooldown_sessions: Annotated[int, Field(ge=0)] | None = None
    restricted: tuple[str, ...] | None = None
    flatten_on_loss: bool | None = None


def profile_name(environment: Mapping[str, str]) -> str:
    """Return the capital profile of a paper account: desk, Dagster and reports take the same."""
    return environment.get(PROFILE_VARIABLE) or limits.DEFAULT_PROFILE


def chosen(name: str, file: Path, environment: Mapping[str, str]) -> Limits:
    """Return the limits of the profile `name`; those of ``custom`` are read from outside.

    Raises
    ------
    UsageError
        For an unknown profile, and for settings that are incomplete, wrong or over a ceiling.
    """
    return read_custom(file, environment) if name == CUSTOM else limits.profile(name)


def unused_settings(name: str, file: Path, environment: Mapping[str, str]) -> str:
    """Say which settings the profile `name` does not read, empty if there are none.

    Somebody who has set a limit believes that it holds.
    """
    if name == CUSTOM:
        return ""
    found = [str(file)] if file.exists() else []
    found += sorted(variable for variable in environment if variable.startswith(VARIABLE))
    if not found:
        return ""
    return f"the profile {name} does not read {', '.join(found)}: use custom, or remove it"


def read_custom(file: Path, environment: Mapping[str, str]) -> Limits:
    """Return the custom limits of `file`, each overridden by its environment variable.

    Raises
    ------
    UsageError
        As `chosen`.
    """
    found = _from_file(file) | _from_environment(environment)
    try:
        given = Custom.model_validate(found)
    except ValidationError as error:
        wrong = "; ".join(f"{_place(row['loc'])}: {row['msg']}" for row in error.errors())
        raise UsageError(
            f"the custom profile is not usable: {wrong}; set it in {file} "
            f"or in {VARIABLE}<NAME> variables"
        ) from error
    said = given.model_dump(exclude_none=True)
    if given.restricted is not None:
        said["restricted"] = tuple(map(_symbol, given.restricted))
    capital = given.capital
    values = ("max_order_value", "max_open_value", "max_position_value", "max_gross")
    defaults = {"slots": given.trades_a_day, "max_quantity": 10_000}
    return Limits(**{"profile": CUSTOM, **dict.fromkeys(values, capital), **defaults, **said})


def _symbol(text: str) -> str:
    """Return the exchange's symbol: brokers write NSE:TCS, and TCS-EQ for its series."""
    return text.strip().upper().removeprefix("NSE:").removesuffix("-EQ")


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location))


def _from_file(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file} cannot be read as limits (TOML): {error}") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {
        name.removeprefix(VARIABLE).lower(): value
        for name, value in environment.items()
        if name.startswith(VARIABLE)
    }
    if isinstance(listed := found.get("restricted"), str):
        found["restricted"] = [part.strip() for part in listed.split(",") if part.strip()]
    return found
