"""Where the rules of a population are true: the graph, its rows and what is remembered of them.

Rows of nodes that live on from call to call are not evaluated again. They are kept within a budget
of memory; the longest unused are forgotten first.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition, Lock

import numpy as np

from kasauti.errors import DataError
from kasauti.features import memory
from kasauti.features.bits import Words, pack, words_for
from kasauti.features.blocks import pool_size, run_schedule
from kasauti.features.graph import (
    CANDLE,
    COMPARISON,
    JUNCTION,
    KIND,
    SERIES_KIND,
    Graph,
    Nodes,
)
from kasauti.features.order import arrange
from kasauti.features.patterns import PATTERNS, pattern
from kasauti.features.rows import Rows
from kasauti.features.schedule import INSTRUCTION, Instructions, collect, emit
from kasauti.genome.codes import CODE_OF, SYMBOLS, Codes, Places, Population
from kasauti.genome.language import SERIES
from kasauti.genome.tree import MAX_NODES
from kasauti.market.bars import FIELDS, Bars, Booleans

BUDGET = 256 * 2**20
"""Bytes of rows kept: three quarters packed truths, one quarter values."""

SPARE = 4
"""One in so many of a call's truths beside its rules gets a row: one in 7 to 9 is alive at a time,
of random populations of 250 to 50,000."""

FEW = 256
"""Truths that get a row beside those: of few, more are alive at a time."""

MOST_NODES = 2**21
"""Nodes after which the graph starts anew: 100 MB of bookkeeping."""


class RowsInUse(Exception):  # no error: the caller splits the population
    """There are not enough rows for a population at once."""


@dataclass(frozen=True, eq=False)
class PackedRules:
    """Where rules are true.

    Attributes
    ----------
    packed : ndarray of shape (rows, S, words), uint64
    which : ndarray of shape (N, 2), int64
        Row of each genome's entry and exit rule.
    """

    packed: Words
    which: Places


@dataclass(frozen=True, eq=False)
class _Claim:
    """What one call has to evaluate and the rows that are its own meanwhile; found in turn.

    `nodes` and `row_of` are the arrays of that moment: others' rows may come to stand in them, what
    this call uses stays. `keeps_all` is whether every truth is kept, not only the rules'.
    """

    number: int
    keeps_all: bool
    nodes: Nodes
    row_of: Codes
    found: Codes
    reads: Codes
    rows: Codes
    roots: Codes
    rows_of_roots: Places
    packed_rows: Places
    value_rows: Places
    used_packed: Places
    used_values: Places


@dataclass(frozen=True, eq=False)
class _Plan:
    """One call's work: what to run, and what it leaves behind."""

    roots: Places
    program: Instructions
    slots: int
    state: int
    nodes: Places
    in_packed: Booleans
    rows: Places
    spare: Places


