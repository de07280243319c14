"""The replay trades as the engine does, and no crash changes where it ends."""

import multiprocessing
import os
import random
import signal
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from kasauti.backtest import Account, Backtester, Slippage
from kasauti.errors import DataError
from kasauti.execution import frames
from kasauti.execution.controls import CONTROLS
from kasauti.execution.events import GateDecided
from kasauti.execution.ledger import Ledger
from kasauti.execution.limits import Review, custom
from kasauti.execution.model import Purpose, Scope
from kasauti.execution.projections import Book
from kasauti.execution.references import BarReferences
from kasauti.execution.replay import decide, replay, replay_session
from kasauti.execution.signals import Candidate, to_intents
from kasauti.genome import genome_from_genes
from tests.execution.replays import GENES, GENOME, PERMIT, day, settings, walk

BARS = walk()
FIRST = 30


def run(path: Path, stop: int = 60, **changes: Any) -> Book:
    bars = BARS.between(0, stop)
    return replay(path / "replay.sqlite", bars, settings(bars, **changes), first=day(bars, FIRST))


@cache
def traded() -> Book:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return run(Path(folder))


def test_a_month_is_traded_from_signal_to_profit() -> None:
    book = traded()
    assert len(book.days) == 30 and len(book.trades) >= 5
    reasons = {trade.reason for trade in book.trades}
    assert {Purpose.STOP, Purpose.EXIT} <= reasons
    assert set(book.evaluated) == {control.id for control in CONTROLS}
    profit = sum((trade.profit for trade in book.trades), Decimal(0))
    opened = sum(
        (
            p.quantity * (book.marks[p.symbol] - p.average_price) - p.charges
            for p in book.positions.values()
        ),
        Decimal(0),
    )
    assert book.days[-1].equity == book.capital + profit + opened
    assert sum((d.profit for d in book.days), book.capital) == book.days[-1].equity
    assert sum((d.charges for d in book.days), Decimal(0)) == book.charges


def test_every_order_was_judged_by_every_control_before_it_went(tmp_path: Path) -> None:
    run(tmp_path, stop=40)
    ledger = Ledger(
        tmp_path / "replay.sqlite",
        scope=Scope.REPLAY,
        market="nse",
        at=PERMIT.valid_from,
    )
    decided = [r.event for r in ledger.events() if isinstance(r.event, GateDecided)]
    sent = {e.key for e in decided if e.allowed}
    book = ledger.book()
    assert sent == {v.intent.key for v in book.orders.values() if v.sent_at is not None}
    ids = {control.id for control in CONTROLS}
    assert decided and all({d.control for d in e.decisions} == ids for e in decided)
    assert ledger.verify().ok


def test_no_limit_was_exceeded() -> None:
    book = traded()
    assert book.limits is not None
    for result in book.days:
        entries = [v for v in book.sent_on(result.day) if v.intent.purpose is Purpose.ENTRY]
        assert len([v for v in entries if v.filled]) <= book.limits.trades_a_day
        moments = [view.sent_at for view in book.sent_on(result.day)]
        assert max(map(moments.count, moments), default=0) <= book.limits.orders_a_second
    assert min(t.profit for t in book.trades) > -book.limits.risk_per_trade * Decimal("1.2")


def test_the_replay_trades_what_the_engine_trades() -> None:
    """Same symbols, bars and reasons; prices apart by ticks, since orders have them."""
    account = Account(capital=100_000.0, slippage=Slippage(0.0005, 0.0))
    bars = walk(symbols=1, seed=11)
    result = Backtester(bars, account=account).run(GENOME, start=FIRST - 1)
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        roomy = replace(
            settings(bars).limits, losing_streak=10, cooldown_sessions=0, low_profit_sessions=0
        )
        book = replay(
            Path(folder) / "l.sqlite",
            bars,
            settings(bars, limits=replace(roomy, risk_per_trade=Decimal(5_000))),
            first=day(bars, FIRST),
        )
    names = {
        "exit": "EXIT",
        "max_bars": "EXIT",
        "trail": "STOP",
        "stop": "STOP",
        "target": "TARGET",
    }
    engine = [
        (
            str(np.datetime64(trade.entry_time, "D")),
            str(np.datetime64(trade.exit_time, "D")),
            names[trade.reason],
        )
        for trade in result.trades
    ]
    desk = [
        (str(t.entry_time.date()), str(t.exit_time.date()), t.reason.value) for t in book.trades
    ]
    assert len(engine) >= 5
    assert desk == engine
    for ours, theirs in zip(book.trades, result.trades, strict=True):
        assert float(ours.entry_price) == pytest.approx(theirs.entry_price, abs=0.11)
        assert float(ours.exit_price) == pytest.approx(theirs.exit_price, abs=0.16)


