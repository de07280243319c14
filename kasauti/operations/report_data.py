"""Everything that the report says, as plain data; how it looks stands in `report`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kasauti.market.bars import Bars
from kasauti.operations.gate_rows import RegimeRow
from kasauti.operations.plots import Generation

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]
Moment = date | datetime | np.datetime64


@dataclass(frozen=True)
class FindingRow:
    """One thing that the loader found wrong with a file, as `kasauti.market.sources.Finding`."""

    file: str
    row: int | None
    problem: str
    remedy: str
    severity: str = "warning"
    rows_dropped: int = 0


@dataclass(frozen=True, eq=False)
class DatasetFacts:
    """Which bars were used.

    Attributes
    ----------
    bars : Bars
        The searched range; the sealed range is shaded behind it and need not be in it.
    regime_codes : ndarray of shape (T,), int8, or None
        The online label of each of these bars.
    regime_closes : ndarray of shape (T,), float64, or None
        Closes of what the regimes were read from, the index where there is one.
    """

    name: str
    source: str
    bars: Bars
    data_version: str
    sealed_from: np.datetime64 | None = None
    sealed_until: np.datetime64 | None = None
    sealed_sessions: int = 0
    findings: tuple[FindingRow, ...] = ()
    regime_codes: NDArray[np.int8] | None = None
    regime_closes: Floats | None = None


@dataclass(frozen=True)
class Death:
    """How many strategies died of one cause, in words that a trader understands."""

    cause: str
    count: int
    meaning: str = ""


@dataclass(frozen=True)
class SearchFacts:
    """What evolution did.

    Attributes
    ----------
    evaluations, distinct : int
        Strategies evaluated in this search, and how many of them were different.
    registered : int
        N of the trial register: every different strategy ever tried on these symbols.
    """

    evaluations: int
    distinct: int
    registered: int
    seed: int
    seconds: float
    generations: tuple[Generation, ...] = ()
    deaths: tuple[Death, ...] = ()


@dataclass(frozen=True)
class Survivor:
    """One strategy of the front.

    Attributes
    ----------
    genes : mapping
        As `Genome.to_genes` gives them.
    fitness : mapping of str to float
        Objective names, which become the table's columns, to values; more is better.
    """

    hash: str
    genes: Mapping[str, Any]
    fitness: Mapping[str, float]


@dataclass(frozen=True)
class RegimeScore:
    """How a strategy did in one regime.

    Attributes
    ----------
    trades : int
        Closed trades whose entry was decided in it.
    mean_return : float
        Mean return of the account over the bars that follow such a bar, as in
        `kasauti.backtest.Score.regime_mean`; NaN where there were none.
    """

    regime: str
    trades: int
    mean_return: float


@dataclass(frozen=True)
class TradeRow:
    """One trade; `exit_time` and `exit_price` are None while it is open."""

    symbol: str
    side: str
    quantity: float
    entry_time: Moment
    entry_price: float
    exit_time: Moment | None
    exit_price: float | None
    reason: str
    charges: float
    profit: float


@dataclass(frozen=True, eq=False)
class CandidateFacts:
    """The strategy that was looked at most closely.

    Attributes
    ----------
    times, equity, benchmark : ndarray of shape (T,)
        Money at each close of the searched range, and of holding the index from the same start.
    metrics : mapping
        By the names of `kasauti.backtest.Metrics`.
    opened : bool
        Whether `times` goes on into the sealed range, because it was opened.
    """

    hash: str
    genes: Mapping[str, Any]
    times: Times
    equity: Floats
    benchmark: Floats | None
    benchmark_name: str
    metrics: Mapping[str, float]
    regimes: tuple[RegimeScore, ...]
    trades: tuple[TradeRow, ...]
    opened: bool = False


@dataclass(frozen=True)
class GateRow:
    """One gate of the verdict; `passed` is None where it was not reached."""

    name: str
    passed: bool | None
    reason: str
    figures: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class JudgedStrategy:
    """One strategy with its gates; `approved` only where every gate passed.

    Attributes
    ----------
    regimes : tuple of RegimeRow
        What the gate of the regimes recorded.
    """

    hash: str
    approved: bool
    gates: tuple[GateRow, ...]
    is_reference: bool = False
    regimes: tuple[RegimeRow, ...] = ()


@dataclass(frozen=True)
class ControlRow:
    """One control of the gate, for one order; `passed` is None where it was not evaluated."""

    code: str
    name: str
    passed: bool | None
    reason: str = ""


@dataclass(frozen=True)
class IntentRow:
    """One order that was meant, what the gate said, and what became of it."""

    tag: str
    symbol: str
    side: str
    quantity: int
    limit_price: Decimal | None
    outcome: str
    reason: str
    controls: tuple[ControlRow, ...] = ()


@dataclass(frozen=True)
class FillRow:
    """One execution of the paper broker."""

    time: Moment
    symbol: str
    side: str
    quantity: int
    price: Decimal
    charges: Decimal


@dataclass(frozen=True)
class PositionRow:
    """What is held; `profit` is net of the charges paid so far."""

    symbol: str
    quantity: int
    average_price: Decimal
    last_price: Decimal
    profit: Decimal


@dataclass(frozen=True, eq=False)
class ReplayFacts:
    """The replay of the last sessions: signals, orders, fills, positions, profit.

    Attributes
    ----------
    strategy : str
        Hash of what was traded; `approved` says whether it was approved or a reference.
    net_profit, charges : Decimal
        Profit after all charges, and the charges.
    profit_times, profit : ndarray of shape (K,)
        Net profit so far.
    """

    strategy: str
    genes: Mapping[str, Any]
    approved: bool
    first: Moment
    last: Moment
    net_profit: Decimal
    charges: Decimal
    intents: tuple[IntentRow, ...] = ()
    fills: tuple[FillRow, ...] = ()
    positions: tuple[PositionRow, ...] = ()
    profit_times: Times | None = None
    profit: Floats | None = None


@dataclass(frozen=True, eq=False)
class ReportData:
    """One whole report.

    Attributes
    ----------
    made_at : datetime
        Aware; the only moment on the page that is not of the market.
    certificate : str
        How often the pipeline approves what has no edge; empty where nobody measured it.
    missing : tuple of str
        What is not built yet, one sentence each.
    versions : mapping of str to str
        Code, package and data versions for traceability.
    """

    title: str
    made_at: datetime
    dataset: DatasetFacts
    search: SearchFacts
    survivors: tuple[Survivor, ...] = ()
    candidate: CandidateFacts | None = None
    judged: tuple[JudgedStrategy, ...] = ()
    replay: ReplayFacts | None = None
    certificate: str = ""
    missing: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    currency: str = "₹"

    @property
    def approved(self) -> tuple[JudgedStrategy, ...]:
        """The strategies that passed every gate; a reference strategy never counts."""
        return tuple(one for one in self.judged if one.approved and not one.is_reference)
