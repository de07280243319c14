"""The book as tables for people: orders, positions, fills, trades, days, limits used, controls."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from kasauti.execution.controls import CONTROLS
from kasauti.execution.events import TwinCompared
from kasauti.execution.limits_used import limits_used
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
                "foreign": position.foreign,
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
    """Return one row a limit that is used up: used today, allowed; empty before sealing."""
    columns = ["limit", "used", "allowed"]
    found = [] if book.limits is None else limits_used(book, book.limits, now)
    counted = [row for row in found if row.fraction is not None]
    rows = [{name: getattr(row, name) for name in columns} for row in counted]
    return _frame(rows, columns)


def controls_frame(book: Book) -> pd.DataFrame:
    """Return one row a control with the time of its last evaluation; see `not_evaluated`."""
    silent = not_evaluated(book)
    rows = [
        {
            "control": control.id,
            "code": control.code,
            "evaluated": book.evaluated.get(control.id),
            "red": control.id in silent,
        }
        for control in CONTROLS
    ]
    return _frame(rows, ["control", "code", "evaluated", "red"])


def not_evaluated(book: Book) -> list[str]:
    """Return the controls that spoke to no order yet, or not to those of the last such session.

    Every control speaks to every order: one that has fallen silent is not asked any more.
    """
    known = book.evaluated
    last = max(known.values()).date() if known else date.min
    return [
        control.id
        for control in CONTROLS
        if control.id not in known or known[control.id].date() < last
    ]


def twin_frame(compared: Iterable[TwinCompared]) -> pd.DataFrame:
    """Return one row a leg and difference between paper and engine, oldest session first."""
    rows = [
        {
            "day": row.day,
            "genome": row.genome_hash,
            "symbol": row.symbol,
            "leg": row.leg.value,
            "kind": row.kind.value,
            "engine_quantity": row.engine_quantity,
            "paper_quantity": row.paper_quantity,
            "engine_price": row.engine_price,
            "paper_price": row.paper_price,
            "explanation": row.explanation,
            "within": row.within,
            "control": row.control,
        }
        for one in sorted(compared, key=lambda one: one.day)
        for row in one.rows
    ]
    return _frame(rows, ["day", "genome", "symbol", "leg", "kind", "explanation", "within"])


def slippage_frame(compared: Iterable[TwinCompared]) -> pd.DataFrame:
    """Return one row a leg that both traded: what paper paid more than the engine.

    ``basis_points`` and ``money`` are positive where the account did worse; the engine's price has
    its own half-spread and impact in it.
    """
    rows = []
    seen = set()
    for row in (row for one in sorted(compared, key=lambda one: one.day) for row in one.rows):
        key = (row.day, row.genome_hash, row.symbol, row.leg)
        if row.engine_price is None or row.paper_price is None or key in seen:
            continue
        seen.add(key)
        worse = (row.paper_price - row.engine_price) * row.worse
        rows.append(
            {
                "day": row.day,
                "genome": row.genome_hash,
                "symbol": row.symbol,
                "leg": row.leg.value,
                "quantity": row.paper_quantity,
                "engine_price": row.engine_price,
                "paper_price": row.paper_price,
                "basis_points": worse / row.engine_price * 10_000,
                "money": worse * row.paper_quantity,
            }
        )
    return _frame(rows, ["day", "genome", "symbol", "leg", "quantity", "basis_points", "money"])


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Return the rows as a table, Decimals as floats and words as text."""
    plain = [
        {name: float(value) if isinstance(value, Decimal) else value for name, value in row.items()}
        for row in rows
    ]
    return pd.DataFrame(plain) if plain else pd.DataFrame(columns=columns)
