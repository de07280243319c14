import dataclasses
from collections.abc import Mapping

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.backtest import NO_SLIPPAGE, Account, Backtester
from kasauti.errors import VerdictRefused
from kasauti.genome import Genome, genome_from_genes
from kasauti.market.bars import Bars
from kasauti.market.charges import NO_CHARGES
from kasauti.validation import walk_forward as module
from kasauti.validation.gates import walk_forward as gate
from kasauti.validation.gates.model import Case
from kasauti.validation.proposals import Proposals
from kasauti.validation.retuning import FEWEST_TRADES, REACH, TRIALS, Settings, retune
from kasauti.validation.stability import Stability, beside, share_kept, spreads
from kasauti.validation.tuning import Dial, dials, turned
from kasauti.validation.walk_forward import WalkForward, holding_horizon, walk_forward
from kasauti.validation.windows import Scheme, windows_of
from tests.validation.synthetic import make_bars, plant_edge

GENES = {
    "entry": "crosses_above(ema(close, 12), ema(close, 26)) and rsi(close, 14) < 70"
    " and adx(14) > 20",
    "exit": "close < 0.98 * sma(close, 50) or macd_hist(close, 12, 26, 9) < 0",
    "side": "long",
    "stop": {"atr": 2.5},
    "target": {"fraction": 0.12},
    "max_bars": 40,
    "regimes": ["bull", "bear", "sideways", "volatile"],
    "risk": 0.01,
}
FREE = Account(charges=NO_CHARGES, slippage=NO_SLIPPAGE)


@pytest.fixture
def genome() -> Genome:
    return genome_from_genes(GENES)


REVERSAL = {
    **GENES,
    "entry": "roc(close, 1) < -0.5",
    "exit": "roc(close, 1) > 0",
    "max_bars": 5,
}


@pytest.fixture(scope="module")
def edge() -> Backtester:
    return Backtester(plant_edge(1200), account=FREE)


@pytest.fixture(scope="module")
def walked(edge: Backtester) -> WalkForward:
    return walk_forward(edge, genome_from_genes(REVERSAL), seed=1)


# -- windows -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "starts"),
    [
        pytest.param(Scheme.ANCHORED, [0] * 8, id="anchored"),
        pytest.param(Scheme.ROLLING, [0, 75, 150, 225, 300, 375, 450, 525], id="rolling"),
    ],
)
def test_windows_of_1000_bars_with_ten_held_have_ten_purged_and_ten_embargoed(
    scheme: Scheme, starts: list[int]
) -> None:
    stretches = [(380, 400, 475), (455, 475, 550), (530, 550, 625), (605, 625, 700)]
    stretches += [(680, 700, 775), (755, 775, 850), (830, 850, 925), (905, 925, 1000)]
    found = [dataclasses.astuple(window) for window in windows_of(1000, 10, scheme)]
    assert found == [(start, *stretch) for start, stretch in zip(starts, stretches, strict=True)]


@settings(deadline=None, max_examples=60, derandomize=True)
@given(scheme=st.sampled_from(Scheme), bars=st.integers(500, 6000), held=st.floats(0.001, 0.1))
def test_no_training_bar_is_within_horizon_and_embargo_of_its_traded_stretch(
    scheme: Scheme, bars: int, held: float
) -> None:
    horizon = max(1, int(bars * held))
    windows = windows_of(bars, horizon, scheme)
    for window in windows:
        assert window.test_start - window.train_stop >= horizon + bars / 100
        assert 0 <= window.train_start < window.train_stop
        assert window.test_start < window.test_stop
    starts = [window.test_start for window in windows]
    assert [window.test_stop for window in windows] == [*starts[1:], bars]  # without a hole
    assert starts[0] == int(0.4 * bars)
    lengths = [window.train_stop - window.train_start for window in windows]
    if scheme is Scheme.ROLLING:
        assert set(lengths) == {lengths[0]}
        assert windows[0].train_start == 0
    else:
        assert {window.train_start for window in windows} == {0}