def test_a_session_that_is_done_is_not_done_again(tmp_path: Path) -> None:
    first = run(tmp_path, stop=35)
    again = run(tmp_path, stop=35)
    assert again.seq == first.seq
    assert again.fingerprint() == first.fingerprint()


def test_session_by_session_is_the_same_as_at_once(tmp_path: Path) -> None:
    at_once = run(tmp_path / "a", stop=38)
    for stop in range(FIRST + 1, 39):
        bars = BARS.between(0, stop)
        book = replay_session(tmp_path / "b" / "l.sqlite", bars, settings(BARS))
    assert book.fingerprint() == at_once.fingerprint()


def test_a_stale_bar_denies_what_a_fresh_one_accepts(tmp_path: Path) -> None:
    def stale(bars: Any) -> BarReferences:
        return BarReferences(bars.between(0, bars.shape[1] - 1))

    fresh = run(tmp_path / "fresh", stop=33)
    old = run(tmp_path / "old", stop=33, references=stale)
    sent = {k: v for k, v in fresh.orders.items() if v.intent.purpose is Purpose.ENTRY and v.filled}
    assert sent
    first = min(sent, key=lambda tag: str(sent[tag].sent_at))
    assert old.orders[first].intent == fresh.orders[first].intent, "the same order"
    assert old.orders[first].code == "STALE_REFERENCE"
    assert not old.fills


def test_the_signals_shown_beforehand_are_those_that_are_traded(tmp_path: Path) -> None:
    traded_on = traded().fills[min(traded().fills, key=lambda f: traded().fills[f].at)].at.date()
    length = [day(BARS, position) for position in range(60)].index(traded_on) + 1
    bars = BARS.between(0, length)
    session = settings(bars).calendar.session(traded_on)
    assert session is not None
    shown = decide(Book(), bars.between(0, length - 1), settings(bars))
    assert len(frames.signals_frame(shown)) == len(shown) > 0
    book = replay_session(tmp_path / "l.sqlite", bars, settings(bars))
    parents = [v.intent for v in book.orders.values() if v.intent.parent is None]
    assert parents == to_intents(shown, session)


def test_without_a_permit_nothing_is_sent(tmp_path: Path) -> None:
    book = run(tmp_path, stop=33, permits=lambda genome: None)
    codes = {view.code for view in book.orders.values()}
    assert codes == {"NO_PERMIT"} and not book.fills


def test_an_unanswered_losing_streak_closes_entries(tmp_path: Path) -> None:
    limits = custom(
        capital=Decimal(100_000),
        trades_a_day=3,
        risk_per_trade=Decimal(2_000),
        daily_loss=Decimal(5_000),
        losing_streak=1,
        review=Review.WEEKLY,
    )
    book = run(tmp_path, limits=limits, acknowledged_by=None)
    assert book.streak == 1
    with closing(Ledger.existing(tmp_path / "replay.sqlite")) as ledger:
        words = [d for r in ledger.events() if isinstance(r.event, GateDecided)
                 for d in r.event.decisions]  # fmt: skip
    assert any(word.code == "LOSING_STREAK" and not word.passed for word in words)
    assert len(book.trades) < len(traded().trades)


def test_a_bar_that_is_not_whole_fills_nothing(tmp_path: Path) -> None:
    opens = BARS.open.copy()
    opens[:, FIRST:] = np.nan
    bars = replace(BARS, open=opens).between(0, 36)
    book = replay(tmp_path / "l.sqlite", bars, settings(bars), first=day(bars, FIRST))
    assert book.orders and not book.fills
    assert {v.state.value for v in book.orders.values()} <= {"cancelled", "denied"}


def test_bars_before_the_first_session_are_needed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="before it"):
        replay(tmp_path / "l.sqlite", BARS, settings(BARS), first=day(BARS, 0))


def test_frames_show_the_book() -> None:
    book = traded()
    assert len(frames.orders_frame(book)) == len(book.orders)
    assert len(frames.fills_frame(book)) == len(book.fills)
    assert frames.trades_frame(book)["profit"].dtype == np.float64
    assert len(frames.days_frame(book)) == 30
    used = frames.limits_frame(book, book.fills[max(book.fills)].at)
    assert (used["used"].astype(float) <= used["allowed"].astype(float)).all()
    assert frames.positions_frame(Book()).empty and frames.orders_frame(Book()).empty


# --- kill -9 -----------------------------------------------------------------------------------

CRASH_STOP = 34
TARGET_WANTED = "TargetWanted"  # beside the kinds of the rows


