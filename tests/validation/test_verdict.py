import dataclasses
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from kasauti.backtest import NO_SLIPPAGE, Account, Backtester
from kasauti.errors import SealedDataError, UsageError, VerdictRefused
from kasauti.evolution.register import DataSet, Origin, TrialRegister
from kasauti.genome import Genome, family, genome_from_genes
from kasauti.genome.breeding import random_genome
from kasauti.market.bars import Bars
from kasauti.market.charges import NO_CHARGES
from kasauti.market.sources import load_folder
from kasauti.validation.approvals import Approvals, Scope
from kasauti.validation.gates.model import Gate, plain
from kasauti.validation.gates.statistics import threshold_after
from kasauti.validation.plateau import calm_weights
from kasauti.validation.reference_strategy import LABEL, reference_strategy
from kasauti.validation.seal import Admitted, Vault
from kasauti.validation.stress import CrashWindow
from kasauti.validation.stress import windows as crashes
from kasauti.validation.threshold import recorded
from kasauti.validation.verdict import Verdict, judge
from tests.shared_data import NSE_STOCKS
from tests.validation.rules import HOLD, REVERSAL
from tests.validation.synthetic import make_bars, plant_edge

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
FREE = Account(charges=NO_CHARGES, slippage=NO_SLIPPAGE)
NAMES = [
    "causality",
    "walk_forward",
    "regimes",
    "stress",
    "statistics",
    "testers",
    "second_opinion",
    "sealed",
]
TESTERS = {"performance", "robustness", "risk", "execution", "sceptic"}


@dataclass
class Court:
    """A vault, a register and the bars of one market."""

    vault: Vault
    register: TrialRegister
    admitted: Admitted

    @classmethod
    def over(cls, bars: Bars, root: Path) -> "Court":
        vault = Vault(root / "vault")
        return cls(vault, TrialRegister(root / "register.sqlite"), vault.admit(bars, now=NOW))

    def judge(self, genome: Genome, account: Account = FREE) -> Verdict:
        return judge(
            genome,
            self.admitted,
            self.vault,
            self.register,
            account=account,
            now=NOW,
            who="anna",
        )


def gates_of(verdict: Verdict) -> Mapping[str, Gate]:
    assert [gate.name for gate in verdict.gates] == NAMES
    return {gate.name: gate for gate in verdict.gates}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Court:
    return Court.over(plant_edge(2500), tmp_path_factory.mktemp("planted"))


GENOME = genome_from_genes(REVERSAL)


@pytest.fixture(scope="module")
def approved(planted: Court) -> Verdict:
    return planted.judge(GENOME)


def test_a_planted_edge_passes_everything(planted: Court, approved: Verdict) -> None:
    assert [gate.name for gate in approved.gates if not gate.passed] == []
    assert approved.approved
    assert any("paper trading" in note and "arming" in note for note in approved.notes)
    assert set(gates_of(approved)["testers"].figures) == TESTERS


def test_the_opening_is_recorded_once_with_its_outcome(planted: Court, approved: Verdict) -> None:
    assert planted.admitted.seal is not None
    (opening,) = planted.vault.openings(planted.admitted.seal)
    assert (opening.genome_hash, opening.family, opening.who, opening.when) == (
        approved.genome,
        approved.family,
        "anna",
        NOW.isoformat(),
    )
    sealed = gates_of(approved)["sealed"]
    assert opening.outcome is not None
    assert opening.outcome["figures"] == plain(sealed.figures)
    assert sealed.figures["t_joined"] == pytest.approx(
        0.9 * sealed.figures["t_searched"] + 0.436 * sealed.figures["t_sealed"]
    )


def test_the_sealed_t_is_that_of_trading_the_sealed_bars_alone(approved: Verdict) -> None:
    """Beyond the index, here the only symbol: numpy's least squares as the oracle."""
    bars = plant_edge(2500)
    returns = Backtester(bars, account=FREE).returns(genome_from_genes(REVERSAL), 2000)
    market = np.diff(bars.close[0])[1999:] / bars.close[0, 1999:-1]
    root = np.sqrt(calm_weights(market))
    columns = np.column_stack([root, root * market])
    (alpha, beta), (squares,) = np.linalg.lstsq(columns, root * returns)[:2]
    error = np.sqrt(squares / 498 * np.linalg.inv(columns.T @ columns)[0, 0])
    assert gates_of(approved)["sealed"].figures["t_sealed"] == pytest.approx(alpha / error)
    assert beta > 0