def test_dates_of_the_windows() -> None:
    sessions = make_bars(("AAA",), 1000).sessions
    dates = [
        (
            str(sessions[w.train_stop - 1]),
            str(sessions[w.test_start]),
            str(sessions[w.test_stop - 1]),
        )
        for w in windows_of(1000, 10)
    ]
    assert dates[0] == ("2011-06-17", "2011-07-18", "2011-10-28")
    assert dates[-1] == ("2013-06-21", "2013-07-22", "2013-11-01")


@pytest.mark.parametrize("scheme", Scheme)
def test_too_little_to_train_on_is_refused(scheme: Scheme) -> None:
    with pytest.raises(VerdictRefused, match="to train on"):
        windows_of(100, 30, scheme)


# -- dials ---------------------------------------------------------------------------------------


def test_dials_are_every_number_but_risk(genome: Genome) -> None:
    found = {dial.name: dial.current for dial in dials(genome)}
    assert sorted(found.values()) == sorted(
        [12, 26, 70, 14, 20, 14, 0.98, 50, 12, 26, 9, 0.12, 2.5, 40]
    )
    assert not any("risk" in name for name in found)


def test_turning_no_dial_changes_nothing(genome: Genome) -> None:
    assert turned(genome, {dial.name: dial.current for dial in dials(genome)}) == genome


def test_each_dial_turns_one_number(genome: Genome) -> None:
    for dial in dials(genome):
        other = next(value for value in dial.values if value != dial.current)
        child = turned(genome, {dial.name: other})
        if child is None:  # macd's fast window beyond its slow one
            continue
        changed = {
            later.name
            for own, later in zip(dials(genome), dials(child), strict=True)
            if own.current != later.current
        }
        assert changed == {dial.name}
        assert child.risk == genome.risk


def test_windows_that_cross_are_no_genome(genome: Genome) -> None:
    fast = next(d for d in dials(genome) if d.name.startswith("exit") and d.current == 12)
    assert turned(genome, {fast.name: 100.0}) is None


def test_a_number_off_the_lattice_is_kept_among_the_values() -> None:
    genome = genome_from_genes({**GENES, "stop": {"fraction": 0.037}})
    stop = next(dial for dial in dials(genome) if dial.name == "stop")
    assert 0.037 in stop.values
    assert list(stop.values) == sorted(stop.values)


