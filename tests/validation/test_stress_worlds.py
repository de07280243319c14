"""Made worlds: what is in them, and what a genome loses in them."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pandas as pd
import pytest

from kasauti.backtest import NO_SLIPPAGE, Account, Backtester, Slippage
from kasauti.errors import VerdictRefused
from kasauti.genome import Genome, genome_from_genes
from kasauti.market.bars import Bars
from kasauti.market.charges import NO_CHARGES
from kasauti.market.markets import get_market
from kasauti.market.sources import load_folder, load_sample
from kasauti.regimes.model import OnlineLabels
from kasauti.regimes.online import label_closes
from kasauti.validation.statistics.blas import one_thread
from kasauti.validation.stress import Laboratory, laboratory_of, scenarios
from kasauti.validation.stress.garch import fit_volatility
from kasauti.validation.stress.history import History
from kasauti.validation.stress.scenarios import SESSIONS, WORLDS
from kasauti.validation.stress.worlds import Worlds, build
from tests.shared_data import NSE_INDEX
from tests.validation.rules import HOLD
from tests.validation.synthetic import constant_bars, make_bars

MARKET = get_market("nse")
FREE = Account(charges=NO_CHARGES, slippage=NO_SLIPPAGE)
GENES = {
    "entry": "ema(close, 5) > ema(close, 20)",
    "exit": "ema(close, 5) < ema(close, 20)",
    "side": "long",
    "stop": {"atr": 3.0},
    "trail": {"fraction": 0.10},
    "regimes": ["bull", "sideways"],
    "risk": 0.02,
}


@pytest.fixture(scope="module")
def nifty() -> Bars:
    bars = load_folder([NSE_INDEX], market="nse", index="NIFTY50").bars
    return bars.select(("BANKNIFTY",)).between(0, 4500)


@pytest.fixture(scope="module")
def tester(nifty: Bars) -> Backtester:
    return Backtester(nifty)


@pytest.fixture(scope="module")
def history(tester: Backtester) -> History:
    return History.of(tester.bars, 0, tester.labels.codes)


def sp500_returns() -> np.ndarray:
    import arch.data.sp500

    frame: pd.DataFrame = arch.data.sp500.load()
    returns: pd.Series = frame["Adj Close"].pct_change().dropna()
    return returns.to_numpy(dtype=float)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def made_returns(worlds: Worlds) -> np.ndarray:
    """Return the log returns of the made bars, shape (W, H)."""
    return np.diff(np.log(worlds.bars.close[:, worlds.start :]), axis=1)


# -- volatility ----------------------------------------------------------------------------------


def test_garch_as_published() -> None:
    """shared/reference/validation-and-stress.md 2.2: arch's own example, S&P 1999-2018."""
    found = fit_volatility(sp500_returns(), asymmetric=False)
    assert found.log_likelihood == pytest.approx(-6936.718, abs=5e-3)
    percent = (found.mean * 100, found.constant * 1e4, found.past, found.kept)
    assert percent == pytest.approx((0.0564, 0.0175, 0.1022, 0.8852), abs=1e-4)


def test_gjr_garch_as_published() -> None:
    """The same, 4.1: GJR-GARCH with Student's t."""
    found = fit_volatility(sp500_returns())
    assert found.log_likelihood == pytest.approx(-6744.431, abs=5e-3)
    assert found.degrees == pytest.approx(7.69, abs=0.005)
    assert found.bad > found.past  # falls raise volatility more than rises
    assert found.note == ""


def test_the_fit_does_not_depend_on_the_threads_of_the_machine() -> None:
    """On two threads BLAS adds in another order, and the optimiser would end elsewhere."""
    returns = sp500_returns()[:3000]
    found = fit_volatility(returns)
    with one_thread():
        expected = fit_volatility(returns)
    assert (found.constant, found.past, found.kept, found.log_likelihood) == (
        expected.constant,
        expected.past,
        expected.kept,
        expected.log_likelihood,
    )


def test_the_variance_follows_its_own_recursion() -> None:
    returns = sp500_returns()
    found = fit_volatility(returns)
    after = found.next_variance(returns[:-1] - found.mean, found.deviation[:-1] ** 2)
    assert np.sqrt(after) == pytest.approx(found.deviation[1:], rel=1e-8)


