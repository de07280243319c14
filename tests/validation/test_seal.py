import dataclasses
import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kasauti.errors import SealedDataError
from kasauti.market.bars import Bars
from kasauti.validation.seal import Admitted, Vault, join
from tests.validation.synthetic import make_bars

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault")


def open_for(vault: Vault, admitted: Admitted, family: str = "f1", genome: str = "g1") -> Bars:
    assert admitted.seal is not None
    return vault.open(
        admitted.seal, family=family, genome_hash=genome, who="anna", when=NOW, why="judge"
    )


def test_first_admission_seals_the_last_fifth(vault: Vault) -> None:
    bars = make_bars(("AAA", "BBB"), 1000)
    admitted = vault.admit(bars, now=NOW)
    assert admitted.seal is not None
    assert admitted.searched.shape == (2, 800)
    assert admitted.seal.bars == 200
    assert np.datetime64(admitted.seal.boundary) == bars.times[800]
    assert np.datetime64(admitted.seal.last) == bars.times[-1]
    assert admitted.forward is None
    assert admitted.searched.times[-1] < np.datetime64(admitted.seal.boundary)


def test_opening_returns_exactly_the_sealed_bars(vault: Vault) -> None:
    bars = make_bars(("AAA", "BBB"), 1000)
    admitted = vault.admit(bars, now=NOW)
    sealed = open_for(vault, admitted)
    assert sealed.data_version == bars.between(800).data_version
    assert join(admitted.searched, sealed).data_version == bars.data_version


def test_admitting_again_changes_nothing(vault: Vault) -> None:
    bars = make_bars(("AAA", "BBB"), 1000)
    first = vault.admit(bars, now=NOW)
    records = len(vault.records.find("seal")), len(vault.records.find("searched"))
    second = vault.admit(bars, now=NOW)
    assert second.seal == first.seal
    assert second.searched.data_version == first.searched.data_version
    assert (len(vault.records.find("seal")), len(vault.records.find("searched"))) == records


FULL = make_bars(("AAA", "BBB"), 1000)
LONGER = make_bars(("AAA", "BBB"), 1200)


@pytest.mark.parametrize(
    ("later", "searched", "forward"),
    [
        pytest.param(FULL, 800, 0, id="the same set"),
        pytest.param(FULL.select(("BBB",)), 800, 0, id="one symbol of it"),
        pytest.param(FULL.between(200), 600, 0, id="without its first years"),
        pytest.param(FULL.between(0, 900), 800, 0, id="cut inside the sealed range"),
        pytest.param(FULL.between(0, 500), 500, 0, id="cut before the sealed range"),
        pytest.param(FULL.between(850), 0, 0, id="sealed bars only"),
        pytest.param(LONGER, 800, 200, id="with newer sessions"),
        pytest.param(LONGER.between(1000), 0, 200, id="newer sessions only"),
        pytest.param(make_bars(("BBB", "CCC"), 1000), 800, 0, id="a panel with another symbol"),
        pytest.param(make_bars(("CCC",), 500), 400, 0, id="another symbol is another set"),
    ],
)
def test_a_data_set_is_known_by_symbols_and_dates(
    vault: Vault, later: Bars, searched: int, forward: int
) -> None:
    vault.admit(FULL, now=NOW)
    admitted = vault.admit(later, now=NOW)
    assert admitted.searched.shape[1] == searched
    assert (0 if admitted.forward is None else admitted.forward.shape[1]) == forward


def test_the_earliest_of_two_boundaries_holds_for_a_joint_panel(vault: Vault) -> None:
    short = make_bars(("AAA",), 500)
    both = make_bars(("AAA", "BBB"), 1000)
    vault.admit(short, now=NOW)
    vault.admit(both.select(("BBB",)), now=NOW)
    admitted = vault.admit(both, now=NOW)
    assert admitted.seal is not None
    assert admitted.searched.shape[1] == 400
    assert admitted.forward is None  # BBB is sealed until the last bar
    # BBB was searched until bar 799, so only what lies after it can test anything.
    assert np.datetime64(admitted.seal.counts_from) == both.times[800]
    assert (admitted.seal.bars, admitted.seal.counted_bars) == (600, 200)


