"""Capital profiles and the limits that follow from them, under ceilings that no setting lifts."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

from kasauti.errors import UsageError


class Review(StrEnum):
    """How often a person has to look at the trades."""

    EACH_TRADE = "after each trade"
    DAILY = "daily"
    WEEKLY = "weekly"


@dataclass(frozen=True)
class Limits:
    """What one session may do; money in the market's currency.

    Attributes
    ----------
    profile : str
    capital : Decimal
        What the account starts with; values below are bounded by it.
    trades_a_day : int
        New entries a session (K35).
    risk_per_trade : Decimal
        Entry to protective stop times quantity, plus both legs' charges (K36).
    daily_loss : Decimal
        Realised and open loss of one session, net of charges (K22).
    losing_streak : int
        Losing trades in a row before somebody has to look (K37).
    review : Review
    slots : int
        Positions open at the same time (K14).
    max_quantity : int
        Shares an order (K10).
    max_order_value, max_open_value, max_position_value, max_gross : Decimal
        One order (K11), all unfilled entries (K12), one symbol (K14), all positions (K15).
    orders_a_second, orders_a_day : int
        Everything sent, cancels included (K16).
    collar : Decimal
        Largest distance of an entry's limit from the reference, as a fraction (K08).
    band : Decimal
        Price band around the previous close where the market names none (K07).
    cooldown_sessions : int
        Sessions without an entry in a symbol after its stop was hit (K24).
    low_profit_sessions : int
        Sessions that a symbol rests whose last trades lost together (K24L).
    orders_a_minute : int
        Everything sent, cancels included (K16).
    repeats : int
        Entries of one strategy in one symbol and direction a session, before it is latched (K19).
    max_drawdown : Decimal
        Largest fall of the equity from its peak, as a fraction (K23).
    strategy_share, sector_share : Decimal
        Of the capital that one strategy, and one sector, may hold (K14).
    start : date or None
        No entry before it.
    restricted : tuple of str
        Symbols that must not be entered, beside those of the exchange (K21).
    flatten_on_loss : bool
        Whether the daily loss also closes the open positions (K22).
    """

    profile: str
    capital: Decimal
    trades_a_day: int
    risk_per_trade: Decimal
    daily_loss: Decimal
    losing_streak: int
    review: Review
    slots: int
    max_quantity: int
    max_order_value: Decimal
    max_open_value: Decimal
    max_position_value: Decimal
    max_gross: Decimal
    orders_a_second: int = 2
    orders_a_day: int = 200
    collar: Decimal = Decimal("0.05")
    band: Decimal = Decimal("0.20")
    cooldown_sessions: int = 1
    low_profit_sessions: int = 5
    orders_a_minute: int = 120
    repeats: int = 3
    max_drawdown: Decimal = Decimal("0.20")
    strategy_share: Decimal = Decimal(1)
    sector_share: Decimal = Decimal(1)
    start: date | None = None
    restricted: tuple[str, ...] = ()
    flatten_on_loss: bool = False

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, int | Decimal) and not isinstance(value, bool):
                _check(item.name, value)
        if self.risk_per_trade > self.capital * RISK_CEILING:
            raise UsageError(
                f"risk_per_trade {self.risk_per_trade} is over {RISK_CEILING:%} of the capital"
            )
        if self.daily_loss > self.capital * DAILY_LOSS_CEILING:
            raise UsageError(
                f"daily_loss {self.daily_loss} is over {DAILY_LOSS_CEILING:%} of the capital"
            )
        for name in ("max_order_value", "max_open_value", "max_position_value", "max_gross"):
            if getattr(self, name) > self.capital:
                raise UsageError(f"{name} is over the capital of {self.capital}: nothing is lent")

    @property
    def hash(self) -> str:
        """sha256 of all figures; every order's decision carries it."""
        plain = {name: str(value) for name, value in asdict(self).items()}
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


_HIGHER = ("cooldown_sessions", "low_profit_sessions")  # more is tighter, and none is allowed

