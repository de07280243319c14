"""Everything that runs on the sample runs on a folder of own bars; only orders wait."""

from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from kasauti.genome import Genome, genome_from_genes
from kasauti.genome.family import family
from kasauti.operations.tables import approvals_frame
from kasauti.trading import APPROVED, data_version
from kasauti.validation.approvals import Approvals
from kasauti.validation.gates.model import Gate
from kasauti.validation.verdict import Verdict
from kasauti.version import code_version
from pipelines.sensors import latest_signals, next_action
from resources.project import Project
from tests.pipelines.states import Clocked, checks, made, recent, run


def project(folder: Path, home: Path, profile: str = "ultra-conservative") -> Project:
    return Clocked(
        home=str(home),
        bars=str(folder),
        index="NIFTY50",
        population=8,
        evaluations=16,
        profile=profile,
    )


def why(result: dg.ExecuteInProcessResult) -> str:
    """Return what the first failed step said."""
    failed = [event for event in result.all_events if event.is_step_failure]
    error = failed[0].step_failure_data.error
    assert error is not None
    return (error.cause or error).message


def test_from_a_folder_to_the_report(tmp_path: Path) -> None:
    """Sixteen trials find nothing good enough: signals are empty, and that is no error."""
    recent(tmp_path / "bars", date(2026, 11, 18))
    own = project(tmp_path / "bars", tmp_path / "home")
    with dg.DagsterInstance.ephemeral() as instance:
        research = run(own, instance, "research")
        assert research.success and "validation/approvals" in made(research)
        recent(tmp_path / "bars", date(2026, 11, 20))
        daily = run(own, instance, "daily")
        assert daily.success and checks(daily)["bars_are_fresh"].passed
        report = run(own, instance, "report")
        assert report.success
    lake = own.workspace().lake
    assert lake.read(APPROVED).empty, "the reference's permit is for the replay only"
    assert lake.read("signals/daily").empty
    assert lake.read_bars("market/forward").sessions.tolist() == [
        date(2026, 11, 19),
        date(2026, 11, 20),
    ]
    assert lake.read("validation/verdicts")["reference"].any()
    assert not own.workspace().home.replay.exists(), "the replay's ledger is the sample's alone"


@pytest.mark.parametrize("job", ["session", "trade"])
def test_orders_wait(tmp_path: Path, job: str) -> None:
    recent(tmp_path / "bars", date(2026, 11, 20))
    own = project(tmp_path / "bars", tmp_path / "home")
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(own, instance, job)
    if job == "session":
        assert not result.success and "own bars are not traded yet" in why(result)
    else:
        assert result.success and own.workspace().lake.read("execution/intents").empty
    assert not own.workspace().home.replay.exists()


def test_too_few_bars_are_said_to_be_too_few(tmp_path: Path) -> None:
    recent(tmp_path / "bars", date(2026, 11, 20))
    path = tmp_path / "bars" / "NIFTY50.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *rows[-618:]]) + "\n")
    own = project(tmp_path / "bars", tmp_path / "home")
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(own, instance, "research")
    assert not result.success
    assert "618" in why(result) and "validation/verdicts" not in made(result)


REGIMES = ["bull", "bear", "sideways", "volatile"]
BUYS_NEARLY_ALWAYS = {
    "entry": "rsi(close, 5) < 99",
    "exit": "rsi(close, 5) > 99",
    "side": "long",
    "stop": {"fraction": 0.04},
    "regimes": REGIMES,
    "risk": 0.03,
}


def approve(own: Project, genome: Genome, tier: str) -> None:
    """Record what a verdict that passed every gate leaves, and what research makes of it."""
    space, data = own.workspace(), data_version(own.admitted())
    gates = (
        Gate("regimes", True, "all four", {"approved": REGIMES}),
        Gate("sealed", True, "held", {"t_searched": 3.0, "t_sealed": 3.0, "t_joined": 4.6}),
    )
    verdict = Verdict(True, genome.hash, family(genome), gates, (), data, tier)
    body = {"genome": genome.hash, "digest": verdict.digest, "approved": True}
    space.vault.records.append("verdict", body)
    approval = Approvals(space.vault).grant(
        verdict, code_version=code_version(), now=own.now(), who="test"
    )
    space.lake.write(APPROVED, approvals_frame([(approval, genome.to_genes())]))


@pytest.mark.parametrize(
    ("tier", "profile", "may"),
    [
        pytest.param("moderate", "ultra-conservative", True, id="less money than its tier allows"),
        pytest.param("moderate", "moderate", True, id="as much"),
        pytest.param("ultra-conservative", "conservative", False, id="more"),
    ],
)
def test_the_tier_is_the_most_money_that_it_may_be_traded_with(
    tmp_path: Path, tier: str, profile: str, may: bool
) -> None:
    recent(tmp_path / "bars", date(2026, 11, 19))
    own = project(tmp_path / "bars", tmp_path / "home", profile)
    approve(own, genome_from_genes(BUYS_NEARLY_ALWAYS), tier)
    assert bool(own.desk().candidates()) is may


def test_an_approved_strategy_gives_signals_that_nobody_orders(tmp_path: Path) -> None:
    recent(tmp_path / "bars", date(2026, 11, 19))
    own = project(tmp_path / "bars", tmp_path / "home")
    approve(own, genome_from_genes(BUYS_NEARLY_ALWAYS), own.profile)
    recent(tmp_path / "bars", date(2026, 11, 20))
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(own, instance, "daily").success
        newest = latest_signals(instance)
    shown = own.workspace().lake.read("signals/daily")
    assert shown["symbol"].tolist() == ["NIFTY50"] and shown["purpose"].tolist() == ["ENTRY"]
    assert shown["day"].astype(str).tolist() == shown["decided"].tolist() == ["2026-11-20"]
    assert isinstance(next_action(newest), dg.SkipReason), "no run is started for them"