def test_a_joint_panel_takes_nothing_from_its_members(vault: Vault) -> None:
    long, late = make_bars(("AAA",), 1000), make_bars(("BBB",), 1500).between(1000)
    blank = np.full((1, 1000), np.nan)
    both = join(join_symbols(long, "BBB", blank), late)
    vault.admit(long, now=NOW)
    alone = vault.admit(late, now=NOW)
    joint = vault.admit(both, now=NOW)
    assert joint.searched.shape[1] == 800
    assert joint.seal is not None
    assert alone.seal is not None
    assert joint.seal.counts_from == alone.seal.counts_from
    for bars, searched in ((long, 800), (late, 400), (both, 800)):
        assert vault.admit(bars, now=NOW).searched.shape[1] == searched
    assert vault.admit(late, now=NOW).seal == alone.seal


def join_symbols(bars: Bars, symbol: str, rows: NDArray[np.float64]) -> Bars:
    """Return `bars` with one more symbol whose five fields are all `rows`."""
    return Bars(
        bars.market,
        (*bars.symbols, symbol),
        bars.times,
        np.concatenate([bars.open, rows]),
        np.concatenate([bars.high, rows]),
        np.concatenate([bars.low, rows]),
        np.concatenate([bars.close, rows]),
        np.concatenate([bars.volume, rows]),
    )


def test_nothing_is_sealed_that_was_searched_before(vault: Vault) -> None:
    both = make_bars(("AAA", "BBB"), 1000)
    nan_tail = both.close.copy()
    nan_tail[1, 700:] = np.nan  # BBB stops trading before the sealed range of the panel
    vault.admit(dataclasses.replace(both, close=nan_tail), now=NOW)
    alone = vault.admit(both.select(("BBB",)).between(0, 700), now=NOW)
    assert alone.seal is None
    assert "no verdict is possible" in alone.note


def test_intraday_bars_of_sealed_days_are_cut_too(vault: Vault) -> None:
    daily = make_bars(("AAA",), 1000)
    vault.admit(daily, now=NOW)
    days = daily.times[795:805].astype("datetime64[s]")
    minutes = np.concatenate([day + np.arange(3) * np.timedelta64(300, "s") for day in days])
    flat = np.full((1, len(minutes)), 100.0)
    admitted = vault.admit(Bars("sample", ("AAA",), minutes, flat, flat, flat, flat, flat), now=NOW)
    assert admitted.searched.shape[1] == 15
    assert admitted.forward is None


def test_an_intraday_week_after_the_daily_set_is_a_set_of_its_own(vault: Vault) -> None:
    vault.admit(make_bars(("AAA",), 1000), now=NOW)
    days = np.arange("2026-07-13", "2026-07-18", dtype="datetime64[D]").astype("datetime64[s]")
    minutes = np.concatenate([day + np.arange(75) * np.timedelta64(300, "s") for day in days])
    flat = np.full((1, len(minutes)), 100.0)
    admitted = vault.admit(Bars("sample", ("AAA",), minutes, flat, flat, flat, flat, flat), now=NOW)
    assert admitted.searched.shape[1] == 300  # four whole sessions of five
    assert admitted.seal is not None


def changed(bars: Bars, position: int, name: str, factor: float) -> Bars:
    values = getattr(bars, name).copy()
    values[0, position] *= factor
    return dataclasses.replace(bars, **{name: values})


@pytest.mark.parametrize(
    ("bars", "complaint"),
    [
        pytest.param(changed(FULL, 900, "close", 1.001), "was changed", id="a sealed close"),
        pytest.param(changed(FULL, 900, "open", 1.001), "was changed", id="a sealed open"),
        pytest.param(
            changed(make_bars(("AAA", "CCC"), 1000), 900, "low", 0.99),
            "was changed",
            id="in a panel with another symbol",
        ),
        pytest.param(changed(FULL, 900, "close", np.nan), "was removed", id="a sealed bar is gone"),
    ],
)
def test_changed_history_inside_the_seal_is_refused(
    vault: Vault, bars: Bars, complaint: str
) -> None:
    vault.admit(FULL, now=NOW)
    with pytest.raises(SealedDataError, match=complaint) as refusal:
        vault.admit(bars, now=NOW)
    assert "AAA" in str(refusal.value)
    assert str(FULL.times[900]) in str(refusal.value)


