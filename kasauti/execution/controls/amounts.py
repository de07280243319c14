"""Controls on how much: order, open orders, funds, positions, exposure and risk."""

from kasauti.execution.controls.model import Control, GateInput, need, number
from kasauti.execution.model import Purpose


def order_quantity(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K10: shares an order, within the exchange's freeze quantity too."""
    quantity, most = given.intent.quantity, need(given.limits, "limits").max_quantity
    freeze = need(given.reference, "reference").freeze_quantity
    figures = {"quantity": str(quantity), "most": str(most), "freeze": str(freeze)}
    return 0 < quantity <= most and (freeze is None or quantity <= freeze), figures


def order_value(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K11: value of one order."""
    most = need(given.limits, "limits").max_order_value
    return given.value <= most, {"value": str(given.value), "most": str(most)}


def open_value(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K12: value of all unfilled entries, this one included."""
    most = need(given.limits, "limits").max_open_value
    total = need(given.usage, "usage").open_entry_value + given.value
    return total <= most, {"total": str(total), "most": str(most)}


def affordable(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K13: the broker's confirmed funds pay for it, charges included."""
    funds = number(given.funds, "funds")
    need_of = given.value + number(given.entry_charges, "entry charges")
    return need_of <= funds, {"needs": f"{need_of:.2f}", "funds": f"{funds:.2f}"}


def position(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K14: one position a symbol, a free slot, and value left for symbol, strategy and sector."""
    used, limits = need(given.usage, "usage"), need(given.limits, "limits")
    single = used.held == 0 and used.working_entries == 0
    strategy = number(used.strategy_value, "value of the strategy") + given.value
    sector = number(used.sector_value, "value of the sector") + given.value
    fits = (
        given.value <= limits.max_position_value
        and used.positions < limits.slots
        and strategy <= limits.strategy_share * limits.capital
        and sector <= limits.sector_share * limits.capital
    )
    figures = {
        "strategy": f"{strategy:.2f}",
        "sector": f"{sector:.2f}",
        "held": str(used.held),
        "working": str(used.working_entries),
        "positions": str(used.positions),
        "slots": str(limits.slots),
    }
    return single and fits, figures


def gross_exposure(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K15: value of all positions and unfilled entries, this one included."""
    used, most = need(given.usage, "usage"), need(given.limits, "limits").max_gross
    total = number(used.gross, "gross") + used.open_entry_value + given.value
    return total <= most, {"total": f"{total:.2f}", "most": str(most)}


def daily_loss(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K22: the session has not lost what it may lose, open positions and charges included."""
    profit = number(need(given.usage, "usage").profit_today, "profit today")
    allowed = need(given.limits, "limits").daily_loss
    return profit > -allowed, {"profit": f"{profit:.2f}", "allowed": str(allowed)}


def drawdown(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K23: the equity has not fallen from its peak as far as it may."""
    fallen = number(need(given.usage, "usage").drawdown, "drawdown")
    most = need(given.limits, "limits").max_drawdown
    return fallen < most, {"drawdown": f"{fallen:.4f}", "allowed": str(most)}


def risk(given: GateInput) -> tuple[bool, dict[str, str]]:
    """K36: entry to protective stop times quantity, plus both legs' charges; a target that is one.

    A nonsensical target could not be placed, and whatever the desk cannot place stops it.
    """
    intent, allowed = given.intent, need(given.limits, "limits").risk_per_trade
    if intent.purpose is not Purpose.ENTRY:
        return True, {"risk": "0"}
    price = number(intent.limit_price, "limit price")
    stop = number(need(intent.protection, "protective stop").stop_price(price, intent.side), "stop")
    target = need(intent.protection, "protection").target_price(price, intent.side)
    gain = number(price if target is None else target, "target") - price
    sane = target is None or (gain * intent.side.sign > 0 and target > 0)
    distance = (price - stop) * intent.side.sign
    charges = number(given.entry_charges, "entry charges") + number(
        given.exit_charges, "exit charges"
    )
    total = distance * intent.quantity + charges
    figures = {"risk": f"{total:.2f}", "allowed": str(allowed), "charges": f"{charges:.2f}"}
    return distance > 0 and stop > 0 and sane and total <= allowed, figures


AMOUNTS = (
    Control("K10", "ORDER_QUANTITY", order_quantity),
    Control("K11", "ORDER_VALUE", order_value),
    Control("K12", "OPEN_ORDER_VALUE", open_value),
    Control("K13", "FUNDS", affordable),
    Control("K14", "POSITION", position),
    Control("K15", "GROSS_EXPOSURE", gross_exposure),
    Control("K22", "DAILY_LOSS", daily_loss),
    Control("K23", "DRAWDOWN", drawdown),
    Control("K36", "TRADE_RISK", risk),
)
