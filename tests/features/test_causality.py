"""Every function of the language is causal, bit for bit; the prover finds leaks planted in it."""

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from kasauti.errors import DataError, KasautiError
from kasauti.features.causality import (
    TOLERANCE,
    Leak,
    WarmUp,
    assert_causal,
    choose_cuts,
    choose_starts,
    find_all_leaks,
    find_leaks,
    measure_warm_up,
)
from kasauti.features.evaluate import Features
from kasauti.genome.parser import parse_expression
from kasauti.market.bars import Bars
from tests.features.examples import CALLS

TRIALS = ["truncation", "future noise", "future missing", "future times ten"]
NESTED = (
    "sma(rsi(close, 14), 5) > 50 and not adx(14) < 20",
    "crosses_below(ema(close, 12), bbands_lower(ema(close, 3), 20, 2)) or hammer()",
    "zscore(close / sma(close, 50), 100) - zscore(volume, 20)",
    "macd_hist(std(close, 20), 12, 26, 9) / atr(14)",
)
MARKET = (
    "index > ema(index, 200)",
    "rank(vix, 100)",
    "zscore(close / lag(close, 1) - index / lag(index, 1), 50)",
)


def _of(*texts: str) -> Callable[[Bars], Any]:
    trees = [parse_expression(text) for text in texts]

    def values(bars: Bars) -> Any:
        features = Features(bars)
        return np.stack([features.evaluate(tree) for tree in trees])

    return values


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_registered_function_is_causal(name: str, stocks: Bars, gappy: Bars) -> None:
    for bars, seed in ((stocks, 1), (gappy, 2)):
        cuts = choose_cuts(bars, np.random.default_rng(seed), count=5)
        assert find_leaks(_of(CALLS[name]), bars, cuts) == []


@pytest.mark.parametrize("text", NESTED)
def test_nested_expressions_are_causal(text: str, gappy: Bars) -> None:
    cuts = choose_cuts(gappy, np.random.default_rng(3), count=10)
    assert find_leaks(_of(text), gappy, cuts) == []


def test_everything_is_causal_over_22_years_of_the_index(nifty: Bars) -> None:
    cuts = choose_cuts(nifty, np.random.default_rng(4), count=4, moves=2)
    for text in (*CALLS.values(), *MARKET):
        assert find_leaks(_of(text), nifty, cuts) == [], text


def _frame(bars: Bars) -> pd.DataFrame:
    return pd.DataFrame(bars.close.T)


def _scaled_by_all(bars: Bars) -> Any:
    scaler = import_module("sklearn.preprocessing").StandardScaler()  # it has no types
    return scaler.fit_transform(bars.close.T).T


LEAKS: dict[str, Callable[[Bars], Any]] = {
    "tomorrow's close": lambda bars: _frame(bars).shift(-1).to_numpy().T,
    "centred window": lambda bars: _frame(bars).rolling(5, center=True).mean().to_numpy().T,
    "full-sample z-score": lambda bars: (
        (bars.close - np.nanmean(bars.close, axis=1, keepdims=True))
        / np.nanstd(bars.close, axis=1, keepdims=True)
    ),
    "full-sample quantile": lambda bars: (
        bars.close > np.nanquantile(bars.close, 0.9, axis=1, keepdims=True)
    ),
    "scaler fitted on everything": _scaled_by_all,
    "back-filled": lambda bars: _frame(bars).bfill().to_numpy().T,
    "ten bars ahead, rarely": lambda bars: (
        _frame(bars).pct_change(10, fill_method=None).shift(-10).to_numpy().T > 0.2
    ),
    "last bar only": lambda bars: np.where(
        np.arange(bars.shape[1]) == bars.shape[1] - 1, 0.0, bars.close
    ),
    "scaled by the latest close": lambda bars: bars.close / bars.close[:, -1:],
    "smoothed forward and back": lambda bars: (
        _frame(bars)[::-1].ewm(span=5).mean()[::-1].to_numpy().T
    ),
}