@pytest.mark.parametrize(
    "bars",
    [
        pytest.param(changed(FULL, 100, "close", 1.001), id="history before the seal"),
        pytest.param(changed(FULL, 900, "open", np.nan), id="an open that is not a traded price"),
    ],
)
def test_other_changes_are_no_business_of_the_seal(vault: Vault, bars: Bars) -> None:
    vault.admit(FULL, now=NOW)
    assert vault.admit(bars, now=NOW).searched.shape[1] == 800


def test_one_opening_a_family(vault: Vault) -> None:
    admitted = vault.admit(FULL, now=NOW)
    assert admitted.seal is not None
    open_for(vault, admitted)
    open_for(vault, admitted)  # not finished yet: the same genome may go on after a crash
    assert len(vault.openings(admitted.seal)) == 1
    with pytest.raises(SealedDataError, match="already opened by g1"):
        open_for(vault, admitted, genome="g2")
    vault.record_outcome(admitted.seal, family="f1", genome_hash="g1", outcome={"t": 2.5})
    with pytest.raises(SealedDataError, match="one opening a family"):
        open_for(vault, admitted)
    open_for(vault, admitted, family="f2", genome="g3")
    assert [(o.family, o.outcome) for o in vault.openings(admitted.seal)] == [
        ("f1", {"t": 2.5}),
        ("f2", None),
    ]
    opening = vault.openings(admitted.seal)[0]
    assert (opening.who, opening.why, opening.when) == ("anna", "judge", NOW.isoformat())


def test_a_panel_with_the_same_bars_shares_the_openings(vault: Vault) -> None:
    open_for(vault, vault.admit(FULL, now=NOW))
    wider = vault.admit(make_bars(("AAA", "CCC"), 1000), now=NOW)
    with pytest.raises(SealedDataError, match="already opened"):
        open_for(vault, wider, genome="g2")


def test_an_outcome_needs_an_opening_and_is_written_once(vault: Vault) -> None:
    admitted = vault.admit(FULL, now=NOW)
    assert admitted.seal is not None
    with pytest.raises(SealedDataError, match="never opened"):
        vault.record_outcome(admitted.seal, family="f1", genome_hash="g1", outcome={})
    open_for(vault, admitted)
    vault.record_outcome(admitted.seal, family="f1", genome_hash="g1", outcome={})
    with pytest.raises(SealedDataError, match="has an outcome"):
        vault.record_outcome(admitted.seal, family="f1", genome_hash="g1", outcome={})


@pytest.mark.parametrize(
    ("first", "last", "seen"),
    [
        pytest.param(date(2010, 1, 4), date(2012, 1, 2), False, id="searched bars only"),
        pytest.param(date(2010, 1, 4), date(2013, 10, 1), True, id="into the sealed range"),
        pytest.param(date(2020, 1, 1), date(2021, 1, 1), False, id="forward bars only"),
    ],
)
def test_a_look_at_sealed_bars_spoils_the_family(
    vault: Vault, first: date, last: date, seen: bool
) -> None:
    admitted = vault.admit(FULL, now=NOW)
    assert admitted.seal is not None
    for _ in range(2):
        vault.record_look(
            family="f1",
            symbols=("AAA",),
            first=first,
            last=last,
            who="kasauti backtest",
            when=NOW,
            why="all bars",
        )
    assert len(vault.records.find("look")) == 1
    reason = vault.seen_by(admitted.seal, "f1")
    assert (reason is not None) == seen
    if seen:
        assert reason is not None
        assert "already seen by kasauti backtest" in reason
        with pytest.raises(SealedDataError, match="already seen"):
            open_for(vault, admitted)
    assert vault.seen_by(admitted.seal, "f2") is None


def test_history_needs_a_permit_and_spoils_an_unopened_family(vault: Vault) -> None:
    admitted = vault.admit(FULL, now=NOW)
    assert admitted.seal is not None

    def history() -> Bars:
        assert admitted.seal is not None
        return vault.history_for_signals(
            admitted.seal, family="f1", genome_hash="g1", who="desk", when=NOW, why="signals"
        )

    with pytest.raises(SealedDataError, match="neither an approval nor a replay permit"):
        history()
    vault.records.append("approval", {"genome": "g1"})
    history()
    assert history().data_version == FULL.between(800).data_version
    assert len(vault.records.find("history")) == 1
    assert vault.seen_by(admitted.seal, "f1") is not None


