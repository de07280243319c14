"""The book as tables for people: orders, positions, fills, trades, days, limits used, controls."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from kasauti.execution.controls import CONTROLS
from kasauti.execution.model import Purpose
from kasauti.execution.projections import Book
from kasauti.execution.signals import Signal
from kasauti.market.bars import Floats, Times


def signals_frame(signals: Sequence[Signal]) -> pd.DataFrame:
    """Return one row a signal, in the order in which they would be released."""
    rows = [
        {
            "symbol": signal.symbol,
            "purpose": signal.purpose.value,
            "side": signal.side.value,
            "quantity": signal.quantity,
            "close": signal.close,
            "limit": signal.limit_price,
            "score": signal.score,
            "reason": signal.reason,
            "day": signal.day,
            "genome": signal.genome_hash,
            "version": signal.signal_version,
        }
        for signal in signals
    ]
    return _frame(rows, ["symbol", "purpose", "side", "quantity", "close", "limit", "reason"])


def orders_frame(book: Book) -> pd.DataFrame:
    """Return one row an intent, oldest first: what was wanted and what became of it."""
    return _frame(
        [
            {
                "committed": view.committed_at,
                "symbol": view.intent.symbol,
                "purpose": view.intent.purpose.value,
                "side": view.intent.side.value,
                "quantity": view.intent.quantity,
                "limit": view.intent.limit_price,
                "trigger": view.intent.trigger_price,
                "outcome": view.outcome.value,
                "state": view.state.value,
                "code": view.code,
                "filled": view.filled,
                "price": view.average_price,
                "charges": view.charges,
                "sent": view.sent_at,
                "tag": view.intent.tag,
                "genome": view.intent.genome_hash,
            }
            for view in book.orders.values()
        ],
        ["committed", "symbol", "purpose", "side", "quantity", "limit", "trigger", "outcome"],
    )


def positions_frame(book: Book) -> pd.DataFrame:
    """Return one row an open position, with its last mark and open profit."""
    rows = []
    for position in book.positions.values():
        mark = book.marks.get(position.symbol, position.average_price)
        rows.append(
            {
                "symbol": position.symbol,
                "quantity": position.quantity,
                "entry_price": position.average_price,
                "opened": position.opened_at,
                "stop": position.stop_price,
                "target": position.target_price,
                "mark": mark,
                "profit": position.quantity * (mark - position.average_price) - position.charges,
                "genome": position.genome_hash,
            }
        )
    return _frame(rows, ["symbol", "quantity", "entry_price", "opened", "stop", "target", "mark"])


def fills_frame(book: Book) -> pd.DataFrame:
    """Return one row an execution, oldest first."""
    rows = [asdict(fill) for fill in book.fills.values()]
    return _frame(rows, ["id", "tag", "symbol", "side", "quantity", "price", "charges", "at"])


def trades_frame(book: Book) -> pd.DataFrame:
    """Return one row a closed trade, oldest first; profit is net of charges."""
    rows = [asdict(trade) | {"reason": trade.reason.value.lower()} for trade in book.trades]
    return _frame(rows, ["symbol", "side", "quantity", "entry_time", "exit_time", "profit"])


def days_frame(book: Book) -> pd.DataFrame:
    """Return one row a closed session: equity, its change and the charges."""
    return _frame([asdict(day) for day in book.days], ["day", "equity", "profit", "charges"])


def profit_so_far(book: Book) -> tuple[Times, Floats]:
    """Return the closed sessions and the profit since the start at each of their closes."""
    days = np.array([day.day for day in book.days], dtype="datetime64[D]")
    profit = np.cumsum([float(day.profit) for day in book.days])
    return days, profit


def limits_frame(book: Book, now: datetime) -> pd.DataFrame:
    """Return one row a limit: what is used today and what is allowed; empty before sealing."""
    columns = ["limit", "used", "allowed"]
    if book.limits is None:
        return _frame([], columns)
    limits = book.limits
    entries = [
        view
        for view in book.sent_on(now.date())
        if view.intent.purpose is Purpose.ENTRY and (view.state.is_working or view.filled)
    ]
    gross = sum(
        (
            abs(p.quantity) * book.marks.get(p.symbol, p.average_price)
            for p in book.positions.values()
        ),
        Decimal(0),
    )
    loss = max(book.opening_equity() - book.equity(), Decimal(0))
    used: Mapping[str, tuple[Any, Any]] = {
        "trades today": (len(entries), limits.trades_a_day),
        "positions": (len(book.positions), limits.slots),
        "gross exposure": (gross, limits.max_gross),
        "loss today": (loss, limits.daily_loss),
        "losing streak": (book.streak, limits.losing_streak),
        "orders today": (
            sum(1 for at in book.sends if at.date() == now.date()),
            limits.orders_a_day,
        ),
    }
    rows = [{"limit": name, "used": value, "allowed": most} for name, (value, most) in used.items()]
    return _frame(rows, columns)


def controls_frame(book: Book) -> pd.DataFrame:
    """Return one row a control with the time of its last evaluation; never evaluated is red."""
    rows = [
        {
            "control": control.id,
            "code": control.code,
            "evaluated": book.evaluated.get(control.id),
            "red": control.id not in book.evaluated,
        }
        for control in CONTROLS
    ]
    return _frame(rows, ["control", "code", "evaluated", "red"])


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Return the rows as a table, Decimals as floats and words as text."""
    plain = [
        {name: float(value) if isinstance(value, Decimal) else value for name, value in row.items()}
        for row in rows
    ]
    return pd.DataFrame(plain) if plain else pd.DataFrame(columns=columns)