def exploding() -> np.ndarray:
    """Return a GARCH process with weights of .5 and .7."""
    shocks, variance = rng(0).normal(size=1500), 1e-4
    returns = np.empty(1500)
    for t, shock in enumerate(shocks):
        returns[t] = np.sqrt(variance) * shock
        variance = min(1e-6 + 0.5 * returns[t] ** 2 + 0.7 * variance, 1e3)
    return returns


@pytest.mark.parametrize(
    ("returns", "reason"),
    [
        pytest.param(sp500_returns()[:400], "too few", id="few"),
        pytest.param(exploding(), "does not revert", id="a variance that explodes"),
        pytest.param(rng().normal(0, 1e-9, 1500), "did not converge", id="hardly any movement"),
    ],
)
def test_ewma_where_garch_fails_and_it_says_so(returns: np.ndarray, reason: str) -> None:
    found = fit_volatility(returns)
    assert reason in found.note
    assert "EWMA with a decay of 0.94" in found.note
    shock = returns[-2] - returns.mean()
    assert found.deviation[-1] ** 2 == pytest.approx(
        0.06 * shock**2 + 0.94 * found.deviation[-2] ** 2
    )


def test_a_stretch_without_trades_is_no_calm() -> None:
    returns = np.r_[np.zeros(700), 0.5, np.zeros(799)]
    assert fit_volatility(returns).deviation.min() >= 0.1 * returns.std()


# -- recipes and worlds --------------------------------------------------------------------------


def test_the_prescribed_crash(history: History) -> None:
    recipe = scenarios.prescribed_crash(history, rng())
    worlds = build(history, recipe, FREE, MARKET)
    fall = worlds.bars.close[:, -1] / worlds.bars.close[:, worlds.start] - 1
    assert fall == pytest.approx(np.full(WORLDS, -0.58))
    assert worlds.bars.shape[1] - worlds.start - 1 == 189
    index = worlds.own["index"]
    assert index[:, -1] / index[:, worlds.start] - 1 == pytest.approx(np.full(WORLDS, -0.58))
    own = history.returns.std()
    assert made_returns(worlds).std(axis=1).mean() == pytest.approx(2 * own, rel=0.05)
    with_vix = np.isfinite(worlds.own["vix"][:, worlds.start])
    assert 0 < with_vix.sum() < WORLDS  # India VIX begins in 2010
    peak = worlds.own["vix"][with_vix][:, worlds.start + SESSIONS :]
    assert peak == pytest.approx(np.full(peak.shape, 72.0))


def test_twice_the_volatility_and_the_same_drift(history: History) -> None:
    worlds = build(history, scenarios.double_volatility(history, rng()), FREE, MARKET)
    returns = made_returns(worlds)
    assert returns.std() == pytest.approx(2 * history.returns.std(), rel=0.05)
    error = returns.std() / np.sqrt(returns.size)
    assert abs(returns.mean() - history.returns.mean()) < 3 * error


def test_filtered_history_starts_from_the_volatility_of_its_start(history: History) -> None:
    volatility = fit_volatility(history.returns)
    recipe = scenarios.filtered_history(history, volatility, rng())
    first = recipe.scale[:, 0] * volatility.deviation[recipe.drawn[:, 0]]
    inside = recipe.starts + 1 < len(volatility.deviation)
    following = volatility.deviation[recipe.starts[inside] + 1]
    assert first[inside] == pytest.approx(following, rel=1e-8)
    returns = made_returns(build(history, recipe, FREE, MARKET))
    assert returns.std() == pytest.approx(history.returns.std(), rel=0.25)
    calm, wild = np.argsort(first)[:50], np.argsort(first)[-50:]
    assert returns[wild].std() > 1.5 * returns[calm].std()


def test_blocks_come_out_of_the_worst_quarters(history: History) -> None:
    recipe = scenarios.worst_windows(history, 1.0, rng())
    days = history.bars.sessions[history.places[np.unique(recipe.drawn), -1]]
    assert len(days) == 5 * SESSIONS  # none of the windows overlap
    assert np.datetime64("2008-10-24") in days
    sums = np.convolve(history.returns, np.ones(SESSIONS), mode="valid")
    assert recipe.drawn.min() >= 0
    first = np.argmin(sums)
    assert first in recipe.drawn
    assert first + SESSIONS - 1 in recipe.drawn
    best = scenarios.worst_windows(history, -1.0, rng())
    assert np.argmax(sums) in best.drawn
    assert history.returns[best.drawn].mean() > 0 > history.returns[recipe.drawn].mean()


