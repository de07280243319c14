"""Fills the report from lake, register and ledger; what is said about it stands in `report`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kasauti.backtest import Account, Backtester
from kasauti.errors import DataError
from kasauti.evolution.outcome import SearchSettings
from kasauti.execution.events import Decision, GateDecided
from kasauti.execution.frames import profit_so_far
from kasauti.execution.projections import Book
from kasauti.genome import Genome, genome_from_genes
from kasauti.market.bars import Bars
from kasauti.noise.published import published, sentence_of
from kasauti.operations.candidate import candidate_facts
from kasauti.operations.gate_rows import regime_rows
from kasauti.operations.plots import Generation
from kasauti.operations.report import headline, write_report
from kasauti.operations.report_data import (
    CandidateFacts,
    ControlRow,
    DatasetFacts,
    Death,
    FillRow,
    FindingRow,
    GateRow,
    IntentRow,
    JudgedStrategy,
    PositionRow,
    ReplayFacts,
    ReportData,
    SearchFacts,
    Survivor,
)
from kasauti.regimes.online import label_online, market_closes
from kasauti.trading import ReplayDesk
from kasauti.validation.reference_strategy import reference_strategy
from kasauti.version import code_version
from kasauti.workspace import Workspace

Row = Mapping[Any, Any]

SEARCHED = SearchSettings(seed=0)  # its bounds are every search's: no command changes them

MISSING = (
    "Live trading with Angel One: own bars are traded on paper only.",
    "Alerts other than Slack.",
)


MEANINGS = {
    "dominated": "another one was at least as good in everything and better in something",
    "too few trades": f"fewer than {SEARCHED.min_trades}: too little to tell luck from skill",
    "drawdown too deep": f"it fell more than {SEARCHED.max_drawdown:.0%} from its highest point",
    "position too large": f"more than {SEARCHED.max_share:.0%} of the account in one position: a "
    "halted market would cost too much",
    "twin": "it traded exactly like a simpler one",
    "crowded out": "good, but too much like its neighbours for the place there was",
}


@dataclass(frozen=True)
class Made:
    """A finished report."""

    path: Path
    headline: str


def make_report(desk: ReplayDesk, now: datetime) -> Made:
    """Write the report on the last search, its verdicts and the replay.

    Raises
    ------
    DataError
        If a stage has not run yet; the message names it.
    """
    data = collect(desk, now)
    path = write_report(data, desk.space.home.reports / "report.html")
    return Made(path, headline(data))


def collect(desk: ReplayDesk, now: datetime) -> ReportData:
    """Return everything that the report says."""
    space = desk.space
    bars = space.lake.read_bars("market/bars")
    judged = _judged(space)
    mine = [one for one in judged if not one.is_reference]
    return ReportData(
        title="Kasauti: what was tried, and what held",
        made_at=now,
        dataset=_dataset(desk, bars),
        search=_search(space, bars),
        survivors=_survivors(space),
        candidate=_candidate(space, bars, mine[0].hash) if mine else None,
        judged=judged,
        replay=_replay(desk),
        certificate=sentence_of(published()),
        missing=MISSING,
        versions={
            "code": code_version(),
            "kasauti": version("kasauti"),
            "bars": bars.data_version,
            "python packages": f"numpy {version('numpy')}, numba {version('numba')}",
        },
    )


def _dataset(desk: ReplayDesk, bars: Bars) -> DatasetFacts:
    seal = desk.admitted.seal
    findings = desk.space.lake.read("market/findings").to_dict("records")
    return DatasetFacts(
        name=desk.space.source.name,
        source=" ".join(f"{note.rstrip('.')}." for note in desk.space.gather().notes),
        bars=bars,
        data_version=bars.data_version,
        sealed_from=np.datetime64(seal.boundary) if seal else None,
        sealed_until=np.datetime64(seal.last) if seal else None,
        sealed_sessions=seal.bars if seal else 0,
        findings=tuple(
            FindingRow(
                str(row["file"]),
                None if pd.isna(row["row"]) else int(row["row"]),
                str(row["problem"]),
                str(row["remedy"]),
                str(row["severity"]),
                int(row["rows_dropped"]),
            )
            for row in findings
        ),
        regime_codes=label_online(bars).codes,
        regime_closes=market_closes(bars),
    )


def _search(space: Workspace, bars: Bars) -> SearchFacts:
    facts = space.lake.read("evolution/search").to_dict("records")[0]
    history = space.lake.read("evolution/history").to_dict("records")
    causes = space.register.causes(str(facts["search"]))
    return SearchFacts(
        evaluations=int(facts["evaluations"]),
        distinct=int(facts["evaluations"]),
        registered=space.register.count(bars.symbols),
        seed=int(facts["seed"]),
        seconds=float(facts["seconds"]),
        generations=tuple(
            Generation(
                int(row["evaluations"]), float(row.get("sharpe", np.nan)), float(row["median"])
            )
            for row in history
        ),
        deaths=tuple(
            Death(cause, count, MEANINGS.get(cause, "")) for cause, count in causes.most_common()
        ),
    )


def _survivors(space: Workspace) -> tuple[Survivor, ...]:
    return tuple(
        Survivor(
            str(row["genome"]),
            json.loads(str(row["genes"])),
            {str(k): float(v) for k, v in row.items() if k not in ("genome", "genes")},
        )
        for row in space.lake.read("evolution/front").to_dict("records")
    )


def _judged(space: Workspace) -> tuple[JudgedStrategy, ...]:
    frame = space.lake.read("validation/verdicts")
    return tuple(
        JudgedStrategy(
            str(genome),
            bool(rows["approved"].iloc[0]),
            tuple(_gate(row) for row in rows.to_dict("records")),
            bool(rows["reference"].iloc[0]),
            regime_rows(
                {row["gate"]: json.loads(row["figures"]) for row in rows.to_dict("records")}
            ),
        )
        for genome, rows in frame.groupby("genome", sort=False)
    )


def _gate(row: Row) -> GateRow:
    opened = row["gate"] != "sealed" or not str(row["reason"]).startswith("not opened")
    figures = json.loads(str(row["figures"]))
    plain = {name: value for name, value in figures.items() if not isinstance(value, dict | list)}
    return GateRow(str(row["gate"]), bool(row["passed"]) if opened else None, row["reason"], plain)


def _candidate(space: Workspace, bars: Bars, name: str) -> CandidateFacts:
    return candidate_facts(_genome(space, name), Backtester(bars, account=Account()))


def _genome(space: Workspace, name: str) -> Genome:
    for row in space.lake.read("evolution/front").to_dict("records"):
        if row["genome"] == name:
            return genome_from_genes(json.loads(str(row["genes"])))
    raise DataError(f"{name[:12]} was judged but is not on the front: run the search again")


def _replay(desk: ReplayDesk) -> ReplayFacts | None:
    rows = desk.space.lake.read("validation/approvals").to_dict("records")
    if not rows:
        return None
    ledger = desk.ledger()
    book = ledger.book()
    rulings = {
        record.event.key: record.event
        for record in ledger.events()
        if isinstance(record.event, GateDecided)
    }
    ledger.close()
    genome = genome_from_genes(json.loads(str(rows[0]["genes"])))
    times, profit = profit_so_far(book)
    return ReplayFacts(
        strategy=genome.hash,
        genes=genome.to_genes(),
        approved=genome != reference_strategy(),
        first=desk.days[0],
        last=desk.now().date(),
        net_profit=book.equity() - (book.capital or desk.limits.capital)
        if book.capital
        else Decimal(0),
        charges=book.charges,
        intents=tuple(_intents(book, rulings)),
        fills=tuple(
            FillRow(one.at, one.symbol, one.side.value, one.quantity, one.price, one.charges)
            for one in book.fills.values()
        ),
        positions=tuple(_positions(book)),
        profit_times=times,
        profit=profit,
    )


def _intents(book: Book, rulings: Mapping[str, GateDecided]) -> list[IntentRow]:
    rows = []
    for view in book.orders.values():
        ruling = rulings.get(view.intent.key)
        rows.append(
            IntentRow(
                view.intent.tag,
                view.intent.symbol,
                f"{view.intent.side.value} {view.intent.purpose.value}",
                view.intent.quantity,
                view.intent.limit_price,
                view.outcome.value,
                view.code or view.state.value,
                tuple(
                    ControlRow(one.control, one.code, one.passed, _compared(one))
                    for one in (ruling.decisions if ruling else ())
                ),
            )
        )
    return rows


def _positions(book: Book) -> list[PositionRow]:
    rows = []
    for one in book.positions.values():
        mark = book.marks.get(one.symbol, one.average_price)
        profit = one.quantity * (mark - one.average_price) - one.charges
        rows.append(PositionRow(one.symbol, one.quantity, one.average_price, mark, profit))
    return rows


def _compared(decision: Decision) -> str:
    return ", ".join(f"{name} {value}" for name, value in decision.figures.items())
