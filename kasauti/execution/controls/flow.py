"""Controls on how often: rate, duplicates, unanswered orders, trades a day, losses in a row."""

from kasauti.execution.controls.model import EVERY, Control, GateInput, need

RATE_CEILING = 5  # a second; the exchange's threshold is 10
MINUTE_CEILING = 300


def rate(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K16: placements and cancels a second, and a minute; what is too fast waits."""
    used, limits = need(given.usage, "usage"), given.limits
    second = RATE_CEILING if limits is None else limits.orders_a_second
    minute = MINUTE_CEILING if limits is None else limits.orders_a_minute
    figures = {
        "this second": f"{used.sent_this_second} of {second}",
        "this minute": f"{used.sent_this_minute} of {minute}",
    }
    return used.sent_this_second < second and used.sent_this_minute < minute, figures


def orders_a_day(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K16: placements and cancels a day."""
    sent, most = need(given.usage, "usage").sent_today, need(given.limits, "limits").orders_a_day
    return sent < most, {"today": str(sent), "most": str(most)}


def duplicate(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K17: no order like this one was sent a short while ago; equal keys cannot even be stored."""
    alike = need(given.usage, "usage").duplicates
    return alike == 0, {"alike": str(alike)}


def unconfirmed(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K18: the broker has answered every order of this symbol."""
    waiting = need(given.usage, "usage").unconfirmed
    return waiting == 0, {"unconfirmed": str(waiting)}


def repeated(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K19: the strategy is not latched, and has not entered this symbol too often today."""
    used, most = need(given.usage, "usage"), need(given.limits, "limits").repeats
    figures = {"latched": str(used.throttled), "today": str(used.repeats), "most": str(most)}
    return used.throttled is False and used.repeats < most, figures


def self_cross(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K20: no working order of ours stands on the other side at a price that meets it."""
    crossing = need(given.usage, "usage").crossing
    return crossing == 0, {"crossing": str(crossing)}


def cooldown(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K24: enough sessions have closed since this symbol's stop was hit."""
    since = need(given.usage, "usage").sessions_since_stop
    wanted = need(given.limits, "limits").cooldown_sessions
    return since is None or since >= wanted, {"sessions": str(since), "wanted": str(wanted)}


def low_profit(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K24L: this symbol's last trades did not lose together, or it has rested since."""
    since = need(given.usage, "usage").sessions_since_losses
    wanted = need(given.limits, "limits").low_profit_sessions
    return since is None or since >= wanted, {"sessions": str(since), "wanted": str(wanted)}


def trades_a_day(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K35: new trades of this session, under limits that were sealed for it."""
    used, limits = need(given.usage, "usage").entries_today, need(given.limits, "limits")
    sealed = given.limits_day == given.now.date()
    figures = {
        "today": str(used),
        "most": str(limits.trades_a_day),
        "sealed": str(given.limits_day),
    }
    return sealed and used < limits.trades_a_day, figures


def losing_streak(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K37: fewer losing trades in a row than somebody has to look at."""
    streak = need(given.usage, "usage").losing_streak
    most = need(given.limits, "limits").losing_streak
    return streak < most, {"streak": str(streak), "most": str(most)}


FLOW = (
    Control("K16", "ORDER_RATE", rate, EVERY, delays=True),
    Control("K16D", "ORDERS_A_DAY", orders_a_day),
    Control("K17", "DUPLICATE", duplicate),
    Control("K18", "UNCONFIRMED", unconfirmed),
    Control("K19", "REPEATED", repeated),
    Control("K20", "SELF_CROSS", self_cross),
    Control("K24", "COOLDOWN", cooldown),
    Control("K24L", "LOW_PROFIT", low_profit),
    Control("K35", "TRADES_A_DAY", trades_a_day),
    Control("K37", "LOSING_STREAK", losing_streak),
)