def test_a_dial_is_turned_within_reach() -> None:
    dial = Dial("entry.0", tuple(float(value) for value in range(20)), 2.0)
    assert dial.within(4).values == (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    assert dial.within(4).current == 2.0


# -- Optuna --------------------------------------------------------------------------------------

THREE = tuple(
    Dial(name, tuple(float(v) for v in range(size)), 0.0)
    for name, size in (("a", 2), ("b", 9), ("c", 20))
)


def _worth(places: tuple[int, ...]) -> float:
    return -float(sum((place - 1) ** 2 for place in places))


@pytest.mark.parametrize("adaptive", [False, True])
def test_proposals_follow_from_seed_and_what_was_told(adaptive: bool) -> None:
    def asked(seed: int) -> list[tuple[int, ...]]:
        proposals = Proposals(THREE, seed, adaptive=adaptive)
        proposals.tell([((0, k, 2 * k), _worth((0, k, 2 * k))) for k in range(9)])
        return proposals.ask(12)

    first = asked(1)
    assert first == asked(1)
    assert first != asked(2)
    sizes = [len(dial.values) for dial in THREE]
    assert all(0 <= place < size for one in first for place, size in zip(one, sizes, strict=True))


def test_what_was_told_draws_the_proposals() -> None:
    rng = np.random.default_rng(0)
    told = [tuple(int(rng.integers(len(d.values))) for d in THREE) for _ in range(20)]

    def mean_worth(adaptive: bool) -> float:
        asked = []
        for seed in range(5):
            proposals = Proposals(THREE, seed, adaptive=adaptive)
            proposals.tell((places, _worth(places)) for places in told)
            asked += proposals.ask(10)
        return float(np.mean([_worth(places) for places in asked]))

    assert mean_worth(adaptive=True) > mean_worth(adaptive=False) / 2


def test_optuna_is_quiet_and_as_loud_as_before(
    capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    level = optuna.logging.get_verbosity()
    Proposals(THREE, 0).ask(2)
    assert optuna.logging.get_verbosity() == level
    assert capsys.readouterr().err == ""
    assert not recwarn.list


# -- re-tuning -----------------------------------------------------------------------------------


def test_the_best_of_the_tried_is_chosen_on_each_stretch(edge: Backtester) -> None:
    genome = genome_from_genes(REVERSAL)
    stretches = [(0, 400), (0, 700), (300, 700)]
    found = retune(edge, Settings(genome, dials(genome)), stretches, seed=3)
    assert found.tried[0] == found.drawn[0] == genome
    assert len({one.hash for one in found.tried}) == len(found.tried)
    # 20 for all, and 5 for each of the two ends
    assert 15 < len(found.tried) <= TRIALS - 5 + 2 * 5
    for start, stop in stretches:
        choice = found.choices[start, stop]
        score = edge.score(choice.genome, start, stop)
        assert choice.sharpe == score.sharpe
        drawn = [edge.score(one, start, stop) for one in found.drawn]
        least = max(FEWEST_TRADES, drawn[0].trades / 2)
        assert score.trades >= least
        assert choice.sharpe >= max(s.sharpe for s in drawn if s.trades >= least)
        assert choice.genome in found.tried
        for dial, place in zip(Settings(genome, dials(genome)).dials, choice.places, strict=True):
            assert abs(place - dial.values.index(dial.current)) <= REACH


def test_optuna_hears_of_nothing_after_the_stretch(edge: Backtester) -> None:
    genome = genome_from_genes(REVERSAL)
    settings_ = Settings(genome, dials(genome))
    alone = retune(edge, settings_, [(0, 400)], seed=3)
    beside_later = retune(edge, settings_, [(0, 400), (0, 1100), (200, 400)], seed=3)
    assert alone.choices[0, 400] == beside_later.choices[0, 400]


def test_where_nothing_trades_enough_the_genome_stays_as_it_is(edge: Backtester) -> None:
    genome = genome_from_genes({**REVERSAL, "entry": "rsi(close, 14) < 5"})
    found = retune(edge, Settings(genome, dials(genome)), [(0, 60)], trials=10)
    assert found.choices[0, 60].genome == genome
    assert found.choices[0, 60].sharpe == edge.score(genome, 0, 60).sharpe


def test_no_more_trials_a_window_than_the_certificate_allows() -> None:
    assert TRIALS <= 30


# -- stability -----------------------------------------------------------------------------------


def test_spread_is_the_part_of_a_dial_that_the_choices_cover() -> None:
    found = spreads(THREE, [(0, 2, 5), (0, 6, 5), (1, 4, 5)])
    assert [one.spread for one in found] == [1.0, 0.5, 0.0]
    assert found[1].values == (2.0, 6.0, 4.0)
    assert found[1].own == 0.0


def test_neighbours_are_one_step_of_one_dial_away() -> None:
    assert beside(THREE, (0, 8, 3)) == [(1, 8, 3), (0, 7, 3), (0, 8, 2), (0, 8, 4)]


@pytest.mark.parametrize(
    ("sharpe", "others", "share"),
    [
        pytest.param(1.0, [0.9, 0.5, 0.6, 1.1], 1.0, id="plateau"),
        pytest.param(1.0, [0.1, -0.5, 0.49, 0.5], 0.25, id="peak"),
        pytest.param(0.0, [1.0], None, id="nothing earned"),
        pytest.param(1.0, [], 0.0, id="no neighbour"),
    ],
)
def test_what_the_neighbours_keep(sharpe: float, others: list[float], share: float | None) -> None:
    assert share_kept(sharpe, others) == share


def test_windows_on_a_plateau_are_counted() -> None:
    assert Stability((), (1.0, 0.75, 0.5, None)).on_plateau == 2


# -- the whole walk ------------------------------------------------------------------------------


def test_an_edge_holds_in_both_schemes(walked: WalkForward) -> None:
    assert walked.holds
    assert walked.rolling.holds
    for walk in (walked.anchored, walked.rolling):
        assert len(walk.pieces) == 8
        assert len(walk.returns) == 1200 - 480
        assert walk.efficiency == walk.joined_sharpe / walk.trained_sharpe
        assert all(piece.chosen in walked.tried for piece in walk.pieces)
    assert walked.anchored.pieces[0].chosen == walked.rolling.pieces[0].chosen
    assert [one.name for one in walked.stability.dials] == [
        dial.name for dial in dials(genome_from_genes(REVERSAL))
    ]
    assert len(walked.stability.kept) == 8
    assert walked.stability.on_plateau >= 4  # a reversal works at most thresholds
    assert len(walked.crossed.paths) == 7
    assert min(walked.crossed.paths) > 1.0


def test_the_same_seed_gives_the_same_walk(edge: Backtester, walked: WalkForward) -> None:
    genome = genome_from_genes(REVERSAL)
    fresh = Backtester(edge.bars, account=FREE)
    again = walk_forward(fresh, genome, seed=1)
    assert again.tried == walked.tried
    for one, other in ((again.anchored, walked.anchored), (again.rolling, walked.rolling)):
        assert np.array_equal(one.returns, other.returns)
        assert [p.chosen for p in one.pieces] == [p.chosen for p in other.pieces]
    assert again.crossed.paths == walked.crossed.paths
    assert walk_forward(edge, genome, seed=2).tried != walked.tried


def test_the_pieces_are_what_the_choices_earned(edge: Backtester, walked: WalkForward) -> None:
    for walk in (walked.anchored, walked.rolling):
        parts = [edge.returns(p.chosen, *p.window.test) for p in walk.pieces]
        assert np.array_equal(np.concatenate(parts), walk.returns)
        assert [edge.score(p.chosen, *p.window.test).sharpe for p in walk.pieces] == pytest.approx(
            [p.traded_sharpe for p in walk.pieces]
        )


def test_training_never_sees_the_traded_bars(edge: Backtester, walked: WalkForward) -> None:
    bars = edge.bars
    stop = walked.anchored.pieces[3].window.train_stop
    mirrored = np.r_[np.arange(stop), np.arange(bars.shape[1] - stop)[::-1] + stop]
    inverted = Bars(
        bars.market,
        bars.symbols,
        bars.times,
        bars.open[:, mirrored],
        bars.high[:, mirrored],
        bars.low[:, mirrored],
        bars.close[:, mirrored],
        bars.volume,
    )
    other = walk_forward(Backtester(inverted, account=FREE), genome_from_genes(REVERSAL), seed=1)
    assert other.anchored.pieces[7].trained_sharpe != walked.anchored.pieces[7].trained_sharpe
    for one, same in ((other.anchored, walked.anchored), (other.rolling, walked.rolling)):
        for piece, before in zip(one.pieces[:4], same.pieces[:4], strict=True):
            assert piece.chosen == before.chosen
            assert piece.trained_sharpe == before.trained_sharpe
        assert one.pieces[3].traded_sharpe != same.pieces[3].traded_sharpe


def test_the_horizon_is_the_longest_holding(edge: Backtester) -> None:
    genome = genome_from_genes({**GENES, "entry": REVERSAL["entry"], "exit": "roc(close, 1) > 9"})
    assert holding_horizon(edge, genome) == 40
    endless = dataclasses.replace(genome, max_bars=None)
    assert holding_horizon(edge, endless) <= 120


def test_what_tuning_adds_on_noise_is_not_found_again() -> None:
    genome = genome_from_genes(REVERSAL)
    walked = [
        walk_forward(Backtester(plant_edge(1000, 0.0, seed), account=FREE), genome).anchored
        for seed in range(4)
    ]
    lost = [walk.trained_sharpe - walk.joined_sharpe for walk in walked]
    assert np.mean(lost) > 0.3
    assert sum(walk.holds for walk in walked) <= 2


# -- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bars", "genes", "complaint"),
    [
        pytest.param(
            plant_edge(60), {"max_bars": None, "exit": "roc(close, 1) > 9"}, "train", id="few bars"
        ),
        pytest.param(
            plant_edge(600), {"entry": "close < 0 * close"}, "never closes a trade", id="no trade"
        ),
    ],
)
def test_what_cannot_be_walked_is_refused(
    bars: Bars, genes: Mapping[str, object], complaint: str
) -> None:
    with pytest.raises(VerdictRefused, match=complaint):
        walk_forward(Backtester(bars, account=FREE), genome_from_genes({**REVERSAL, **genes}))


def test_constant_prices_are_refused() -> None:
    flat = np.full((1, 1200), 100.0)
    times = plant_edge(1200).times
    bars = Bars("sample", ("FLAT",), times, flat, flat, flat, flat, flat)
    with pytest.raises(VerdictRefused, match="never closes a trade"):
        walk_forward(Backtester(bars, account=FREE), genome_from_genes(REVERSAL))


def test_nothing_to_tune_is_refused(edge: Backtester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "dials", lambda _: ())
    with pytest.raises(VerdictRefused, match="no number that could be set otherwise"):
        walk_forward(edge, genome_from_genes(REVERSAL))


def test_an_equity_that_is_no_number_is_refused(
    edge: Backtester, monkeypatch: pytest.MonkeyPatch
) -> None:
    genome = genome_from_genes(REVERSAL)
    passes = edge.passes(genome)
    passes.equity[0, 700] = np.nan
    monkeypatch.setattr(edge, "passes", lambda *_: passes)
    with pytest.raises(VerdictRefused, match="not a number on some bars"):
        walk_forward(edge, genome)


# -- the gate ------------------------------------------------------------------------------------


@pytest.fixture
def case(edge: Backtester) -> Case:
    return Case(genome_from_genes(REVERSAL), edge, 1, 0, seed=1)


def test_the_gate_shows_both_walks_and_what_was_found_beside_them(
    case: Case, walked: WalkForward
) -> None:
    found = gate.examine(case, walked)
    assert found.passed
    assert "would hold" not in found.reason
    figures = found.to_json()["figures"]
    for walk in (figures, figures["rolling"]):
        assert len(walk["windows"]) == 8
        assert walk["efficiency"] > 0.5
        assert len(walk["curve"]["dates"]) == len(walk["curve"]["equity"]) <= 200
        assert walk["curve"]["dates"][0] == walk["windows"][0]["from"]
        assert walk["curve"]["dates"][-1] == walk["windows"][-1]["until"]
    end = figures["curve"]["equity"][-1]
    assert end == pytest.approx(np.prod(1 + walked.anchored.returns), abs=1e-6)
    assert figures["tried"] == len(walked.tried)
    assert figures["stability"]["windows"] == 8
    assert figures["cross_validation"]["splits"] == 28


@pytest.mark.parametrize(
    ("anchored", "rolling", "passed", "said"),
    [
        pytest.param((1.0, 1.5), (1.0, 1.5), True, "against 1.50", id="both hold"),
        pytest.param((1.0, 1.5), (0.2, 1.5), True, "long stretches it does not", id="anchored"),
        pytest.param((0.7, 1.5), (1.0, 1.5), False, "long stretches it would", id="rolling"),
        pytest.param((0.7, 1.5), (0.7, 1.5), False, "less than half is left", id="half is lost"),
        pytest.param((-0.1, -0.3), (0.0, 0.1), False, "earns nothing", id="nothing"),
    ],
)
def test_the_anchored_walk_decides_and_a_disagreement_is_told(
    case: Case,
    walked: WalkForward,
    anchored: tuple[float, float],
    rolling: tuple[float, float],
    passed: bool,
    said: str,
) -> None:
    def with_sharpe(walk: module.Walk, joined: float, trained: float) -> module.Walk:
        return dataclasses.replace(walk, joined_sharpe=joined, trained_sharpe=trained)

    outcome = dataclasses.replace(
        walked,
        anchored=with_sharpe(walked.anchored, *anchored),
        rolling=with_sharpe(walked.rolling, *rolling),
    )
    found = gate.examine(case, outcome)
    assert found.passed == passed
    assert said in found.reason
    if anchored[1] < 0:
        assert found.figures["efficiency"] is None


def test_few_trades_say_nothing(case: Case, walked: WalkForward) -> None:
    few = tuple(dataclasses.replace(piece, trades=2) for piece in walked.anchored.pieces)
    outcome = dataclasses.replace(walked, anchored=dataclasses.replace(walked.anchored, pieces=few))
    found = gate.examine(case, outcome)
    assert not found.passed
    assert "16 trades are too few" in found.reason


def test_a_refusal_is_a_failed_gate_with_its_reason(case: Case) -> None:
    found = gate.examine(case, VerdictRefused("too few bars"))
    assert (found.passed, found.reason) == (False, "too few bars")