def test_a_drought_has_a_tenth_of_the_volume_and_ten_times_the_spread() -> None:
    bars = load_sample().bars.select(("IBM",)).between(0, 3000)
    tester = Backtester(bars)
    history = History.of(bars, 0, tester.labels.codes)
    recipe = scenarios.drought(history, rng())
    account = Account(slippage=Slippage(0.0005, 0.02))
    worlds = build(history, recipe, account, tester.market)
    made = worlds.bars.volume[:, worlds.start + 1 :]
    assert made == pytest.approx(0.1 * bars.volume[0][history.places[recipe.drawn, 0]])
    assert worlds.account.slippage == Slippage(0.005, 0.02)


def test_a_made_bar_has_the_shape_of_a_real_one(history: History) -> None:
    """Scale 1: open, high and low stand to the close as they did, shifted by nothing."""
    recipe = scenarios.worst_windows(history, 1.0, rng())
    worlds = build(history, recipe, FREE, MARKET)
    bars, made = history.bars, worlds.start + 1
    place = history.places[recipe.drawn, 0]
    for real, field in ((bars.open, worlds.bars.open), (bars.high, worlds.bars.high)):
        assert field[:, made:] / worlds.bars.close[:, made:] == pytest.approx(
            real[0, place] / bars.close[0, place]
        )
    assert (worlds.bars.high >= worlds.bars.low).all()
    real = worlds.bars.close[3, : worlds.start + 1]
    end = history.places[recipe.starts[3], 0]
    assert real[-1] == bars.close[0, end]
    assert np.isin(real, bars.close[0, : end + 1]).all()


def test_the_starts_cover_the_history(history: History) -> None:
    starts = scenarios.drought(history, rng()).starts
    assert (np.diff(starts) > 0).all()
    assert starts[0] >= history.warm_sessions - 1
    assert starts[-1] > len(history.places) * 0.98


def test_regimes_of_the_worlds(history: History) -> None:
    """Real ones as they were known; made ones by the rule, from what the world's market did."""
    recipe = scenarios.prescribed_crash(history, rng())
    worlds = build(history, recipe, FREE, MARKET)
    end = history.places[recipe.starts[7], 0]
    assert (worlds.codes[7, : worlds.start + 1][-200:] == history.codes[end - 199 : end + 1]).all()
    assert worlds.markets is not None
    for world in range(0, WORLDS, 40):
        expected = label_closes(worlds.markets[world])[-189:]
        assert (worlds.codes[world, worlds.start + 1 :] == expected).all()
    assert np.isin(worlds.codes[:, -1], (1, 3)).mean() > 0.9  # bear or volatile after such a fall


@pytest.mark.parametrize(
    "genes",
    [
        pytest.param({}, id="by regime"),
        pytest.param(
            {"entry": "index > sma(index, 20)", "exit": "vix > 25"}, id="by index and vix"
        ),
        pytest.param(HOLD, id="holding"),
    ],
)
def test_losses_are_those_of_a_backtest_of_each_world(
    history: History, genes: dict[str, object]
) -> None:
    """The position held at the start is the one that the backtest carries into the world."""
    genome = genome_from_genes({**GENES, **genes})
    worlds = build(history, scenarios.prescribed_crash(history, rng()), Account(), MARKET)
    losses = worlds.losses(genome)
    assert len(np.unique(losses)) > 50
    for world in range(0, WORLDS, 25):
        alone = dataclasses.replace(
            worlds.bars.select((worlds.bars.symbols[world],)),
            series={name: values[world] for name, values in worlds.own.items()},
        )
        labels = OnlineLabels(worlds.codes[world])
        equity = Backtester(alone, labels=labels, market=MARKET).run(genome).equity[0]
        after = equity[worlds.start :]
        assert losses[world] == pytest.approx(after.min() / after[0] - 1, abs=1e-12)


def test_always_long_loses_the_whole_prescribed_fall(tester: Backtester) -> None:
    genome = genome_from_genes(HOLD)
    free = Backtester(tester.bars, account=Account(1e9, NO_CHARGES, NO_SLIPPAGE))
    found = Laboratory(free).examine(genome, free.run(genome))
    (crash,) = [one for one in found.synthetic if one.scenario.startswith("prescribed crash")]
    assert crash.loss == pytest.approx(-0.61, abs=0.04)  # 58 %, and the paths' own lows
    assert crash.kills