@pytest.mark.parametrize("name", LEAKS)
def test_planted_leaks_are_found(name: str, gappy: Bars) -> None:
    cuts = choose_cuts(gappy, np.random.default_rng(6), count=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # statistics over all-NaN cuts
        leaks = find_leaks(LEAKS[name], gappy, cuts)
        assert leaks
        assert all(leak.first_bad_position < leak.cut for leak in leaks)
        with pytest.raises(KasautiError, match="look-ahead: the value at bar"):
            assert_causal(LEAKS[name], gappy, cuts)


def _returns(bars: Bars) -> NDArray[np.float64]:
    closes = np.log(bars.close[0])
    changes: NDArray[np.float64] = np.diff(closes, prepend=closes[0]).reshape(-1, 1)
    return changes


@pytest.fixture(scope="module")
def turmoil(nifty: Bars) -> Any:
    """A two-state model of NIFTY, fitted once on bars before those that the tests label."""
    from hmmlearn.hmm import GaussianHMM

    return GaussianHMM(2, n_iter=20, random_state=1).fit(_returns(nifty.between(0, 600)))


def _known_part(bars: Bars, label: Callable[[NDArray[np.float64]], Any]) -> Any:
    """Label the bars up to the first missing close; hmmlearn takes no NaN."""
    returns = _returns(bars)
    missing = ~np.isfinite(returns[:, 0])
    known = int(missing.argmax()) if missing.any() else len(returns)
    values = np.full(len(returns), -1.0)
    values[:known] = label(returns[:known])
    return values


def _filtered(model: Any, returns: NDArray[np.float64]) -> Any:
    """Probability of the second state given the returns so far: the forward pass alone."""
    likely = model._compute_log_likelihood(returns)
    with np.errstate(divide="ignore"):
        begin, move = np.log(model.startprob_), np.log(model.transmat_)
    found, state = np.empty(len(returns)), begin
    for t in range(len(returns)):
        state = (np.logaddexp(*(state[:, None] + move)) if t else begin) + likely[t]
        state = state - np.logaddexp(*state)
        found[t] = state[1]
    return found


@pytest.mark.parametrize(
    ("how", "leaks"),
    [
        pytest.param(lambda m, x: m.predict(x), True, id="Viterbi path"),
        pytest.param(lambda m, x: m.predict_proba(x)[:, 1], True, id="smoothed probabilities"),
        pytest.param(_filtered, False, id="filtered probabilities"),
    ],
)
def test_labels_that_know_how_it_went_on_are_found(
    nifty: Bars, turmoil: Any, how: Callable[..., Any], leaks: bool
) -> None:
    bars = nifty.between(1500, 3000)
    cuts = choose_cuts(bars, np.random.default_rng(7), count=20)
    found = find_leaks(lambda b: _known_part(b, lambda returns: how(turmoil, returns)), bars, cuts)
    assert bool(found) == leaks


def test_a_model_fitted_on_everything_is_found_however_it_labels(nifty: Bars) -> None:
    from hmmlearn.hmm import GaussianHMM

    def fitted(bars: Bars) -> Any:
        def label(returns: NDArray[np.float64]) -> Any:
            model = GaussianHMM(2, n_iter=2, random_state=1).fit(returns)
            return _filtered(model, returns)

        return _known_part(bars, label)

    assert find_leaks(fitted, nifty.between(600, 800), [150])


def test_many_functions_meet_the_same_trials(stocks: Bars) -> None:
    functions = {"fair": _of("sma(close, 5)"), "leaky": LEAKS["tomorrow's close"]}
    cuts = [50, 100]
    found = find_all_leaks(functions, stocks, cuts)
    assert found["fair"] == []
    assert found["leaky"] == find_leaks(LEAKS["tomorrow's close"], stocks, cuts)


# -- warm-up -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        pytest.param("sma(close, 30)", 29, 29, id="window: its first 29 values are missing"),
        pytest.param("lag(close, 7)", 7, 7, id="lag"),
        # the start's weight (12 / 14)^k falls below 1e-6 of the price after 90 bars, and what is
        # weighed is a few per cent of the price
        pytest.param("ema(close, 13)", 40, 90, id="recursive"),
        pytest.param("close > sma(close, 30)", 0, 29, id="condition"),
    ],
)
def test_warm_up_is_measured(stocks: Bars, text: str, low: int, high: int) -> None:
    found = measure_warm_up(_of(text), stocks, [10, 57, 200])
    assert found.tolerance == TOLERANCE
    assert found.needed is not None
    assert low <= found.needed <= high