class Signals:
    """Evaluates the rules of whole populations over one panel. Safe to share between threads.

    Parameters
    ----------
    bars : Bars
    budget : int, default `BUDGET`
        Bytes of rows kept from call to call.
    """

    def __init__(self, bars: Bars, budget: int = BUDGET) -> None:
        self.bars = bars
        self._names = (*FIELDS, *sorted(bars.series))
        symbols, length = bars.shape
        words = words_for(length)
        values = max(1, budget // 4 // (symbols * length * 8))
        packed = max(2 * MAX_NODES, budget * 3 // 4 // (symbols * words * 8))
        self._values = memory.empty(len(self._names) + values, symbols, length)
        for row, name in enumerate(self._names):
            self._values[row] = getattr(bars, name) if name in FIELDS else bars.series[name]
        self._packed = memory.empty(packed, symbols, words).view(np.uint64)
        self._missing = [CODE_OF[name] for name in SERIES if name not in self._names]
        self._lock = Lock()
        self._left = Condition(self._lock)
        self._calls = 0
        self._active = 0
        self._start_anew()

    @property
    def capacity(self) -> int:
        """Packed rows that can be kept at a time."""
        return len(self._packed)

    def _start_anew(self) -> None:
        self._graph = Graph()
        self._row_of: Codes = np.full(len(self._graph.nodes), -1, dtype=np.int32)
        self._seen: Places = np.zeros(len(self._graph.nodes), dtype=np.int64)
        self._place: Codes = np.zeros(len(self._graph.nodes), dtype=np.int32)
        self._known = 0
        self._value_rows = Rows(len(self._names), len(self._values))
        self._packed_rows = Rows(len(PATTERNS), len(self._packed))

    @contextmanager
    def rules(self, population: Population) -> Iterator[PackedRules]:
        """Evaluate the rules of `population`; the rows are the caller's until the block ends.

        Raises
        ------
        RowsInUse
            The population needs more rows at once than there are: take it in parts.
        DataError
            For a market series that the bars do not have.
        """
        claim = self._claim_in_turn(population)
        plan, done = None, False
        try:
            plan = _plan(claim, len(self._names))
            pool, state = memory.empty(pool_size(plan.slots)), memory.empty(plan.state)
            for symbol in range(self.bars.shape[0]):
                run_schedule(
                    plan.program,
                    len(self._names),
                    self._values,
                    symbol,
                    self._packed,
                    plan.slots,
                    pool,
                    state,
                )
            done = True
            yield PackedRules(self._packed, plan.roots.reshape(-1, 2))
        finally:
            with self._lock:
                self._publish(claim, plan if done else None)

    def _claim_in_turn(self, population: Population) -> _Claim:
        """Claim a call's rows. A single genome, which cannot be split, waits for the others'."""
        with self._lock:
            while True:
                try:
                    return self._claim(population)
                except RowsInUse:
                    if len(population) > 1 or not self._active:
                        raise
                    self._left.wait()

    def _claim(self, population: Population) -> _Claim:
        self._refuse_missing(population.codes)
        if self._graph.count > MOST_NODES and not self._active:
            self._start_anew()
        roots = self._graph.add(population)
        self._learn()
        self._calls += 1
        now = self._calls
        nodes = self._graph.nodes
        limit = 3 * len(population.codes) + 1
        found, used = np.empty(limit, dtype=np.int32), np.empty(limit, dtype=np.int32)
        reads = np.empty((limit, 2), dtype=np.int32)
        count, packed, common, there = collect(
            nodes, roots, self._row_of, self._seen, self._place, now, found, reads, used
        )
        found, reads, used = found[:count], reads[:count], used[:there]
        is_packed = _is_packed(nodes["code"][used])
        used_packed = self._row_of[used[is_packed]].astype(np.int64)
        used_values = self._row_of[used[~is_packed]].astype(np.int64)
        self._packed_rows.use(used_packed, now)
        self._value_rows.use(used_values, now)
        keeps_all = 3 * packed <= self.capacity or len(population) == 1
        rules = min(packed, len(roots))
        wanted = packed if keeps_all else min(packed, rules + (packed - rules) // SPARE + FEW)
        packed_rows = self._packed_rows.take(wanted, self._row_of)
        if len(packed_rows) < wanted:
            self._packed_rows.release(packed_rows)
            self._packed_rows.leave(used_packed)
            self._value_rows.leave(used_values)
            raise RowsInUse
        value_rows = self._value_rows.take(common, self._row_of)
        self._active += 1
        return _Claim(
            now,
            keeps_all,
            nodes,
            self._row_of,
            found,
            reads,
            self._row_of[found],
            self._place[roots],
            self._row_of[roots].astype(np.int64),
            packed_rows,
            value_rows,
            used_packed,
            used_values,
        )

    def _publish(self, claim: _Claim, plan: _Plan | None) -> None:
        """Let later calls use what a call evaluated, if it did so to the end.

        Rows whose nodes another call has evaluated meanwhile are freed.
        """
        self._active -= 1
        self._left.notify_all()
        self._packed_rows.leave(claim.used_packed)
        self._value_rows.leave(claim.used_values)
        if plan is None:
            self._packed_rows.release(claim.packed_rows)
            self._value_rows.release(claim.value_rows)
            return
        new = self._row_of[plan.nodes] < 0
        for rows, chosen in (
            (self._packed_rows, plan.in_packed),
            (self._value_rows, ~plan.in_packed),
        ):
            rows.give(plan.rows[new & chosen], plan.nodes[new & chosen], claim.number)
            rows.release(plan.rows[~new & chosen])
        self._packed_rows.release(plan.spare)
        self._row_of[plan.nodes[new]] = plan.rows[new]

    def _learn(self) -> None:
        """Give the series and the candle patterns among the new nodes their rows."""
        capacity, known = len(self._graph.nodes), self._known
        if capacity > len(self._row_of):
            more = capacity - len(self._row_of)
            self._row_of = np.concatenate([self._row_of, np.full(more, -1, dtype=np.int32)])
            self._seen = np.concatenate([self._seen, np.zeros(more, dtype=np.int64)])
            self._place = np.concatenate([self._place, np.zeros(more, dtype=np.int32)])
        codes = self._graph.nodes["code"][known : self._graph.count]
        for offset in np.flatnonzero(_NEEDS_ROW[codes]):
            name = SYMBOLS[codes[offset]]
            is_candle = KIND[codes[offset]] == CANDLE
            row = self._candle(name) if is_candle else self._names.index(name)
            self._row_of[known + offset] = row
        self._known = self._graph.count

    def _candle(self, name: str) -> int:
        """Fill the pattern's row: the first packed rows are the patterns' own."""
        bars, row = self.bars, list(PATTERNS).index(name)
        self._packed[row] = pack(pattern(name, bars.open, bars.high, bars.low, bars.close))
        return row

    def _refuse_missing(self, codes: Codes) -> None:
        for code in self._missing:
            if (codes == code).any():
                raise DataError(
                    f"the data has no series {SYMBOLS[code]!r}, it has {', '.join(self._names)}: "
                    "name the market index when loading, or use another series"
                )


def _plan(claim: _Claim, fixed: int) -> _Plan:
    """Write a call's program; `fixed` series stand in the first slots.

    Raises
    ------
    RowsInUse
        More truths have to be there at a time than the call has rows.
    """
    codes, count = claim.nodes["code"][claim.found], len(claim.found)
    order, lanes = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int32)
    arrange(codes, claim.rows >= 0, claim.reads, order, lanes)
    is_new = claim.roots >= 0
    is_wanted = np.full(count, claim.keeps_all)
    is_wanted[claim.roots[is_new]] = True
    program = np.zeros(count, dtype=INSTRUCTION)
    at, kept = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    is_spare = np.ones(len(claim.packed_rows), dtype=np.bool_)
    slots, state, packed = emit(
        claim.nodes,
        claim.found,
        claim.reads,
        claim.rows,
        order,
        lanes,
        claim.row_of,
        is_wanted,
        claim.packed_rows,
        claim.value_rows,
        fixed,
        program,
        at,
        kept,
        is_spare,
    )
    if packed > len(claim.packed_rows):
        raise RowsInUse
    is_kept = kept >= 0
    roots = claim.rows_of_roots.copy()
    roots[is_new] = at[claim.roots[is_new]]
    return _Plan(
        roots,
        program,
        slots,
        state,
        claim.found[is_kept].astype(np.int64),
        _is_packed(codes[is_kept]),
        kept[is_kept],
        claim.packed_rows[is_spare],
    )


# the last place is CONSTANT's, -1
_NEEDS_ROW = np.append(np.isin(KIND, (SERIES_KIND, CANDLE)), False)
_PACKED = np.append(np.isin(KIND, (COMPARISON, JUNCTION, CANDLE)), False)


def _is_packed(codes: Codes) -> Booleans:
    packed: Booleans = _PACKED[codes]
    return packed