# -- the laboratory ------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_losses_on_any_number_of_threads(tester: Backtester) -> None:
    genomes = [genome_from_genes({**GENES, "risk": 0.01 * k}) for k in range(1, 5)]
    results = [tester.run(genome) for genome in genomes]
    one = [
        Laboratory(tester, 3).examine(genome, result)
        for genome, result in zip(genomes[:2], results[:2], strict=True)
    ]
    shared = Laboratory(tester, 3)
    with ThreadPoolExecutor(4) as pool:
        several = list(pool.map(shared.examine, reversed(genomes), reversed(results)))[::-1]
    assert several[:2] == one
    other = Laboratory(tester, 4).examine(genomes[0], results[0])
    assert other.losses == one[0].losses
    assert other.synthetic != one[0].synthetic


def test_worlds_in_parts_are_the_same_worlds(
    tester: Backtester, monkeypatch: pytest.MonkeyPatch
) -> None:
    genome = genome_from_genes(GENES)
    whole = Laboratory(tester).examine(genome, tester.run(genome))
    monkeypatch.setattr("kasauti.validation.stress.laboratory.BARS_AT_ONCE", 60_000)
    assert Laboratory(tester).examine(genome, tester.run(genome)) == whole


def test_a_world_of_wild_data_still_has_prices(history: History) -> None:
    recipe = scenarios.double_volatility(history, rng())
    wild = dataclasses.replace(recipe, scale=np.full(recipe.scale.shape, 1e4))
    prices = build(history, wild, FREE, MARKET).bars.close
    assert np.isfinite(prices).all()
    assert (prices > 0).all()


def test_the_riskiest_symbol_bears_the_worlds() -> None:
    bars = load_sample().bars.between(0, 3000)
    tester = Backtester(bars, account=FREE)
    genome = genome_from_genes(HOLD)
    found = Laboratory(tester).examine(genome, tester.run(genome))
    assert {one.symbol for one in found.synthetic[-5:]} == {"AAPL"}  # 2000-09-29: -52 %


def test_a_laboratory_is_kept_for_its_data(tester: Backtester) -> None:
    assert laboratory_of(tester, 1) is laboratory_of(Backtester(tester.bars), 1)
    assert laboratory_of(tester, 1) is not laboratory_of(tester, 2)
    shorter = Backtester(tester.bars.between(0, 3000))
    assert laboratory_of(tester, 1) is not laboratory_of(shorter, 1)


def examined(bars: Bars, genome: Genome) -> None:
    tester = Backtester(bars, account=FREE)
    Laboratory(tester).examine(genome, tester.run(genome))


@pytest.mark.parametrize(
    ("examine", "reason"),
    [
        pytest.param(
            partial(
                examined, make_bars(), genome_from_genes({**HOLD, "entry": "close < 0 * close"})
            ),
            "never held a position",
            id="never trades",
        ),
        pytest.param(
            partial(examined, make_bars(sessions=200), genome_from_genes(HOLD)),
            "199 sessions with all four prices",
            id="too short",
        ),
        pytest.param(
            partial(
                examined,
                constant_bars(),
                genome_from_genes(HOLD),
            ),
            "never moves",
            id="constant prices",
        ),
    ],
)
def test_bars_that_no_world_can_be_made_of(examine: partial[None], reason: str) -> None:
    with pytest.raises(VerdictRefused, match=reason):
        examine()


def test_intraday_sessions_stay_whole() -> None:
    daily = make_bars(sessions=420 * 6, market="nse")
    day = np.busday_offset("2020-01-01", np.arange(420), roll="forward").astype("M8[s]")
    clock = np.timedelta64(9 * 3600 + 900, "s") + np.arange(6) * np.timedelta64(3600, "s")
    bars = dataclasses.replace(daily, times=np.add.outer(day, clock).ravel())
    tester = Backtester(bars, account=FREE)
    history = History.of(bars, 0, tester.labels.codes)
    assert history.bars_a_session == 6
    worlds = build(history, scenarios.double_volatility(history, rng()), FREE, tester.market)
    made = worlds.bars.times[worlds.start + 1 :]
    assert len(made) == SESSIONS * 6
    assert (np.diff(made.reshape(-1, 6), axis=1) == np.timedelta64(3600, "s")).all()
    codes = worlds.codes[:, worlds.start + 1 :].reshape(WORLDS, SESSIONS, 6)
    assert (codes == codes[:, :, :1]).all()
    short = genome_from_genes({**HOLD, "side": "short", "stop": {"fraction": 0.05}})
    found = Laboratory(tester).examine(short, tester.run(short))
    assert len(found.synthetic) == 11