def test_what_adds_up_all_history_never_settles(stocks: Bars) -> None:
    assert measure_warm_up(_of("obv()"), stocks, [100]) == WarmUp(None, TOLERANCE)
    assert measure_warm_up(lambda b: b.close, stocks, [1, 300]).needed == 0


def test_a_larger_tolerance_forgets_sooner(stocks: Bars) -> None:
    fine = measure_warm_up(_of("ema(close, 13)"), stocks, [100], 1e-9).needed
    coarse = measure_warm_up(_of("ema(close, 13)"), stocks, [100], 1e-3).needed
    assert fine is not None
    assert coarse is not None
    assert coarse < fine


def test_starts_lie_in_the_first_half(stocks: Bars) -> None:
    starts = choose_starts(stocks, np.random.default_rng(0), 10)
    assert starts == sorted(set(starts))
    assert starts[0] >= 1
    assert starts[-1] <= len(stocks.times) // 2
    with pytest.raises(DataError, match="begin later"):
        choose_starts(stocks.between(0, 1), np.random.default_rng(0))


def test_a_leak_says_where_and_under_what(stocks: Bars) -> None:
    leaks = find_leaks(LEAKS["tomorrow's close"], stocks, [100])
    assert leaks == [Leak(100, 99, what) for what in TRIALS]


def test_a_difference_in_the_last_bit_is_a_leak(stocks: Bars) -> None:
    def rounded(bars: Bars) -> Any:
        nudged = bars.close.copy()
        if len(bars.times) < 300:
            nudged[2, 7] = np.nextafter(nudged[2, 7], np.inf)
        return nudged

    assert find_leaks(rounded, stocks, [299, 400]) == [Leak(299, 7, "truncation")]


def test_volume_and_market_series_are_perturbed_too(nifty: Bars) -> None:
    def peek(values: Any) -> Any:
        return np.append(values[..., 1:], values[..., -1:], axis=-1)

    for function in (
        lambda bars: peek(bars.volume),
        lambda bars: peek(bars.series["vix"]),
        lambda bars: peek(bars.open + bars.high + bars.low + bars.close),
    ):
        assert [leak.what for leak in find_leaks(function, nifty, [5000])] == TRIALS


def test_cuts_lie_at_random_and_around_the_largest_moves(stocks: Bars) -> None:
    # the largest close-to-close move of these stocks: INDUSINDBK on 2025-03-11, -27.2 %
    crash = int(np.searchsorted(stocks.times, np.datetime64("2025-03-11")))
    cuts = choose_cuts(stocks, np.random.default_rng(0), count=30)
    assert {crash, crash + 1} <= set(cuts)
    assert cuts == sorted(set(cuts))
    assert 30 <= len(cuts) <= 36
    assert cuts[0] >= 1
    assert cuts[-1] <= len(stocks.times) - 1
    assert cuts == choose_cuts(stocks, np.random.default_rng(0), count=30)
    assert cuts != choose_cuts(stocks, np.random.default_rng(1), count=30)


def test_a_function_without_a_time_axis_is_refused(stocks: Bars) -> None:
    with pytest.raises(DataError, match="last axis must be time"):
        find_leaks(lambda bars: bars.close.T, stocks, [10])
    with pytest.raises(DataError, match="cannot be cut"):
        choose_cuts(stocks.between(0, 1), np.random.default_rng(0))
