"""status, limits, signals and report on real ledgers, vaults and registers."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from kasauti import commands
from kasauti.backups.history import Tried, record
from kasauti.evolution.register import DataSet, Origin, Trial, TrialRegister
from kasauti.execution.controls import CONTROLS
from kasauti.execution.events import LatchChanged, Reconciled, TradingState
from kasauti.execution.latch import Latch
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.genome import genome_from_genes
from kasauti.home import Home
from kasauti.market.calendar import INDIA
from kasauti.operations.collect import Made
from kasauti.operations.tables import approvals_frame
from kasauti.trading import data_version
from kasauti.validation.approvals import Approvals
from kasauti.validation.reference_strategy import LABEL
from kasauti.validation.seal import Vault
from kasauti.version import code_version
from kasauti.workspace import STORED, Workspace
from tests.cli.conftest import Run, written
from tests.execution.world import LIMITS, OPEN, TODAY, World, entry, world
from tests.shared_data import NSE_INDEX
from tests.validation.synthetic import make_bars


@pytest.fixture
def sealed(home: Home) -> None:
    Vault(home.vault).admit(make_bars(sessions=1200), now=OPEN)


@pytest.fixture
def tried(home: Home) -> None:
    one = Trial("g" * 64, {}, "f" * 64, Origin.HAND, "judge")
    TrialRegister(home.register).record(DataSet("d", ("A",), "", ""), [one], at=OPEN)


# Of none of these there is anything in a test's home; a clock that nobody sets is absent too.
PROCESSES = {
    *("supervisor", "web page", "daemon", "code server", "desk", "alerts", "dagster daemons"),
}


@pytest.fixture
def proved(home: Home) -> None:
    """A backup of today, whatever becomes of the paper ledger."""
    now = datetime.now(INDIA)
    record(home, Tried(now, place="disk", name="b", ok=True))


# -- status --------------------------------------------------------------------------------------


def test_an_empty_home_is_red_and_stays_empty(run: Run, home: Home) -> None:
    told = run("status", "--json")
    assert told.code == 1, "controls that were never evaluated are red"
    assert told.json["red"] == ["controls"]
    assert told.json["ledgers"] == []
    assert "run `kasauti demo`" in run("status").out
    assert not home.root.exists(), "looking makes nothing"


@pytest.mark.usefixtures("sealed", "tried", "time_server")
def test_a_desk_at_work_is_green(run: Run, desk: World, home: Home) -> None:
    home.reports.mkdir()
    written(home.reports / "report.html", "<p>")
    home.dagster.mkdir()
    written(home.dagster / "runs.db", "")
    told = run("status", "--json")
    assert told.code == 0, told.out
    checks = {check["name"]: check["health"] for check in told.json["checks"]}
    absent = {name for name, health in checks.items() if health == "absent"}
    assert absent == {"paper ledger", "bars", "evening run", "assets", "feed", "backup", *PROCESSES}
    assert {checks[name] for name in checks.keys() - absent} == {"ok"}
    details = {check["name"]: check["detail"] for check in told.json["checks"]}
    assert "a desk works on it" in details["replay ledger"]
    assert details["vault"].startswith("1 sealed, 0 opened")
    assert details["trial register"].startswith("2 rows")
    assert "report.html" in details["report"]

    (account,) = told.json["ledgers"]
    assert (account["ledger"], account["market"]) == ("replay", "nse")
    assert [row["control"] for row in account["controls"]] == [c.id for c in CONTROLS]
    assert all(row["evaluated"] for row in account["controls"])
    (held,) = account["positions"]
    assert (held["symbol"], held["quantity"]) == ("TEST", 10)

    shown = run("status").out
    for words in ("Nothing is red", "TEST", "K01", "Limits of the replay ledger"):
        assert words in shown


def test_without_a_desk_it_says_so(run: Run, home: Home) -> None:
    with world(home.replay) as w:
        w.desk.submit(entry(), OPEN)
        w.desk.step(OPEN)
    told = run("status", "--json")
    assert told.code == 0
    assert any("no desk works on it" in check["detail"] for check in told.json["checks"])


def _chain(home: Home, w: World) -> None:
    with closing(sqlite3.connect(home.replay_ledger)) as file:
        file.execute("DROP TRIGGER events_no_update")
        file.execute("UPDATE events SET at = '2026-07-15T09:15:01+05:30' WHERE seq = 3")
        file.commit()


def _differs(home: Home, w: World) -> None:
    w.ledger.append(Reconciled(("TEST: 10 here, 0 there",)), at=OPEN, epoch=w.lease.epoch)


def _halted(home: Home, w: World) -> None:
    w.desk.set_state(TradingState.HALTED, by="test", reason="test", now=OPEN)


def _latched(home: Home, w: World) -> None:
    w.latch.path.touch()


def _recorded(home: Home, w: World) -> None:
    w.ledger.append(LatchChanged(latched=True, by="x", reason="y"), at=OPEN)


def _paper_latched(home: Home, w: World) -> None:
    Latch.beside(home.ledger).path.touch()


def _paper_is_no_ledger(home: Home, w: World) -> None:
    written(home.ledger, "not SQLite" * 100)


def _paper_is_a_replay(home: Home, w: World) -> None:
    Ledger(home.ledger, scope=Scope.REPLAY, market="nse", at=OPEN).close()


def _paper_is_new(home: Home, w: World) -> None:
    Ledger(home.ledger, scope=Scope.PAPER, market="nse", at=OPEN).close()


def _clock(home: Home, w: World) -> None:
    written(home.replay_clock, "yesterday")


def _vault_file(home: Home, w: World) -> None:
    (sealed,) = home.vault.glob("*.sealed")
    sealed.chmod(0o600)
    sealed.write_bytes(b"other bars")


def _vault_tail(home: Home, w: World) -> None:
    written(home.vault / "vault.head", f"99 {'0' * 64}\n")


def _register(home: Home, w: World) -> None:
    with closing(sqlite3.connect(home.register)) as file:
        file.execute("DROP TRIGGER trials_no_delete")
        file.execute("DROP TRIGGER trials_no_update")
        file.execute("UPDATE trials SET stage = 'never'")
        file.commit()


@pytest.mark.usefixtures("sealed", "tried", "proved", "time_server")
@pytest.mark.parametrize(
    ("damage", "red", "says"),
    [
        (_chain, "replay ledger", "event 3 was changed"),
        (_differs, "replay account", "TEST: 10 here, 0 there"),
        (_halted, "replay trading", "HALTED"),
        (_latched, "replay kill switch", "set (file)"),
        (_recorded, "replay kill switch", "set (ledger)"),
        (_paper_latched, "paper kill switch", "set (file)"),
        (_paper_is_no_ledger, "paper ledger", "cannot be read as a ledger"),
        (_paper_is_a_replay, "paper ledger", "is a replay ledger"),
        (_paper_is_new, "paper controls", "never evaluated: K01, K02"),
        (_clock, "replay ledger", "holds no date"),
        (_vault_file, "vault", ".sealed"),
        (_vault_tail, "vault", "missing"),
        (_register, "trial register", "row 1 of trials was changed"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_fault_is_red(
    run: Run, desk: World, home: Home, damage: Callable[[Home, World], None], red: str, says: str
) -> None:
    damage(home, desk)
    told = run("status", "--json")
    assert told.code == 1
    assert told.json["ok"] is False
    assert told.json["red"] == [red]
    assert says in next(c["detail"] for c in told.json["checks"] if c["name"] == red)
    assert "1 red: mend it" in run("status").out


def test_the_history_shows_when_a_check_changed_colour(run: Run, desk: World, home: Home) -> None:
    assert run("status", "--history", "--json").json == {"changes": []}
    assert "No check has changed colour" in run("status", "--history").out
    run("status", "--json")
    desk.latch.path.touch()
    run("status")
    run("status")
    (change,) = run("status", "--history", "--json").json["changes"]
    assert (change["name"], change["before"], change["after"]) == (
        *("replay kill switch", "ok", "red"),
    )
    desk.latch.path.unlink()
    run("status")
    told = run("status", "--history", "1", "--json").json["changes"]
    assert [(one["before"], one["after"]) for one in told] == [("red", "ok")]
    assert "replay kill switch" in run("status", "--history").out
    assert run("status", "--history", "0").code == 2


def test_a_history_that_cannot_be_written_is_red_and_the_rest_is_said(
    run: Run, desk: World, home: Home
) -> None:
    home.health.mkdir()
    told = run("status", "--json")
    assert told.code == 1 and told.json["red"] == ["health history"]
    assert len(told.json["checks"]) > 20


# -- limits --------------------------------------------------------------------------------------


def test_limits_before_the_first_session(run: Run, home: Home) -> None:
    (account,) = run("limits", "--json").json["ledgers"]
    assert (account["profile"], account["sealed"]) == ("ultra-conservative", None)
    allowed = {row["limit"]: (row["used"], row["allowed"]) for row in account["limits"]}
    assert allowed["trades today"] == (0, 1)
    assert allowed["loss today"] == (0, 150)
    assert allowed["risk per trade"] == (None, 150)
    assert not home.root.exists()


def test_settings_that_the_profile_does_not_read_are_told(
    run: Run, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("limits", "--json").json["unused"] == ""
    monkeypatch.setenv("KASAUTI_PROFILE", "moderate")
    monkeypatch.setenv("KASAUTI_LIMIT_DAILY_LOSS", "300")
    told = run("limits")
    assert "the profile moderate does not read KASAUTI_LIMIT_DAILY_LOSS: use custom" in told.err


def test_limits_of_an_open_session(run: Run, desk: World) -> None:
    (account,) = run("limits", "--json").json["ledgers"]
    assert (account["ledger"], account["sealed"]) == ("replay", TODAY.isoformat())
    rows = {row["limit"]: (row["used"], row["allowed"]) for row in account["limits"]}
    assert rows["trades today"] == (1, LIMITS.trades_a_day)
    assert rows["positions and entries"] == (1, LIMITS.slots)
    used, allowed = rows["risk per trade"]
    assert 0 < used <= allowed == float(LIMITS.risk_per_trade)
    shown = run("limits").out
    assert f"sealed for {TODAY}" in shown and "trades today" in shown


# -- signals and report --------------------------------------------------------------------------


ALWAYS = genome_from_genes(
    {
        "entry": "close > 1",
        "exit": "close < 1",
        "side": "long",
        "stop": {"fraction": 0.04},
        "regimes": ["bull", "bear", "sideways", "volatile"],
        "risk": 0.03,
    }
)


@pytest.fixture
def permitted(home: Home) -> Workspace:
    """The sample, sealed, and a permit for a strategy that always wants in."""
    space = Workspace(home)
    admitted = space.admit(space.gather().bars, OPEN)
    assert admitted.forward is not None
    first = admitted.forward.sessions[0].item()
    permit = Approvals(space.vault).replay_permit(
        ALWAYS,
        code_version=code_version(),
        data_version=data_version(admitted),
        now=OPEN.replace(year=first.year, month=first.month, day=first.day),
        who="test",
        label=LABEL,
    )
    space.lake.write_bars(STORED, admitted.searched)
    space.lake.write("validation/approvals", approvals_frame([(permit, ALWAYS.to_genes())]))
    return space


def test_signals_of_the_permitted_strategies(run: Run, permitted: Workspace) -> None:
    del permitted
    told = run("signals", "--json")
    assert told.code == 0
    today = told.json
    assert today["permitted"] == [{"genome": ALWAYS.hash, "label": LABEL}]
    assert today["decided"].endswith("T16:00:00-05:00"), "the close in New York"
    assert {"SP500", "NASDAQ"} <= {signal["symbol"] for signal in today["signals"]}
    for signal in today["signals"]:
        assert signal["genome"] == ALWAYS.hash
        assert signal["day"] == today["decided"][:10]
        assert (signal["purpose"], signal["side"]) == ("ENTRY", "BUY")
    shown = run("signals").out
    assert LABEL in shown and "SP500" in shown


def test_signals_of_a_permit_for_other_code(
    run: Run, permitted: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    del permitted
    monkeypatch.setattr("kasauti.trading.code_version", lambda *_: "another")
    told = run("signals", "--json")
    assert told.code == 0
    assert told.json["permitted"] == told.json["signals"] == []
    assert "No strategy may be traded" in told.err


@pytest.mark.parametrize("command", ["signals", "report"])
def test_other_bars_than_those_searched_on_are_refused(
    run: Run, permitted: Workspace, tmp_path: Path, command: str
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    lines = (NSE_INDEX / "NIFTY50.csv").read_text().splitlines()
    written(folder / "NIFTY50.csv", "\n".join(lines[:1300]))
    told = run(command, "--bars", folder)
    assert told.code == 2
    assert "was not taken in yet: run `kasauti ingest` first" in told.complaint
    assert not permitted.home.ingested.exists(), "looking takes nothing in"
    run("ingest", folder)
    told = run(command, "--bars", folder)
    assert told.code == 2
    assert "was searched on other bars than" in told.complaint


def test_a_report_needs_every_stage(run: Run, permitted: Workspace) -> None:
    del permitted
    told = run("report")
    assert told.code == 2
    assert "nothing was written to the lake under " in told.complaint


def test_the_report_is_copied_where_it_is_wanted(
    run: Run, permitted: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the report says is tested where it is made; here only where it goes."""
    page = written(permitted.home.root / "made.html", "<p>a report</p>")
    made = Made(page, "Nothing was good enough.")
    monkeypatch.setattr(commands, "make_report", lambda *_: made)
    out = tmp_path / "new folder" / "mine.html"
    told = run("report", "--out", out, "--json")
    assert told.json == {"file": str(out), "headline": made.headline}
    assert out.read_text() == "<p>a report</p>"
    assert run("report").out.splitlines() == [made.headline, str(page)]
    told = run("report", "--out", page / "mine.html")
    assert told.code == 2
    assert "cannot be written" in told.complaint
