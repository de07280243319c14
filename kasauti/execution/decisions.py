"""What the desk does next, as a pure function of the book and the time; it acts on nothing.

The order within a moment is that of section 4.2: a rule or time exit first, then protection, then
entries, the best ranked first.
"""

from dataclasses import replace
from datetime import timedelta

from kasauti.execution import closing
from kasauti.execution.actions import CLIPPED, NOT_NEEDED
from kasauti.execution.actions import Action as Action
from kasauti.execution.actions import Cancel as Cancel
from kasauti.execution.actions import Commit as Commit
from kasauti.execution.actions import Expire as Expire
from kasauti.execution.actions import Release as Release
from kasauti.execution.actions import View as View
from kasauti.execution.closing import EXITS, is_resting
from kasauti.execution.model import Intent, Purpose
from kasauti.execution.orders import OrderState
from kasauti.execution.ranking import rank_key
from kasauti.execution.views import OrderView

SECOND = timedelta(seconds=1)


def next_actions(view: View) -> list[Action]:
    """Return what is to be done now, most urgent first; each needs a fresh look afterwards."""
    live = view.book.live_orders()
    queued = [order.intent for order in live if order.state is OrderState.QUEUED]
    actions: list[Action] = [Expire(i.key) for i in queued if view.now >= i.valid_until]
    actions += [
        Expire(i.key, NOT_NEEDED)
        for i in queued
        if _is_orphan(i, view) or closing.is_called_off(i, view)
    ]
    actions += [Cancel(order.intent.tag) for order in live if _is_to_be_cancelled(order, view)]
    due = [order.intent for order in live if _is_due(order, view)]
    actions += _clips(due, view) or _exits(view, live)
    actions += _protection(view, live)
    actions += [
        Release(intent)
        for intent in due
        if intent.purpose is Purpose.STOP and not view.is_unheard(intent)
    ]
    entries = [intent for intent in due if intent.purpose is Purpose.ENTRY]
    entries.sort(key=lambda i: rank_key(i.score, i.genome_hash, i.symbol))
    return actions + [Release(intent) for intent in entries]


def is_waiting(view: View) -> bool:
    """Whether the next moment brings more: a triggered stop to reprice, or room for an exit."""
    live = view.book.live_orders()
    if any(view.trades(o.intent.symbol) and closing.may_reprice(o, view) for o in live):
        return True
    return any(_waits_for_room(intent, live, view) for intent in _leaving(view, live))


def _is_due(order: OrderView, view: View) -> bool:
    """Whether it may go out now. A session played afterwards knows nothing that came later."""
    intent = order.intent
    is_known = order.committed_at is None or order.committed_at <= view.now
    in_window = intent.valid_from <= view.now < intent.valid_until
    waits = order.state is OrderState.QUEUED and is_known and in_window
    return waits and view.trades(intent.symbol)


def _is_to_be_cancelled(order: OrderView, view: View) -> bool:
    intent = order.intent
    purpose = intent.purpose
    if not is_resting(order) or purpose is Purpose.FOREIGN:
        return False
    stopped = view.latched or view.book.switches.cancels_entries
    if purpose is Purpose.ENTRY and stopped:
        return True
    if purpose in (Purpose.ENTRY, *EXITS) and view.now >= intent.valid_until:
        return True
    if _in_auction(intent.symbol, view) or closing.is_overtaken(order, view):
        return True
    if closing.has_waited(order, view):
        return True
    orphan = purpose is not Purpose.ENTRY and intent.symbol not in view.book.positions
    rested = order.sent_at is None or view.now - order.sent_at >= SECOND
    return orphan or (closing.may_reprice(order, view) and rested)


def _in_auction(symbol: str, view: View) -> bool:
    """Whether `symbol` is in its closing auction, in which nothing of ours rests."""
    end = view.ends_at(symbol)
    return view.session is not None and end is not None and end <= view.now < view.session.close


