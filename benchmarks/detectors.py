"""The detectors of bear markets that ours is measured against; what they score stands elsewhere.

Each takes closes and returns, for every session, whether it would be out of the market. The fitted
ones are fitted anew every fifth January on all sessions before, then read session by session.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from hmmlearn.hmm import GaussianHMM
from jumpmodels.jump import JumpModel
from numpy.typing import NDArray

from kasauti.regimes.dating import date_legs

Outs = NDArray[np.bool_]
Floats = NDArray[np.float64]

FITTED_FOR = 5  # calendar years to the first fit and the first session scored, and to every next
PENALTY = 50.0  # of a jump: the value of jumpmodels' own Nasdaq example, not tuned here
HALF_LIVES = (5, 20, 60)  # sessions, of that example
CLIPPED = 3.0  # standard deviations, of that example
WINDOWS = (10, 20, 50, 100, 200)  # sessions, of the features of the best linear rule


def below_average(closes: "pd.Series[float]", window: int = 200) -> Outs:
    """Out below the average of `window` sessions."""
    return (closes < closes.rolling(window).mean()).to_numpy()


def averages_crossed(closes: "pd.Series[float]") -> Outs:
    """Out while the 50-session average is below the 200-session one and 5 % are lost."""
    crossed = closes.rolling(50).mean() < closes.rolling(200).mean()
    return (crossed & (closes < 0.95 * closes.cummax())).to_numpy()


def jump_model(closes: "pd.Series[float]") -> Outs:
    """Out in the bear state of a jump model (Shu, Yu and Mulvey 2024), read online."""

    def label(fitted_until: int, read_until: int) -> Outs:
        features, returns = _jump_features(closes[:read_until]), closes.pct_change()
        model, scaled = _fitted_jump(features, returns, fitted_until)
        return np.asarray(model.predict_online(scaled) == 1, dtype=np.bool_)

    return _refitted(closes, label)


def hidden_markov(closes: "pd.Series[float]") -> Outs:
    """Out where the wilder state of a hidden Markov model is the likelier one, filtered."""
    returns = _percent_returns(closes)

    def label(fitted_until: int, read_until: int) -> Outs:
        model = _fitted_markov(returns[:fitted_until])
        filtered = filtered_probabilities(model, returns[:read_until])
        return np.greater(filtered[:, _wilder(model)], 0.5)

    return _refitted(closes, label)


def jump_model_with_hindsight(closes: "pd.Series[float]") -> Outs:
    """Leak: the jump model fitted on everything, its best path through everything."""
    model, scaled = _fitted_jump(_jump_features(closes), closes.pct_change(), len(closes))
    return np.asarray(model.predict(scaled) == 1, dtype=np.bool_)


def hidden_markov_with_hindsight(closes: "pd.Series[float]") -> Outs:
    """Leak: the hidden Markov model fitted on everything, its Viterbi path."""
    returns = _percent_returns(closes)
    model = _fitted_markov(returns)
    return np.asarray(model.predict(returns[:, None]) == _wilder(model), dtype=np.bool_)


def best_linear_rule(closes: "pd.Series[float]") -> Outs:
    """Leak, and a ceiling: a linear discriminant on causal features, fitted to the answers."""
    features = _linear_features(closes)
    known = features.notna().all(axis=1).to_numpy()
    truth = date_legs(np.asarray(closes, dtype=np.float64)).is_bear[known]
    values = features[known].to_numpy()
    values = np.column_stack([np.ones(len(values)), values - values.mean(axis=0)])
    # both classes count alike, as they do in balanced accuracy
    weights = np.sqrt(np.where(truth, 0.5 / truth.mean(), 0.5 / (1.0 - truth.mean())))
    targets = np.where(truth, 1.0, -1.0)
    found = np.linalg.lstsq(values * weights[:, None], targets * weights)[0]
    out = np.zeros(len(closes), dtype=np.bool_)
    out[known] = values @ found > 0.0
    return out


def first_scored(closes: "pd.Series[float]") -> int:
    """Return the position of the first session after `FITTED_FOR` calendar years."""
    years = pd.DatetimeIndex(closes.index).year
    return int((years >= years[0] + FITTED_FOR).argmax())


def filtered_probabilities(model: GaussianHMM, returns: Floats) -> Floats:
    """Return P(state | returns up to now), shape (T, states), by the forward recursion."""
    logs = model._compute_log_likelihood(returns[:, None])  # hmmlearn keeps its filter to itself
    densities = np.exp(logs - logs.max(axis=1, keepdims=True))
    filtered: Floats = np.empty_like(densities)
    expected = model.startprob_
    for session, density in enumerate(densities):
        joint = expected * density
        filtered[session] = joint / joint.sum()
        expected = filtered[session] @ model.transmat_
    return filtered


def _refitted(closes: "pd.Series[float]", label: Callable[[int, int], Outs]) -> Outs:
    """Return each five years' answers of a model that was fitted on the sessions before them."""
    years = pd.DatetimeIndex(closes.index).year.to_numpy()
    out = np.zeros(len(closes), dtype=np.bool_)
    for year in range(years[0] + FITTED_FOR, years[-1] + 1, FITTED_FOR):
        start, stop = np.searchsorted(years, [year, year + FITTED_FOR]).tolist()
        out[start:stop] = label(start, stop)[start:stop]
    return out


def _jump_features(closes: "pd.Series[float]") -> pd.DataFrame:
    returns = closes.pct_change().fillna(0.0)
    features = {}
    for half_life in HALF_LIVES:
        mean = returns.ewm(halflife=half_life).mean()
        downside = (returns.clip(upper=0.0) ** 2).ewm(halflife=half_life).mean() ** 0.5 + 1e-6
        features[f"return {half_life}"] = mean
        features[f"downside {half_life}"] = np.log(downside)
        features[f"sortino {half_life}"] = mean / downside
    return pd.DataFrame(features)


def _linear_features(closes: "pd.Series[float]") -> pd.DataFrame:
    """Return distances to averages, highs and lows, returns and volatility: 26 columns."""
    daily = closes.pct_change()
    features = {"from the top": closes / closes.cummax()}
    for window in WINDOWS:
        past = closes.rolling(window)
        features[f"average {window}"] = closes / past.mean()
        features[f"high {window}"] = closes / past.max()
        features[f"low {window}"] = closes / past.min()
        features[f"return {window}"] = closes / closes.shift(window)
        features[f"volatility {window}"] = daily.rolling(window).std()
    return pd.DataFrame(features)


def _fitted_jump(
    features: pd.DataFrame, returns: "pd.Series[float]", until: int
) -> tuple[JumpModel, pd.DataFrame]:
    """Return the model fitted on the sessions before `until`, state 1 the bear, and its input."""
    past = features[:until]
    low, high = past.mean() - CLIPPED * past.std(), past.mean() + CLIPPED * past.std()
    clipped = features.clip(low, high, axis=1)
    scaled = (clipped - clipped[:until].mean()) / clipped[:until].std()
    model = JumpModel(n_components=2, jump_penalty=PENALTY, random_state=0)
    model.fit(scaled[:until], returns.fillna(0.0)[:until], sort_by="cumret")
    return model, scaled


def _percent_returns(closes: "pd.Series[float]") -> Floats:
    return np.asarray(100.0 * closes.pct_change().fillna(0.0), dtype=np.float64)


def _fitted_markov(returns: Floats) -> GaussianHMM:
    return GaussianHMM(n_components=2, n_iter=200, random_state=0).fit(returns[:, None])


def _wilder(model: GaussianHMM) -> int:
    return int(np.asarray(model.covars_).ravel().argmax())