def crash_run(folder: Path) -> Book:
    return run(folder, stop=CRASH_STOP)


def targeted_run(folder: Path) -> Book:
    """Trade a strategy whose target is near, so that one is sold."""
    near = {"target": {"fraction": 0.008}, "stop": {"atr": 3.0}, "max_bars": 5}
    genome = genome_from_genes({**GENES, **near})
    permits = {genome.hash: replace(PERMIT, genome_hash=genome.hash)}.get
    return run(folder, stop=46, candidates=[Candidate(genome, Decimal(1))], permits=permits)


def _listen(note: Callable[[list[str]], None]) -> None:
    """Call `note` before every commit with the kinds of the rows that it would write."""
    kinds: list[str] = []

    def executed(conn: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        if statement.startswith("INSERT INTO"):
            kinds.extend(str(value) for value in parameters if str(value).isalpha())
            if any('"purpose":"TARGET"' in str(value) for value in parameters):
                kinds.append(TARGET_WANTED)

    def commit(conn: Any) -> None:
        if kinds:
            note(list(kinds))
        kinds.clear()

    event.listen(Engine, "before_cursor_execute", executed)
    event.listen(Engine, "commit", commit)


def _killed(folder: Path, number: int, replayed: Callable[[Path], Book] = crash_run) -> None:
    """Replay, and die in front of commit `number`, as if the plug had been pulled."""
    count = 0

    def note(kinds: list[str]) -> None:
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    _listen(note)
    replayed(folder)


def _watched(folder: Path, pipe: Any, replayed: Callable[[Path], Book] = crash_run) -> None:
    commits: list[list[str]] = []
    _listen(commits.append)
    replayed(folder)
    pipe.send(commits)


def _in_process(target: Callable[..., None], *arguments: Any) -> int | None:
    process = multiprocessing.get_context("fork").Process(target=target, args=arguments)
    process.start()
    process.join(60)
    return process.exitcode


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[list[str]], Any]:
    folder = tmp_path_factory.mktemp("whole")
    ours, theirs = multiprocessing.get_context("fork").Pipe()
    assert _in_process(_watched, folder, theirs) == 0
    return ours.recv(), run(folder, stop=CRASH_STOP).fingerprint()


def _points(commits: list[list[str]]) -> list[int]:
    """Return commits to die in front of: one of every kind, and a seeded sample of the rest."""
    named = {kind: number for number, kinds in enumerate(commits, 1) for kind in kinds[:2]}
    sample = random.Random(7).sample(range(1, len(commits) + 1), 5)
    return sorted(set(named.values()) | set(sample))


def test_killed_at_any_point_and_run_again_it_ends_in_the_same_state(
    uninterrupted: tuple[list[list[str]], Any], tmp_path: Path
) -> None:
    commits, expected = uninterrupted
    kinds = {kind for each in commits for kind in each}
    assert {
        "IntentCommitted",  # nothing of the intent is known
        "GateDecided",  # between the commit of the intent and its record of sending
        "Placed",  # between that record and the send
        "OrderMoved",  # between the send and the record of its answer
        "OrderFilled",
        "SessionClosed",
        "Ticked",
    } <= kinds
    for number in _points(commits):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert _in_process(_killed, folder, number) == -signal.SIGKILL
        book = run(folder, stop=CRASH_STOP)
        assert book.fingerprint() == expected, f"killed before {commits[number - 1]}"
        ledger = Ledger(
            folder / "replay.sqlite", scope=Scope.REPLAY, market="nse", at=PERMIT.valid_from
        )
        assert ledger.verify().ok
        ledger.close()


def test_killed_while_a_target_is_sold_it_ends_in_the_same_state(tmp_path: Path) -> None:
    ours, theirs = multiprocessing.get_context("fork").Pipe()
    (tmp_path / "whole").mkdir()
    assert _in_process(_watched, tmp_path / "whole", theirs, targeted_run) == 0
    commits, whole = ours.recv(), targeted_run(tmp_path / "whole")
    assert Purpose.TARGET in {trade.reason for trade in whole.trades}
    wanted = next(n for n, kinds in enumerate(commits, 1) if TARGET_WANTED in kinds)
    sold = next(n for n, kinds in enumerate(commits, 1) if n > wanted and "OrderFilled" in kinds)
    assert sold - wanted >= 6, "wanted, the stop's cancel, its end, decided, placed, answered"
    for number in range(wanted - 1, sold + 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert _in_process(_killed, folder, number, targeted_run) == -signal.SIGKILL
        book = targeted_run(folder)
        assert book.fingerprint() == whole.fingerprint(), f"killed before {commits[number - 1]}"