# Ceilings in code: a profile or a setting may be lower, never higher.
CAPITAL_CEILING = Decimal(10_000_000)
RISK_CEILING = Decimal("0.05")
DAILY_LOSS_CEILING = Decimal("0.10")
CEILINGS: dict[str, int | Decimal] = {
    "capital": CAPITAL_CEILING,
    "trades_a_day": 20,
    "losing_streak": 10,
    "slots": 20,
    "max_quantity": 100_000,
    "orders_a_second": 5,  # the exchange's threshold is 10 a second; half of it is ours
    "orders_a_day": 1_000,
    "collar": Decimal("0.10"),
    "band": Decimal("0.20"),
    "orders_a_minute": 300,
    "repeats": 10,
    "max_drawdown": Decimal("0.20"),  # what no stress scenario of an approved strategy exceeds
    "strategy_share": Decimal(1),
    "sector_share": Decimal(1),
}


def _check(name: str, value: int | Decimal) -> None:
    if isinstance(value, Decimal) and not value.is_finite():
        raise UsageError(f"limit {name} is {value}: it must be a number")
    if value < 0 or (value == 0 and name not in _HIGHER):
        raise UsageError(f"limit {name} is {value}: it must be above 0")
    if name in CEILINGS and value > CEILINGS[name]:
        raise UsageError(f"limit {name} is {value}, over its ceiling of {CEILINGS[name]}")


def custom(
    *,
    capital: Decimal,
    trades_a_day: int,
    risk_per_trade: Decimal,
    daily_loss: Decimal,
    losing_streak: int,
    review: Review = Review.DAILY,
    slots: int | None = None,
    start: date | None = None,
    name: str = "custom",
) -> Limits:
    """Return the limits of a profile; values an order may reach follow from the capital."""
    return Limits(
        profile=name,
        capital=capital,
        trades_a_day=trades_a_day,
        risk_per_trade=risk_per_trade,
        daily_loss=daily_loss,
        losing_streak=losing_streak,
        review=review,
        slots=trades_a_day if slots is None else slots,
        max_quantity=10_000,
        max_order_value=capital,
        max_open_value=capital,
        max_position_value=capital,
        max_gross=capital,
        start=start,
    )


PROFILES: dict[str, Limits] = {
    limits.profile: limits
    for limits in (
        custom(
            name="ultra-conservative",
            capital=Decimal(5_000),
            trades_a_day=1,
            risk_per_trade=Decimal(150),
            daily_loss=Decimal(150),
            losing_streak=2,
            review=Review.EACH_TRADE,
        ),
        custom(
            name="conservative",
            capital=Decimal(10_000),
            trades_a_day=2,
            risk_per_trade=Decimal(250),
            daily_loss=Decimal(400),
            losing_streak=3,
            review=Review.DAILY,
        ),
        custom(
            name="moderate",
            capital=Decimal(25_000),
            trades_a_day=3,
            risk_per_trade=Decimal(500),
            daily_loss=Decimal(1_000),
            losing_streak=3,
            review=Review.WEEKLY,
        ),
    )
}
DEFAULT_PROFILE = "ultra-conservative"


def profile(name: str = DEFAULT_PROFILE) -> Limits:
    """Return the limits of a named profile; a custom one is built with `custom`.

    Raises
    ------
    UsageError
        For an unknown name.
    """
    if name not in PROFILES:
        raise UsageError(f"there is no profile {name!r}: use one of {sorted(PROFILES)} or custom")
    return PROFILES[name]


_SEALED = ("profile", "capital")
_OFTEN = tuple(Review)  # the more often first


def tighter(sealed: Limits, wanted: Limits) -> Limits:
    """Return `sealed` with every figure made as tight as `wanted` where that is tighter.

    During a session limits can only be tightened; what is wanted looser stays as sealed.
    """
    changes: dict[str, object] = {}
    for item in fields(Limits):
        if item.name in _SEALED:
            continue
        old, new = getattr(sealed, item.name), getattr(wanted, item.name)
        changes[item.name] = max(old, new) if item.name in _HIGHER else _tighter_of(old, new)
    return replace(sealed, **changes)  # type: ignore[arg-type]  # of the fields' own types


def _tighter_of(old: object, new: object) -> object:
    match old, new:
        case bool(), bool():
            return old or new
        case Review(), Review():
            return min(old, new, key=_OFTEN.index)
        case (int() | Decimal(), int() | Decimal()):
            return min(old, new)
        case tuple(), tuple():
            return tuple(sorted({*old, *new}))
        case None, _:
            return new
        case _, None:
            return old
        case date(), date():
            return max(old, new)
    raise UsageError(f"limits cannot be compared: {old!r} and {new!r}")
