"""The report joins statistics that are proved elsewhere; here: that it joins the right ones."""

import math
import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kasauti.errors import DataError
from kasauti.validation import statistics as st

Floats = NDArray[np.float64]


def world(edge: float, peers: int = 60, periods: int = 2500) -> dict[str, Any]:
    """Return a candidate of this annual Sharpe beside the index, and peers without one."""
    rng = np.random.default_rng(5)
    index = rng.normal(0.0003, 0.01, periods)
    noise = rng.normal(0.0, 0.006, (peers + 1, periods))
    noise -= noise.mean(axis=1, keepdims=True)
    noise[0] += edge * 0.006 / math.sqrt(252)
    noise[1:] += rng.normal(0, 0.006 / math.sqrt(periods), (peers, 1))
    return {
        "candidate": noise[0] + 0.2 * (index - index.mean()),
        "peers": noise[1:],
        "index": index,
    }


def report(
    data: dict[str, Any], trials: float = 5000, effective: float = 300
) -> st.OverfittingReport:
    rng = np.random.default_rng(1)
    return st.overfitting_report(
        data["candidate"], data["peers"], trials, effective, data["index"], rng
    )


def numbers(found: st.OverfittingReport) -> dict[str, float]:
    return {name: value for name, value in found.figures().items() if value is not None}


def test_the_figures_are_those_of_the_functions() -> None:
    data = world(1.5)
    found = report(data).figures()
    sample = st.describe(data["candidate"])
    moments = (sample.sharpe, sample.periods, sample.skew, sample.kurtosis)
    assert found["psr_2012"] == st.psr_2012(*moments)
    assert found["deflated_effective"] == st.deflated_sharpe(*moments, 300, 1 / 2499)
    assert found["deflated_registered"] == st.deflated_sharpe(*moments, 5000, 1 / 2499)
    record = st.min_trl(sample.sharpe, sample.skew, sample.kurtosis)
    assert found["min_track_record"] == pytest.approx(record / 252)
    annual = sample.sharpe * math.sqrt(252)
    assert found["min_backtest_length"] == pytest.approx(st.min_btl(300, annual))
    family = np.vstack([data["candidate"], data["peers"]])
    assert found["pbo"] == st.backtest_overfitting(family).probability
    alpha = st.alpha_over_index(data["candidate"], data["index"])
    assert (found["alpha_t"], found["beta"]) == (alpha.t, alpha.beta)
    assert found["alpha"] == pytest.approx(252 * alpha.alpha)


def test_an_edge_looks_like_one_and_luck_does_not() -> None:
    edge, luck = numbers(report(world(2.0))), numbers(report(world(0.0)))
    better = ("sharpe", "psr_2012", "psr_2025", "deflated_effective", "alpha_t", "haircut_sharpe")
    worse = ("pbo", "reality_check", "spa", "haircut", "min_track_record", "min_backtest_length")
    for name in better:
        assert edge[name] > luck[name], name
    for name in worse:
        assert edge[name] < luck[name], name
    assert (edge["step_m"], luck["step_m"]) == (1.0, 0.0)
    assert edge["deflated_registered"] < edge["deflated_effective"]


def test_every_figure_has_one_sentence() -> None:
    for name, sentence in report(world(1.0)).meanings().items():
        assert sentence.endswith(".") and sentence[0].isupper(), name
        assert ". " not in sentence and "nan" not in sentence and "\n" not in sentence, name


def test_a_loss_needs_for_ever_and_keeps_nothing() -> None:
    found = report(world(-1.0))
    assert found.min_track_record.value == found.min_backtest_length.value == math.inf
    assert "more years than there are" in found.min_track_record.meaning
    assert found.haircut_sharpe.value == 0.0


def test_without_peers_there_is_no_pbo() -> None:
    data = world(1.0) | {"peers": np.empty((0, 2500))}
    found = report(data, trials=1, effective=1)
    assert found.pbo.value is None and "no other strategies" in found.pbo.meaning
    assert found.reality_check.value is not None


def test_the_same_seed_gives_the_same_report() -> None:
    data = world(1.0)
    assert report(data) == report(data)


def test_the_scale_of_money_does_not_matter() -> None:
    data = world(1.0)
    scaled = {name: 4.0 * values for name, values in data.items()}
    one, other = report(data).figures(), report(scaled).figures()
    one.pop("alpha"), other.pop("alpha")
    assert other == pytest.approx(one)


@pytest.mark.parametrize(
    ("field", "spoil", "message"),
    [
        ("candidate", lambda x: np.where(np.arange(2500) == 7, np.nan, x), "candidate: return 7"),
        ("candidate", lambda x: 0 * x, "candidate: every return is 0"),
        ("candidate", lambda x: x[:-1], "peers: 2500 periods against 2499"),
        (
            "peers",
            lambda x: np.where(np.eye(60, 2500) > 0, np.inf, x),
            "peers: strategy 0, return 0",
        ),
        ("peers", lambda x: np.vstack([x, 0 * x[:1]]), "peers: strategy 60 returns 0 in every"),
        ("peers", lambda x: x.T, "peers: 60 periods against 2500"),
        ("index", lambda x: 0 * x, "index: every return is 0"),
        ("index", lambda x: x[1:], "index: 2499 periods"),
        ("index", lambda x: x * np.nan, "index: return 0 is nan"),
    ],
)
def test_bad_input_is_named(field: str, spoil: Any, message: str) -> None:
    data = world(1.0)
    data[field] = spoil(data[field])
    with pytest.raises(DataError, match=message):
        report(data)


@pytest.mark.parametrize("counts", [(10, 0.5), (10, 11), (math.nan, 1), (math.inf, 2)])
def test_counts_that_cannot_be_are_refused(counts: tuple[float, float]) -> None:
    with pytest.raises(DataError, match="effective_trials"):
        report(world(1.0), *counts)


def test_it_takes_less_than_half_a_second() -> None:
    """Of the processor, on the one thread that it uses: waiting for the machine does not count."""
    data = world(1.0, peers=200, periods=5000)
    seconds = []
    for _ in range(3):
        start = time.thread_time()
        report(data, 20_000, 700)
        seconds.append(time.thread_time() - start)
    assert min(seconds) < 0.5