def test_optuna_and_the_genome_are_registered(planted: Court, approved: Verdict) -> None:
    dataset = DataSet.of(planted.admitted.searched).id
    trials = planted.register.trials(dataset=dataset)
    assert trials[0].genome == approved.genome
    assert trials[0].origin is Origin.HAND
    assert {trial.family for trial in trials} == {approved.family}
    tuned = {trial.genome for trial in trials if trial.origin is Origin.OPTUNA}
    assert len(tuned) > 30
    assert gates_of(approved)["statistics"].figures["trials"] == len(tuned)


def test_judging_again_returns_the_recorded_opening(
    planted: Court, approved: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_reading(*_: object, **__: object) -> Bars:
        raise AssertionError("the sealed bars were read again")

    monkeypatch.setattr(planted.vault, "open", no_reading)
    again = planted.judge(genome_from_genes(REVERSAL))
    assert again.to_json() == approved.to_json()
    assert again.digest == approved.digest


def test_another_genome_of_the_family_finds_the_seal_open(
    planted: Court, approved: Verdict
) -> None:
    cousin = genome_from_genes({**REVERSAL, "entry": "roc(close, 1) < -0.4"})
    assert family(cousin) == approved.family
    verdict = planted.judge(cousin)
    assert not verdict.approved
    assert [gate.name for gate in verdict.gates if not gate.passed] == ["sealed"]
    assert "already opened by " + approved.genome[:12] in gates_of(verdict)["sealed"].reason


def test_a_look_at_the_sealed_bars_closes_the_gate(tmp_path: Path) -> None:
    court = Court.over(plant_edge(1500), tmp_path)
    genome = genome_from_genes(REVERSAL)
    court.vault.record_look(
        family=family(genome),
        symbols=("PLANTED",),
        first=date(1999, 1, 4),
        last=date(2009, 1, 1),
        who="kasauti backtest",
        when=NOW,
        why="a backtest over all bars",
    )
    verdict = court.judge(genome)
    assert court.admitted.seal is not None
    assert [gate.name for gate in verdict.gates if not gate.passed] == ["sealed"]
    assert "already seen by kasauti backtest" in gates_of(verdict)["sealed"].reason
    assert court.vault.openings(court.admitted.seal) == ()


def test_always_in_is_refused(tmp_path: Path) -> None:
    court = Court.over(make_bars(("AAA",), 5000, start="1999-01-04", seed=3), tmp_path)
    verdict = court.judge(genome_from_genes(HOLD))
    gates = gates_of(verdict)
    assert not verdict.approved
    assert {"walk_forward", "regimes", "statistics", "sealed"} <= {
        g.name for g in verdict.gates if not g.passed
    }
    assert gates["causality"].passed
    assert gates["sealed"].reason.startswith("not opened: ")
    assert verdict.tier is None, "what is not approved has no capital"
    assert court.admitted.seal is not None
    assert court.vault.openings(court.admitted.seal) == ()
    (death,) = court.register.deaths(genome=verdict.genome)
    failed = verdict.first_failure
    assert failed is not None
    assert death.cause == f"{failed.name}: {failed.reason}"


def test_the_best_of_many_random_genomes_on_noise_is_refused(tmp_path: Path) -> None:
    court = Court.over(make_bars(("AAA",), 1500, seed=8), tmp_path)
    rng = random.Random(4)
    genomes = [random_genome(rng) for _ in range(80)]
    tester = Backtester(court.admitted.searched, account=FREE)
    scores = tester.score_all(genomes)
    best = max(range(len(genomes)), key=lambda place: scores[place].sharpe)
    assert scores[best].sharpe > 0.6  # it looks good, and is luck
    verdict = court.judge(genomes[best])
    assert not verdict.approved
    assert not gates_of(verdict)["statistics"].passed
    assert gates_of(verdict)["sealed"].reason.startswith("not opened: ")


@pytest.mark.parametrize(
    ("bars", "genes"),
    [
        pytest.param(
            make_bars(("AAA",), 1000),
            {**REVERSAL, "entry": "close > highest(high, 20)"},
            id="never trades",
        ),
        pytest.param(
            Bars(
                "sample",
                ("FLAT",),
                make_bars(sessions=1000).times,
                np.full((1, 1000), 100.0),
                np.full((1, 1000), 100.0),
                np.full((1, 1000), 100.0),
                np.full((1, 1000), 100.0),
                np.full((1, 1000), 1e6),
            ),
            HOLD,
            id="constant prices",
        ),
    ],
)
def test_nothing_gets_a_number_that_looks_fine(
    tmp_path: Path, bars: Bars, genes: dict[str, object]
) -> None:
    verdict = Court.over(bars, tmp_path).judge(genome_from_genes(genes))
    assert not verdict.approved
    failed = {gate.name for gate in verdict.gates if not gate.passed}
    assert {"walk_forward", "regimes", "statistics", "sealed"} <= failed
    assert "NaN" not in json.dumps(verdict.to_json(), allow_nan=False)


def test_too_few_bars_get_no_verdict(tmp_path: Path) -> None:
    stocks = load_folder([NSE_STOCKS], market="nse").bars
    court = Court.over(stocks.select(stocks.symbols[:2]), tmp_path)
    with pytest.raises(VerdictRefused, match="618 bars, a verdict needs at least 1,000"):
        court.judge(genome_from_genes(REVERSAL))


@pytest.mark.parametrize(
    ("first", "later", "complaint"),
    [
        pytest.param(
            make_bars(("AAA",), 1500),
            make_bars(("AAA",), 1500).between(0, 900),
            "give the whole history",
            id="a cut history",
        ),
        pytest.param(
            make_bars(("AAA", "BBB"), 2000),
            make_bars(("AAA", "BBB", "CCC"), 2000).between(0, 1650),
            "only 50 sealed bars",
            id="almost everything was searched",
        ),
    ],
)
def test_no_verdict_without_enough_unseen_bars_beside_the_searched(
    tmp_path: Path, first: Bars, later: Bars, complaint: str
) -> None:
    court = Court.over(first, tmp_path)
    court.admitted = court.vault.admit(later, now=NOW)
    with pytest.raises(VerdictRefused, match=complaint):
        court.judge(genome_from_genes(REVERSAL))


def test_every_opening_raises_the_threshold() -> None:
    """Each halves, thirds, … the error rate that the first one alone may use up."""
    tail, rate = recorded().tail, recorded().rate
    needed = [threshold_after(openings) for openings in (0, 1, 9)]
    assert needed == sorted(set(needed))
    expected = [tail.threshold(rate / chances) for chances in (1, 2, 10)]
    assert needed == pytest.approx(expected, abs=1e-4)


def test_plain_figures_hold_no_numpy_and_nothing_infinite() -> None:
    figures = {"a": np.float64(1.5), "b": [np.nan, np.int64(2)], "c": {"d": float("inf")}}
    assert plain(figures) == {"a": 1.5, "b": [None, 2], "c": {"d": None}}


def valid(court: Court, genome: str, scope: Scope, day: date, code: str, data: str) -> str | None:
    found = Approvals(court.vault).valid(genome, scope, day, code_version=code, data_version=data)
    return None if found is None else found.label


def test_an_approval_needs_a_verdict_and_ends(planted: Court, approved: Verdict) -> None:
    approvals = Approvals(planted.vault)
    granted = approvals.grant(approved, GENOME, code_version="c1", now=NOW, who="anna")
    assert approvals.grant(approved, GENOME, code_version="c1", now=NOW, who="anna") == granted
    assert len(planted.vault.records.find("approval", genome=approved.genome)) == 1
    assert granted.verdict == approved.digest
    assert granted.regimes == tuple(gates_of(approved)["regimes"].figures["approved"])
    day, data = NOW.date(), approved.data_version
    label = "approved for paper trading at the capital tier ultra-conservative"
    assert granted.tier == approved.tier == "ultra-conservative"
    for scope, when, code, version, expected in (
        (Scope.PAPER, day, "c1", data, label),
        (Scope.REPLAY, day, "c1", data, label),
        (Scope.PAPER, date(2027, 2, 20), "c1", data, label),
        (Scope.PAPER, date(2027, 2, 21), "c1", data, None),
        (Scope.PAPER, date(2026, 11, 21), "c1", data, None),
        (Scope.PAPER, day, "c2", data, None),
        (Scope.PAPER, day, "c1", "other", None),
    ):
        assert valid(planted, approved.genome, scope, when, code, version) == expected
    approvals.revoke(approved.genome, why="data changed", who="check", now=NOW)
    assert valid(planted, approved.genome, Scope.PAPER, day, "c1", data) is None
    assert approvals.genome(approved.genome) == GENOME, "its rules close what it holds"
    planted.vault.verify()


DOT_COM = CrashWindow("us", "2000-2002 dot-com", date(2000, 3, 24), date(2002, 10, 9))
UNSEEN = CrashWindow("us", "autumn of the sealed bars", date(2006, 9, 18), date(2007, 3, 1))
BEFORE = CrashWindow("us", "1987 Black Monday", date(1987, 8, 25), date(1987, 12, 4))


@pytest.mark.parametrize(
    ("windows", "tier", "told"),
    [
        pytest.param(
            (DOT_COM, UNSEEN),
            *("moderate", "up to moderate (₹25,000)"),
            id="the opening tests what the search did not",
        ),
        pytest.param(
            (DOT_COM, UNSEEN, BEFORE),
            *("ultra-conservative", "nobody knows what it would have lost in 1987 Black"),
            id="no bars of 1987",
        ),
    ],
)
def test_the_capital_tier_is_a_gate_of_its_own(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    windows: tuple[CrashWindow, ...],
    tier: str,
    told: str,
) -> None:
    monkeypatch.setattr(crashes, "_windows", lambda: windows)
    court = Court.over(plant_edge(2500), tmp_path)
    verdict = court.judge(GENOME)
    assert verdict.approved, verdict.first_failure
    assert "autumn of the sealed bars" in gates_of(verdict)["stress"].figures["untested"]
    assert verdict.tier == verdict.to_json()["tier"] == tier
    (note,) = [note for note in verdict.notes if note.startswith("Capital: ")]
    assert told in note
    granted = Approvals(court.vault).grant(verdict, GENOME, code_version="c1", now=NOW, who="anna")
    assert granted.tier == tier
    assert granted.label == f"approved for paper trading at the capital tier {tier}"


def test_a_verdict_that_was_never_given_grants_nothing(planted: Court, approved: Verdict) -> None:
    better = dataclasses.replace(approved, gates=approved.gates[1:])
    with pytest.raises(UsageError, match="was ever given"):
        Approvals(planted.vault).grant(better, GENOME, code_version="c1", now=NOW, who="anna")


def test_a_verdict_approves_no_other_genome(planted: Court, approved: Verdict) -> None:
    with pytest.raises(UsageError, match=f"this verdict is on {approved.genome[:12]}, not"):
        Approvals(planted.vault).grant(
            approved, reference_strategy(), code_version="c1", now=NOW, who="anna"
        )


def test_a_refused_genome_gets_no_approval_but_may_get_a_replay_permit(tmp_path: Path) -> None:
    court = Court.over(make_bars(("AAA",), 1000), tmp_path)
    genome = reference_strategy()
    refused = Verdict(False, genome.hash, family(genome), (Gate("stress", False, "dies"),), (), "d")
    approvals = Approvals(court.vault)
    with pytest.raises(UsageError, match="not approved, stress: dies"):
        approvals.grant(refused, genome, code_version="c", now=NOW, who="anna")
    approvals.replay_permit(
        genome, code_version="c", data_version="d", now=NOW, who="demo", label=LABEL
    )
    assert valid(court, genome.hash, Scope.PAPER, NOW.date(), "c", "d") is None
    assert valid(court, genome.hash, Scope.REPLAY, NOW.date(), "c", "d") == LABEL
    assert court.admitted.seal is not None
    history = court.vault.history_for_signals(
        court.admitted.seal,
        family=family(genome),
        genome_hash=genome.hash,
        who="demo",
        when=NOW,
        why="warm-up",
    )
    assert history.shape == (1, 200)
    with pytest.raises(SealedDataError, match="already seen by demo"):
        court.vault.open(
            court.admitted.seal,
            family=family(genome),
            genome_hash=genome.hash,
            who="anna",
            when=NOW,
            why="judge",
        )