def _exits(view: View, live: list[OrderView]) -> list[Action]:
    """Each exit goes out as its protection is taken back, never together with it."""
    actions: list[Action] = []
    for intent in _leaving(view, live):
        if _is_out(intent, live) or view.is_unheard(intent) or _waits_for_room(intent, live, view):
            continue
        if view.book.order(intent.key) is None:
            actions.append(Commit(intent))  # on record before any stop is taken back for it
            continue
        guards = [] if _is_too_much(intent, view) else _guards(intent, live)
        actions += [Cancel(order.intent.tag) for order in guards if is_resting(order)]
        if not guards:
            actions.append(Release(intent))
    return actions


def _leaving(view: View, live: list[OrderView]) -> list[Intent]:
    """Return the exits that are due, those of strategies first."""
    due = [order.intent for order in live if _is_due(order, view)]
    return [i for i in due if i.purpose in EXITS] + closing.forced_exits(view)


def _is_out(intent: Intent, live: list[OrderView]) -> bool:
    """Whether another exit of the same shares is on its way: two would sell them twice."""
    return any(
        order.intent.symbol == intent.symbol
        and order.intent.purpose in EXITS
        and order.state.is_working
        and order.intent.key != intent.key
        for order in live
    )


def _is_too_much(intent: Intent, view: View) -> bool:
    """Whether an exit would close more than is held; no stop goes for what the gate refuses."""
    return intent.quantity > _closable(intent, view)


def _closable(intent: Intent, view: View) -> int:
    """Return the shares that an exit can close by the ledger, 0 if it would open a position."""
    position = view.book.positions.get(intent.symbol)
    closes = position is not None and position.sign == -intent.side.sign
    return abs(position.quantity) if position is not None and closes else 0


def _clips(due: list[Intent], view: View) -> list[Action]:
    """Return for each exit that could not go out as it is one that can, at most as much.

    A stop may have sold some of its shares, and its limit may be outside of the day's band.
    """
    actions: list[Action] = []
    for intent in due:
        shares = _closable(intent, view)
        if intent.purpose not in EXITS or not shares or not intent.limit_price.is_finite():
            continue
        low, high = closing.band(view.book.positions[intent.symbol], view)
        limit = min(max(intent.limit_price, low), high)
        fitting = replace(intent, quantity=min(intent.quantity, shares), limit_price=limit)
        if fitting != intent:
            clipped = replace(fitting, key=f"{intent.key}|{CLIPPED}")
            known = view.book.order(clipped.key) is not None
            actions.append(Expire(intent.key, CLIPPED) if known else Commit(clipped))
    return actions


def _guards(intent: Intent, live: list[OrderView]) -> list[OrderView]:
    """Return the protective orders that must go before the exit can."""
    return [
        order
        for order in live
        if order.intent.symbol == intent.symbol
        and order.intent.purpose is Purpose.STOP
        and order.state.is_working
    ]


def _is_orphan(intent: Intent, view: View) -> bool:
    """Whether it protects a position that is not there any more."""
    position = view.book.positions.get(intent.symbol)
    is_its = position is not None and position.parent == intent.parent
    return intent.purpose in (Purpose.STOP, Purpose.TARGET) and not is_its


def _waits_for_room(intent: Intent, live: list[OrderView], view: View) -> bool:
    """Whether the order rate would let the cancels out now, but the exit only a second later."""
    guards, limits = _guards(intent, live), view.book.limits
    if not guards or limits is None:
        return False
    sent = sum(1 for at in view.book.sends[-20:] if view.now - SECOND < at <= view.now)
    return sent > 0 and sent + len(guards) + 1 > limits.orders_a_second


def _protection(view: View, live: list[OrderView]) -> list[Action]:
    """Keep exactly the held shares of every position under its protective orders."""
    actions: list[Action] = []
    for position in view.book.positions.values():
        if not view.trades(position.symbol):
            continue
        mine = [order for order in live if order.intent.symbol == position.symbol]
        exits = [order for order in mine if order.intent.purpose in EXITS]
        leaving = sum(view.unfilled(o) for o in exits if _is_leaving(o, live, view))
        actions += closing.protect(position, mine, leaving, view)
    return actions


def _is_leaving(order: OrderView, live: list[OrderView], view: View) -> bool:
    """Whether an exit is at the broker, or is the next that goes there."""
    intent = order.intent
    refused = _is_too_much(intent, view) or _is_out(intent, live)
    return order.state.is_working or (_is_due(order, view) and not refused)