def test_the_sealed_file_is_read_only_and_outside_of_every_other_path(
    vault: Vault, tmp_path: Path
) -> None:
    admitted = vault.admit(FULL, now=NOW)
    assert admitted.seal is not None
    (sealed,) = (tmp_path / "vault").glob("*.sealed")
    assert sealed.stat().st_mode & 0o777 == 0o400
    assert sealed.name == f"{admitted.seal.sha256[:32]}.sealed"
    assert not list(tmp_path.rglob("*.parquet"))
    known = {str(price) for price in FULL.close[0, 800:]}
    with sqlite3.connect(tmp_path / "vault" / "vault.sqlite") as connection:
        text = "".join(body for (body,) in connection.execute("SELECT body FROM records"))
    assert not any(price in text for price in known)


@pytest.mark.parametrize("suffix", ["sealed", "prints"])
def test_a_changed_file_is_detected(vault: Vault, tmp_path: Path, suffix: str) -> None:
    admitted = vault.admit(FULL, now=NOW)
    vault.verify()
    (path,) = (tmp_path / "vault").glob(f"*.{suffix}")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o600)
    path.write_bytes(bytes(content))
    with pytest.raises(SealedDataError, match="was changed"):
        vault.verify()
    with pytest.raises(SealedDataError, match="was changed"):
        open_for(vault, admitted)
    path.unlink()
    with pytest.raises(SealedDataError, match="is gone"):
        vault.verify()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET body = '{}'",
        "DELETE FROM records",
        "INSERT OR REPLACE INTO records SELECT * FROM records",
        "DELETE FROM openings",
        "UPDATE openings SET who = 'nobody'",
    ],
)
def test_records_cannot_be_changed(vault: Vault, tmp_path: Path, statement: str) -> None:
    open_for(vault, vault.admit(FULL, now=NOW))
    with sqlite3.connect(tmp_path / "vault" / "vault.sqlite") as connection:
        assert connection.execute("SELECT who, genome FROM openings").fetchall() == [("anna", "g1")]
        with pytest.raises(sqlite3.DatabaseError):
            connection.execute(statement)


@pytest.mark.parametrize(
    ("tamper", "complaint"),
    [
        pytest.param(
            "UPDATE records SET body = replace(body, 'anna', 'emil')", "was changed", id="a name"
        ),
        pytest.param("DELETE FROM records WHERE number = 2", "removed", id="a record within"),
        pytest.param(
            "DELETE FROM records WHERE number = (SELECT max(number) FROM records)",
            "at the end are missing",
            id="the last record",
        ),
        pytest.param("SELECT 1", "triggers", id="only the triggers"),
    ],
)
def test_records_changed_behind_the_triggers_are_detected(
    vault: Vault, tmp_path: Path, tamper: str, complaint: str
) -> None:
    admitted = vault.admit(FULL, now=NOW)
    open_for(vault, admitted)
    path = tmp_path / "vault" / "vault.sqlite"
    with sqlite3.connect(path) as connection:
        guards = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in guards.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(tamper)
    connection.close()
    with pytest.raises(SealedDataError, match=complaint):
        vault.verify()
    with pytest.raises(SealedDataError, match=complaint):
        open_for(vault, admitted, family="f2", genome="g2")


def test_a_vault_that_lost_its_records_seals_nothing_anew(vault: Vault, tmp_path: Path) -> None:
    vault.admit(FULL, now=NOW)
    for path in (tmp_path / "vault").glob("vault.sqlite*"):
        path.unlink()
    with pytest.raises(SealedDataError, match="it is gone"):
        Vault(tmp_path / "vault").admit(FULL.between(0, 600), now=NOW)


def test_an_error_inside_a_page_leaves_the_book_as_it_was(vault: Vault) -> None:
    class Crash(Exception):
        pass

    def crash() -> None:
        with vault.records.page() as page:
            page.append("look", {"family": "f1"})
            raise Crash

    with pytest.raises(Crash):
        crash()
    assert vault.records.find("look") == []
    vault.verify()
