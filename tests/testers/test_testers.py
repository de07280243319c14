"""The five testers: what passes, what fails and why, and that each of them sees every gene."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from kasauti.backtest import Backtester
from kasauti.genome import Genome, check_genome, genome_from_genes
from kasauti.genome.breeding import Vocabulary, random_population
from kasauti.genome.model import Distance, DistanceKind, Number, Side
from kasauti.genome.tree import prefix
from kasauti.market.bars import Bars
from kasauti.market.markets import SAMPLE
from kasauti.regimes.model import REGIMES, Regime
from kasauti.testers import execution
from kasauti.testers.board import TESTERS, opinions_on
from kasauti.testers.exam import Exam
from kasauti.testers.model import Bound, Check, Evidence, GeneUse, Opinion, Ruling, check, opinion
from kasauti.validation.gates import testers
from kasauti.validation.gates.model import Case, Gate
from kasauti.validation.tuning import dials, turned
from tests.backtest.damage import damaged
from tests.testers.worlds import BUSY, EVENT, SHORTABLE, case_of, event_world
from tests.validation.synthetic import make_bars

NAMES = ["performance", "robustness", "risk", "execution", "sceptic"]
CALM_STRESS = {"stress": Gate("stress", True, "", {"losses": [{"loss": -0.08}]})}


def heard(case: Case, found: dict[str, Gate] | None = None) -> dict[str, Opinion]:
    return {one.tester: one for one in opinions_on(case, found or {})}


def constant_bars(sessions: int = 1200) -> Bars:
    moving = make_bars(sessions=sessions)
    flat = np.full_like(moving.close, 100.0)
    return replace(moving, open=flat, high=flat, low=flat, close=flat)


# --- what passes and what does not


@pytest.mark.parametrize("seed", range(4))
def test_a_planted_edge_passes_all_five(seed: int) -> None:
    # 0.18 % a day for ten days after the news gives a net Sharpe near 1.5 on average over seeds
    case = case_of(event_world(seed, drift=0.0018), EVENT, trials=20_000)
    assert 1.0 < case.score.sharpe < 2.1
    found = heard(case, CALM_STRESS)
    assert list(found) == NAMES
    assert {name: one.ruling for name, one in found.items()} == dict.fromkeys(NAMES, Ruling.PASS), [
        one.reasons for one in found.values()
    ]
    gate = testers.examine(case, CALM_STRESS)
    assert gate.passed
    assert "none of the five testers refuses it" in gate.reason


def test_the_same_rule_without_its_edge_is_refused_by_the_sceptic() -> None:
    refused = 0
    for seed in range(12):
        case = case_of(event_world(seed, drift=0.0), EVENT)
        refused += heard(case)["sceptic"].ruling is Ruling.FAIL
    assert refused >= 11


def test_rules_that_hold_a_rising_market_are_no_edge() -> None:
    noise = event_world(3, drift=0.0)
    rise = np.exp(0.0008 * np.arange(noise.shape[1]))
    rising = replace(
        noise, **{name: getattr(noise, name) * rise for name in ("open", "high", "low", "close")}
    )
    holds = {
        **EVENT,
        "entry": "close > 0.5 * sma(close, 50)",
        "exit": "close < 0.5 * sma(close, 50)",
        "stop": {"fraction": 0.5},
        "max_bars": 60,
        "risk": 0.5,
    }
    sceptic = heard(case_of(rising, holds))["sceptic"]
    assert sceptic.ruling is Ruling.FAIL
    assert any("and holding was as good" in reason for reason in sceptic.reasons)
    assert any("twins that trade as often at random times" in reason for reason in sceptic.reasons)


BAD = {
    "never trades": (make_bars(sessions=1200), {"entry": "close < 0"}, "it never traded"),
    "constant prices": (constant_bars(), {"entry": "close > 0"}, "the prices never move"),
    "buys once and holds": (
        make_bars(sessions=1200),
        {
            "entry": "close > 0",
            "exit": "close < 0",
            "stop": {"fraction": 0.99},
            "max_bars": None,
        },
        "it never closed a trade",
    ),
}


@pytest.mark.parametrize(("bars", "genes", "why"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_measured_fails_everywhere(
    bars: Bars, genes: dict[str, Any], why: str
) -> None:
    merged = {**EVENT, **genes}
    case = case_of(bars, {name: value for name, value in merged.items() if value is not None})
    found = heard(case)
    for one in found.values():
        assert one.ruling is Ruling.FAIL
        assert one.score == 0.0
        assert why in one.reasons[0]
    gate = testers.examine(case, {})
    assert not gate.passed
    assert why in gate.reason


def test_a_return_that_is_no_number_fails_everywhere() -> None:
    case = case_of(event_world(1), EVENT)
    returns = case.returns.copy()
    returns[77] = np.nan
    case.__dict__["returns"] = returns  # the engine makes none: whatever else did
    for one in heard(case).values():
        assert one.ruling is Ruling.FAIL
        assert f"{case.bars.times[77]} is nan" in one.reasons[0]


def test_trading_every_bar_fails_the_execution_tester() -> None:
    always = {
        **EVENT,
        "entry": "close > 0",
        "exit": "close < 0",
        "max_bars": 1,
        "stop": {"fraction": 0.2},
    }
    execution = heard(case_of(event_world(1), always))["execution"]
    assert execution.ruling is Ruling.FAIL
    assert any("it trades nearly every bar" in reason for reason in execution.reasons)


def test_few_trades_fail_the_sceptic() -> None:
    bars = event_world(2, drift=0.003, sessions=800)
    case = case_of(bars, {**EVENT, "entry": "volume > 3.9 * sma(volume, 50)"})
    assert 0 < case.score.trades < 30
    sceptic = heard(case)["sceptic"]
    assert sceptic.ruling is Ruling.FAIL
    assert any("under 30 prove nothing" in reason for reason in sceptic.reasons)


def test_shorts_that_the_market_forbids_fail_the_execution_tester(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exam = Exam(case_of(event_world(1), {**EVENT, "side": "short"}), {})
    evidence = execution.measure(exam)
    assert evidence.overnight_shorts == len(exam.trades) > 0

    def asked() -> Check:
        found = {one.name: one for one in execution.questions(exam, evidence)}
        return found["overnight shorts"]

    assert asked().ruling is Ruling.PASS
    monkeypatch.setattr(exam.case.backtester, "market", SAMPLE)  # its engine refuses such a genome
    assert asked().ruling is Ruling.FAIL
    assert "held overnight, which this market forbids" in asked().words


def test_what_the_stress_gate_found_decides_for_the_risk_tester() -> None:
    case = case_of(event_world(1), EVENT)
    killed = {"stress": Gate("stress", False, "", {"losses": [{"loss": -0.31}, {"loss": -0.1}]})}
    assert heard(case, CALM_STRESS)["risk"].ruling is Ruling.PASS
    risk = heard(case, killed)["risk"]
    assert risk.ruling is Ruling.FAIL
    assert any("-31.0%" in reason for reason in risk.reasons)
    for found, ruling, words in (
        ({}, Ruling.DOUBT, "was not asked"),
        ({"stress": Gate("stress", False, "no crash covered", {})}, Ruling.FAIL, "refuses it"),
        ({"stress": Gate("stress", True, "", {"rare": {"loss": -0.5}})}, Ruling.DOUBT, "-50.0%"),
    ):
        stress = next(one for one in heard(case, found)["risk"].checks if one.name == "stress")
        assert stress.ruling is ruling
        assert words in stress.words


def test_the_gate_is_plain_data_and_the_same_every_time() -> None:
    bars = event_world(5)
    once, again = (testers.examine(case_of(bars, EVENT), {}).to_json() for _ in range(2))
    assert once == again
    assert list(once["figures"]) == NAMES
    text = json.dumps(once, allow_nan=False)
    for name in NAMES:
        opinion_of = once["figures"][name]
        assert 0.0 <= opinion_of["score"] <= 100.0
        assert opinion_of["verdict"] in ("pass", "fail", "doubt")
        assert opinion_of["reasons"]
    assert json.loads(text)["figures"]["risk"]["evidence"]["drawdown"] < 0.0


def test_any_genome_on_dirty_bars_gets_finite_figures() -> None:
    tester = Backtester(damaged(make_bars(("A", "B"), 700), seed=3), market=SHORTABLE)
    genomes = random_population(np.random.default_rng(7), 10, Vocabulary(sides=tuple(Side)))
    for genome in genomes:
        for one in opinions_on(Case(genome, tester, 10, 0, seed=1), {}):
            points = [found.points for found in one.checks]
            assert np.isfinite([*points, *_numbers(asdict(one.evidence))]).all(), one.tester


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            yield from _numbers(one)
    elif isinstance(value, float | int):
        yield float(value)


# --- scores and rulings


@pytest.mark.parametrize(
    ("value", "bound", "points", "ruling"),
    [
        pytest.param(0.0, Bound(0.0, 1.0), 0.0, Ruling.FAIL, id="bad blocks"),
        pytest.param(-3.0, Bound(0.0, 1.0), 0.0, Ruling.FAIL, id="worse than bad"),
        pytest.param(-3.0, Bound(0.0, 1.0, blocks=False), 0.0, Ruling.DOUBT, id="does not block"),
        pytest.param(0.25, Bound(0.0, 1.0), 0.25, Ruling.DOUBT, id="between"),
        pytest.param(1.0, Bound(0.0, 1.0), 1.0, Ruling.PASS, id="fine"),
        pytest.param(0.3, Bound(0.75, 0.3), 1.0, Ruling.PASS, id="less is better"),
        pytest.param(0.9, Bound(0.75, 0.3), 0.0, Ruling.FAIL, id="less is better, too much"),
        pytest.param(None, Bound(0.0, 1.0), 0.5, Ruling.DOUBT, id="unknown"),
    ],
)
def test_a_check_against_its_bound(
    value: float | None, bound: Bound, points: float, ruling: Ruling
) -> None:
    found = check("name", value, bound, "words")
    assert found.points == pytest.approx(points)
    assert found.ruling is ruling


@pytest.mark.parametrize(
    ("points", "score", "ruling"),
    [
        pytest.param([1.0, 0.8], 90.0, Ruling.PASS, id="good"),
        pytest.param([0.4, 0.5], 45.0, Ruling.DOUBT, id="half-hearted"),
        pytest.param([1.0, 1.0, 0.0], 39.0, Ruling.FAIL, id="one failure caps the score"),
    ],
)
def test_an_opinion_from_its_checks(points: list[float], score: float, ruling: Ruling) -> None:
    checks = [check(str(n), value, Bound(0.0, 1.0), f"check {n}") for n, value in enumerate(points)]
    found = opinion("any", checks, Evidence(()))
    assert found.score == pytest.approx(score)
    assert found.ruling is ruling


def test_what_speaks_against_it_is_said_first() -> None:
    checks = [
        Check("a", 1.0, Ruling.PASS, "fine"),
        Check("b", 0.6, Ruling.DOUBT, "a little"),
        Check("c", 0.1, Ruling.DOUBT, "much"),
        Check("d", 0.0, Ruling.FAIL, "no"),
    ]
    idle = Evidence((GeneUse("target", "{}", 0, 0.0), GeneUse("stop", "{}", 4, 0.0)))
    assert opinion("any", checks, idle).reasons == (
        "no",
        "much",
        "a little",
        "these genes never acted on these bars: target",
    )


# --- every tester sees every gene

SPARSE: dict[str, Any] = {
    "entry": "crosses_above(ema(close, 5), ema(close, 20)) or rsi(close, 14) < 35",
    "exit": "close < sma(close, 50) - 2 * atr(14)",
    "side": "short",
    "stop": {"fraction": 0.04},
    "max_bars": 15,
    "regimes": ["bull", "bear", "sideways", "volatile"],
    "risk": 0.005,
}


def changed(genome: Genome) -> Iterator[tuple[str, Genome]]:
    """Yield the genome with one active gene changed, every one in turn."""
    for dial in dials(genome):
        at = dial.values.index(dial.current)
        for place in (at - 1, at + 1):
            if 0 <= place < len(dial.values):
                child = turned(genome, {dial.name: dial.values[place]})
                if child is not None:
                    yield f"{dial.name} to {dial.values[place]:g}", child
    for rule in ("entry", "exit"):
        numbers = [node for node in prefix(getattr(genome, rule)) if isinstance(node, Number)]
        for place, number in enumerate(numbers):
            child = turned(genome, {f"{rule}.{place}": number.value + 1.0})
            if child is not None:
                yield f"{rule}.{place} plus 1", child
    other = genome_from_genes(EVENT)
    yield "another entry", replace(genome, entry=other.entry)
    yield "another exit", replace(genome, exit=other.exit)
    yield "side", replace(genome, side=Side.SHORT if genome.side is Side.LONG else Side.LONG)
    yield "stop of another kind", replace(genome, stop=Distance(DistanceKind.FRACTION, 0.021))
    near = Distance(DistanceKind.ATR, 1.5)
    yield "target", replace(genome, target=None if genome.target else near)
    yield "trail", replace(genome, trail=None if genome.trail else near)
    yield "max_bars", replace(genome, max_bars=None if genome.max_bars else 5)
    for regime in REGIMES:
        regimes = genome.regimes ^ {regime}
        if regimes:
            yield f"regimes {'-+'[regime in regimes]}{regime}", replace(genome, regimes=regimes)
    for factor in (0.5, 2.0):
        yield f"risk times {factor}", replace(genome, risk=genome.risk * factor)


@pytest.mark.parametrize("genes", [BUSY, SPARSE], ids=["every gene", "few genes, short"])
def test_changing_any_active_gene_changes_every_testers_evidence(genes: dict[str, Any]) -> None:
    bars = event_world(11, drift=0.001, sessions=1200, symbols=2)
    case = case_of(bars, genes)
    tester = case.backtester
    before = heard(case, CALM_STRESS)
    own = _records(tester, case.genome)
    unseen, unmeasured, behaved, count = [], [], 0, 0
    for what, genome in changed(case.genome):
        count += 1
        after = heard(replace(case, genome=check_genome(genome)), CALM_STRESS)
        trades_differ = _records(tester, genome) != own
        behaved += trades_differ
        for name in NAMES:
            if after[name].evidence.digest == before[name].evidence.digest:
                unseen.append((name, what))
            figures = (before[name].evidence.figures, after[name].evidence.figures)
            if trades_differ and figures[0] == figures[1]:
                unmeasured.append((name, what))
    assert unseen == []
    # what changed the trades changed what was measured, not only the list of genes
    assert unmeasured == []
    assert behaved >= 0.8 * count >= 15


def _records(tester: Backtester, genome: Genome) -> list[bytes]:
    return [one.tobytes() for one in tester.passes(genome).trades]


def test_a_gene_that_never_acts_is_named() -> None:
    far = {**EVENT, "target": {"fraction": 0.9}, "regimes": ["bull", "bear"]}
    case = case_of(event_world(4), far)
    trades = case.result.trades
    for one in heard(case).values():
        uses = {use.gene: use for use in one.evidence.genes}
        assert list(uses) == [
            *("entry", "exit", "side", "stop", "target", "max_bars", "regimes", "risk")
        ]
        assert uses["target"].acted == 0
        assert uses["stop"].acted == sum(trade.reason == "stop" for trade in trades)
        assert uses["exit"].acted == sum(trade.reason == "exit" for trade in trades)
        assert uses["max_bars"].acted == sum(trade.reason == "max_bars" for trade in trades)
        assert uses["entry"].acted == len(trades) + len(case.result.open)
        idle = [use.gene for use in one.evidence.genes if not use.acted]
        assert "target" in idle
        assert one.reasons[-1] == f"these genes never acted on these bars: {', '.join(idle)}"


def test_entries_kept_out_by_the_regimes_are_counted() -> None:
    bars = event_world(4)
    free, bound = case_of(bars, EVENT), case_of(bars, {**EVENT, "regimes": ["bull"]})
    bull = REGIMES.index(Regime.BULL)
    open_bars = free.backtester.rules(free.genome)[0]
    kept_out = int((open_bars & (free.backtester.labels.codes != bull)).sum())
    assert kept_out > 0
    for one in heard(bound).values():
        assert {use.gene: use.acted for use in one.evidence.genes}["regimes"] == kept_out


def test_the_testers_are_five() -> None:
    assert len(TESTERS) == len(NAMES)
