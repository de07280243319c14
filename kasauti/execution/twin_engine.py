"""What the engine would have done in one session of an account; what the account did is `twin`.

The engine runs on the bars of the day from where the account stood: a flat symbol from the close
before the session, a held one from the close before its entry, so that an earlier difference is
reported on its own day and not again on each that follows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from kasauti.errors import DataError
from kasauti.execution.events import LimitsSealed
from kasauti.execution.ledger import Ledger
from kasauti.execution.limits import Limits
from kasauti.execution.model import Purpose
from kasauti.execution.projections import Book
from kasauti.execution.signals import Candidate, Signal, Sizing, signals_for
from kasauti.execution.twin_rows import Leg
from kasauti.execution.views import Position
from kasauti.genome.model import Genome, Side
from kasauti.market.bars import Bars
from kasauti.market.markets import Market

if TYPE_CHECKING:  # numba comes with it
    from kasauti.backtest.result import Trade

CENT = Decimal("0.0001")


@dataclass(frozen=True)
class Stood:
    """The account as it stood before a session.

    Attributes
    ----------
    positions : mapping of symbol to Position
    equity, cash : Decimal
        At the close before.
    limits : Limits
        As they were sealed for the session.
    """

    positions: Mapping[str, Position]
    equity: Decimal
    cash: Decimal
    limits: Limits


@dataclass(frozen=True)
class Expected:
    """One leg as the engine trades it.

    Attributes
    ----------
    day : date
        Session of its fill; of an exit it may lie before the session that is compared.
    quantity : int
        Of an entry what section 4.3 and the account's limits give at the engine's price, 0 where
        they forbid it; of an exit 0, it closes what the account holds.
    price : Decimal
        With half-spread and impact.
    reason : str
        ``entry``, or the engine's reason of an exit.
    signal : Signal or None
        Of an entry: what the rules wanted the evening before.
    """

    genome_hash: str
    symbol: str
    leg: Leg
    day: date
    quantity: int
    price: Decimal
    reason: str
    signal: Signal | None = None


def stood_before(ledger: Ledger) -> dict[date, Stood]:
    """Return how the account stood before each session whose limits were sealed."""
    book = Book()
    found: dict[date, Stood] = {}
    for record in ledger.events():
        event = record.event
        if isinstance(event, LimitsSealed) and event.day not in found:
            capital = book.capital or event.limits.capital
            equity = book.equity() if book.capital else capital
            cash = capital + book.cash_flow
            found[event.day] = Stood(dict(book.positions), equity, cash, event.limits)
        book.apply(record)
    return found


def expected(
    bars: Bars, candidates: Sequence[Candidate], stood: Stood, market: Market
) -> list[Expected]:
    """Return what the engine does on the last of `bars`, exits that it did earlier included.

    Parameters
    ----------
    bars : Bars
        Daily, the session that is compared last, and at least one before it.
    candidates : sequence of Candidate
        The strategies that may have traded in it.
    stood : Stood
    market : Market

    Raises
    ------
    DataError
        For intraday bars, or a single one.
    """
    if not bars.is_daily or bars.shape[1] < 2:
        raise DataError("the twin runs on daily bars: give the session and at least one before it")
    engine = _Engine(bars, stood, market)
    may = [c for c in candidates if c.genome.side is Side.LONG or market.daily_shorts]
    wanted = signals_for(
        bars.between(0, bars.shape[1] - 1),
        may,
        positions=stood.positions,
        limits=stood.limits,
        market=market,
        equity=stood.equity,
        cash=stood.cash,
    )
    signals = {(s.genome_hash, s.symbol): s for s in wanted if s.purpose is Purpose.ENTRY}
    return [
        leg
        for candidate in may
        for leg in (*engine.entries(candidate.genome, signals), *engine.exits(candidate.genome))
    ]


class _Engine:
    """The engine on the bars of one account."""

    def __init__(self, bars: Bars, stood: Stood, market: Market) -> None:
        from kasauti.backtest.account import Account, Slippage
        from kasauti.backtest.engine import Backtester  # numba; only where the twin runs

        self._bars = bars
        self._stood = stood
        self._market = market
        self._day: date = bars.sessions[-1].astype(object)
        capital = float(stood.equity)
        self._flat = Backtester(bars, account=Account(capital=capital), market=market)
        # Of a held position only counts when and where it ends: fully invested and without impact.
        dearest = max((float(p.cost) for p in stood.positions.values()), default=0.0)
        alone = Account(capital=max(capital, 2.0 * dearest), slippage=Slippage(impact=0.0))
        self._held = Backtester(bars, account=alone, labels=self._flat.labels, market=market)

    def entries(
        self, genome: Genome, signals: Mapping[tuple[str, str], Signal]
    ) -> Iterator[Expected]:
        """Yield the entries of the session, each with its exit where that follows at once."""
        result = self._flat.run(genome, start=self._bars.shape[1] - 2)
        closed = {trade.symbol: trade for trade in result.trades}
        paid = {trade.symbol: trade.entry_price for trade in result.open}
        paid |= {trade.symbol: trade.entry_price for trade in result.trades}
        for symbol in self._bars.symbols:
            signal = signals.get((genome.hash, symbol))
            if symbol not in paid or symbol in self._stood.positions or signal is None:
                continue
            price = _money(paid[symbol])
            quantity = self._quantity(genome, signal, price)
            yield Expected(
                genome.hash, symbol, Leg.ENTRY, self._day, quantity, price, "entry", signal
            )
            if symbol in closed:
                yield self._exit(genome.hash, closed[symbol])

    def exits(self, genome: Genome) -> Iterator[Expected]:
        """Yield the exits of the positions that the account held before the session."""
        for position in self._stood.positions.values():
            if position.genome_hash != genome.hash or position.symbol not in self._bars.symbols:
                continue
            entered = position.opened_at.date()
            start = int(np.searchsorted(self._bars.sessions, np.datetime64(entered))) - 1
            if start < 0:
                continue
            result = self._held.run(replace(genome, risk=1.0), start=start)
            for trade in result.trades:
                if trade.symbol == position.symbol and trade.entry_time == entered:
                    yield self._exit(genome.hash, trade)

    def _exit(self, genome_hash: str, trade: "Trade") -> Expected:
        day = trade.exit_time
        assert not isinstance(day, datetime)  # the bars are daily
        price = _money(trade.exit_price)
        return Expected(genome_hash, trade.symbol, Leg.EXIT, day, 0, price, trade.reason)

    def _quantity(self, genome: Genome, signal: Signal, price: Decimal) -> int:
        """Return the shares of section 4.3 at the engine's price, under the account's limits."""
        assert signal.protection is not None
        sizing = Sizing(
            price,
            signal.side,
            signal.protection,
            Decimal(repr(genome.risk)),
            self._market,
            self._day,
        )
        stood = self._stood
        return sizing.quantity(stood.limits, stood.equity, stood.cash)


def _money(price: float) -> Decimal:
    return Decimal(repr(price)).quantize(CENT)
