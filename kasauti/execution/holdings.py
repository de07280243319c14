"""Positions and closed trades from executions; no orders, and no cash but what adoptions moved.

They are folded in the order in which things happened, not in that in which they became known: an
execution that is told late is put in its place and its symbol is folded again.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from kasauti.execution.model import Fill, Intent, OrderSide, Purpose
from kasauti.execution.views import ZERO, ClosedTrade, Position, changed, levels, made

Step = Callable[..., None]  # of the holdings and what follows it


@dataclass
class Holdings:
    """The fold of executions, symbol by symbol.

    Attributes
    ----------
    positions : dict of symbol to Position
    trades : list of ClosedTrade
        Oldest first.
    adopted : dict of symbol to Decimal
        Cash that its adopted changes moved. A late execution explains one and takes it back.
    """

    positions: dict[str, Position] = field(default_factory=dict)
    trades: list[ClosedTrade] = field(default_factory=list)
    adopted: dict[str, Decimal] = field(default_factory=dict)
    _story: dict[str, list[tuple[datetime, Step, tuple[Any, ...]]]] = field(default_factory=dict)

    def fill(self, fill: Fill, intent: Intent) -> bool:
        """Take in an execution; False if it came late and its symbol was folded again."""
        return self._happened(fill.symbol, fill.at, Holdings._fill, fill, intent)

    def adopt(self, symbol: str, quantity: int, price: Decimal, intent: Intent) -> None:
        """Set a position to `quantity` signed shares, the difference traded at `price`."""
        self._happened(symbol, intent.valid_from, Holdings._adopt, symbol, quantity, price, intent)

    def leave(self, symbol: str, at: datetime) -> None:
        """Mark a position as leaving: its exit is decided."""
        self._happened(symbol, at, Holdings._leave, symbol)

    def revise(self, symbol: str, parent: str, stop_price: Decimal, at: datetime) -> None:
        """Move the stop of the position that the entry `parent` opened."""
        self._happened(symbol, at, Holdings._revise, symbol, parent, stop_price)

    def _happened(self, symbol: str, at: datetime, step: Step, *given: Any) -> bool:
        """Do `step` now, or fold the symbol again if something later is known already."""
        story = self._story.setdefault(symbol, [])
        if not story or at >= story[-1][0]:
            story.append((at, step, given))
            step(self, *given)
            return True
        story.insert(bisect_right(story, at, key=lambda told: told[0]), (at, step, given))
        again = Holdings()
        for _, earlier, its in story:
            earlier(again, *its)
        self.positions.pop(symbol, None)
        self.positions.update(again.positions)
        self.adopted.pop(symbol, None)
        self.adopted.update(again.adopted)
        others = [trade for trade in self.trades if trade.symbol != symbol]
        self.trades[:] = sorted(others + again.trades, key=lambda trade: trade.exit_time)
        return False

    def _leave(self, symbol: str) -> None:
        position = self.positions.get(symbol)
        if position is not None:
            self.positions[symbol] = changed(position, leaving=True)

    def _revise(self, symbol: str, parent: str, stop_price: Decimal) -> None:
        position = self.positions.get(symbol)
        if position is not None and position.parent == parent:
            stop = stop_price or position.stop_price
            self.positions[symbol] = changed(position, stop_price=stop)

    def _adopt(self, symbol: str, quantity: int, price: Decimal, intent: Intent) -> None:
        held = self.positions.get(symbol)
        change = quantity - (0 if held is None else held.quantity)
        if change:
            self.adopted[symbol] = self.adopted.get(symbol, ZERO) - change * price
            side = OrderSide.BUY if change > 0 else OrderSide.SELL
            at, number = intent.valid_from, abs(change)
            fill = Fill(intent.key, intent.tag, symbol, side, number, price, ZERO, at)
            self._fill(fill, changed(intent, side=side))

    def _fill(self, fill: Fill, intent: Intent) -> None:
        position = self.positions.get(fill.symbol)
        if position is None:
            self._open(fill, intent)
        elif fill.side.sign == position.sign:
            self._add(position, fill, intent)
        elif fill.quantity <= abs(position.quantity):
            self._reduce(position, fill, intent)
        else:  # through zero: the rest is a position of its own
            share = Decimal(abs(position.quantity)) / fill.quantity
            charges = fill.charges * share
            flat = changed(fill, quantity=abs(position.quantity), charges=charges)
            left = fill.quantity - flat.quantity
            self._reduce(position, flat, intent)
            self._open(changed(fill, quantity=left, charges=fill.charges - charges), intent)

    def _open(self, fill: Fill, intent: Intent) -> None:
        cost = fill.quantity * fill.price
        self.positions[fill.symbol] = made(
            Position,
            symbol=fill.symbol,
            quantity=fill.side.sign * fill.quantity,
            parent=intent.key,
            genome_hash=intent.genome_hash,
            opened_at=fill.at,
            product=intent.product,
            entered=fill.quantity,
            cost=cost,
            charges=fill.charges,
            foreign=fill.quantity if intent.purpose is Purpose.FOREIGN else 0,
            **levels(intent, cost / fill.quantity),
        )

    def _add(self, position: Position, fill: Fill, intent: Intent) -> None:
        foreign = intent.purpose is Purpose.FOREIGN
        held = changed(
            position,
            quantity=position.quantity + fill.side.sign * fill.quantity,
            entered=position.entered + fill.quantity,
            cost=position.cost + fill.quantity * fill.price,
            charges=position.charges + fill.charges,
            foreign=position.foreign + (fill.quantity if foreign else 0),
        )
        if not foreign or position.is_foreign:  # what is added from outside moves no stop of ours
            held = changed(held, **levels(intent, held.average_price))
        self.positions[fill.symbol] = held

    def _reduce(self, position: Position, fill: Fill, intent: Intent) -> None:
        quantity = position.quantity + fill.side.sign * fill.quantity
        taken = fill.quantity if intent.purpose is Purpose.FOREIGN else 0
        held = changed(
            position,
            quantity=quantity,
            exited=position.exited + fill.quantity,
            proceeds=position.proceeds + fill.quantity * fill.price,
            charges=position.charges + fill.charges,
            foreign=min(max(position.foreign - taken, 0), abs(quantity)),
        )
        if quantity:
            self.positions[fill.symbol] = held
        else:
            del self.positions[fill.symbol]
            self.trades.append(_closed(position, held, fill, intent.purpose))


def _closed(before: Position, flat: Position, fill: Fill, reason: Purpose) -> ClosedTrade:
    profit = before.sign * (flat.proceeds - flat.cost) - flat.charges
    return made(
        ClosedTrade,
        symbol=flat.symbol,
        genome_hash=flat.genome_hash,
        side="long" if before.sign > 0 else "short",
        quantity=flat.entered,
        entry_time=flat.opened_at,
        entry_price=flat.average_price,
        exit_time=fill.at,
        exit_price=flat.proceeds / flat.exited,
        reason=reason,
        charges=flat.charges,
        profit=profit,
    )
