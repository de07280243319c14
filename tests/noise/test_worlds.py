"""Surrogate worlds keep what they promise of the real bars, and nothing that could be traded on."""

import dataclasses

import numpy as np
import pytest

from kasauti.errors import DataError
from kasauti.market.bars import Bars, Floats
from kasauti.noise import worlds
from kasauti.noise.worlds import Base, Generator, draw, fit_garch, make_world
from tests.noise.small import nasdaq, nifty
from tests.validation.synthetic import make_bars

EVERY = pytest.mark.parametrize("generator", list(Generator))
SESSIONS = 3780


def returns_of(bars: Bars) -> Floats:
    close = bars.close[0]
    return np.asarray(close[1:] / close[:-1] - 1.0)


def acf(values: Floats, lag: int) -> float:
    centred = values - values.mean()
    return float((centred[lag:] * centred[:-lag]).mean() / centred.var())


def many(base: Base, generator: Generator, count: int = 20) -> Floats:
    """Return the returns of many worlds, shape (count, SESSIONS - 1)."""
    return np.array(
        [
            returns_of(make_world(base, generator, SESSIONS, np.random.default_rng([7, k])))
            for k in range(count)
        ]
    )


@EVERY
def test_a_world_is_one_sound_symbol_under_real_dates(generator: Generator) -> None:
    base = nifty()
    bars = make_world(base, generator, SESSIONS, np.random.default_rng(1))
    assert bars.shape == (1, SESSIONS)
    assert bars.market == "nse"
    assert np.array_equal(bars.times, base.times[-SESSIONS:])
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.low > 0.0).all()


@EVERY
def test_the_same_seed_gives_the_same_world(generator: Generator) -> None:
    one, same, other = (
        make_world(nasdaq(), generator, 500, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert one.data_version == same.data_version != other.data_version


@EVERY
def test_moments_are_those_of_the_real_market(generator: Generator) -> None:
    """Mean and deviation within three errors of the mean over 20 worlds of 15 years."""
    base = nasdaq()
    worlds_ = many(base, generator)
    means, deviations = worlds_.mean(axis=1), worlds_.std(axis=1)
    assert abs(means.mean() - base.drift) < 3 * means.std() / np.sqrt(len(means)) + 1e-5
    # a fitted variance need not be the sample's: GARCH worlds are within a fifth of it
    assert deviations.mean() == pytest.approx(base.volatility, rel=0.2)
    if generator is not Generator.GARCH:
        assert deviations.mean() == pytest.approx(base.volatility, rel=0.05)
        kurtosis = [((w - w.mean()) ** 4).mean() / w.var() ** 2 for w in worlds_]
        real = (base.shapes[:, 3] ** 4).mean() / base.shapes[:, 3].var() ** 2
        assert np.mean(kurtosis) == pytest.approx(real, rel=0.25)


@EVERY
def test_storms_stay_and_direction_goes(generator: Generator) -> None:
    """Sizes of moves hang together as in the market; the moves themselves do not at any lag."""
    worlds_ = many(nasdaq(), generator)
    for lag in (1, 2, 5, 10):  # 20 worlds know a correlation to .007
        assert abs(np.mean([acf(w, lag) for w in worlds_])) < 0.025
    assert np.mean([acf(np.abs(w), 1) for w in worlds_]) > 0.1


def test_phases_keep_long_memory_better_than_blocks() -> None:
    """A block of 20 forgets beyond 20 bars; a spectrum does not."""

    def memory(generator: Generator) -> float:
        return float(np.mean([acf(np.abs(w), 40) for w in many(nasdaq(), generator, 10)]))

    assert memory(Generator.PHASES) > 0.08 > 0.04 > memory(Generator.BOOTSTRAP)


@EVERY
def test_an_edge_of_the_market_is_removed(generator: Generator) -> None:
    """A market that undoes half of each move: its worlds do not."""
    bars = _reverting(0.5)
    base = Base.of(bars, "PLANTED")
    assert acf(base.shapes[:, 3], 1) < -0.4
    found = np.mean(
        [
            acf(returns_of(make_world(base, generator, SESSIONS, np.random.default_rng(k))), 1)
            for k in range(10)
        ]
    )
    assert abs(found) < 0.02


@EVERY
def test_no_past_tells_the_next_move(generator: Generator) -> None:
    """The mean after rises, falls, calm and storms alike is the market's own mean."""
    base = nasdaq()
    worlds_ = many(base, generator, 40)
    before, after = worlds_[:, :-1].ravel(), worlds_[:, 1:].ravel()
    big = np.abs(before) > 2 * base.volatility
    for chosen in (before > 0, before < 0, big, big & (before < 0), ~big):
        values = after[chosen]
        error = values.std() / np.sqrt(len(values))
        assert abs(values.mean() - base.drift) < 3.5 * error


def test_bootstrap_joins_blocks_of_twenty() -> None:
    base = nasdaq()
    rng = np.random.default_rng(5)
    places = worlds._blocks(base, 20_000, rng)
    joints = (np.diff(places) != 1) & (np.diff(places) != 1 - len(base.shapes))
    assert 20_000 / joints.sum() == pytest.approx(worlds.MEAN_BLOCK, rel=0.1)


def test_phases_use_every_bar_once() -> None:
    base = nasdaq()
    count = len(base.shapes)
    places = worlds._phases(base, count, np.random.default_rng(2))
    assert np.array_equal(np.sort(places), np.arange(count))


def test_a_mirrored_bar_has_its_high_where_its_low_was() -> None:
    shape = np.array([[0.01, 0.03, -0.02, -0.01]])
    assert worlds._mirrored(shape, np.array([False])).tolist() == shape.tolist()
    assert worlds._mirrored(shape, np.array([True])).tolist() == [[-0.01, 0.02, -0.03, 0.01]]


def test_garch_finds_the_process_that_made_the_returns() -> None:
    """GARCH(1, 1) with alpha .08, beta .90, 20,000 bars: persistence .98 within .02."""
    rng = np.random.default_rng(11)
    variance, values = 1e-4, []
    for shock in rng.standard_normal(20_000):
        values.append(np.sqrt(variance) * shock)
        variance = 2e-6 + 0.08 * values[-1] ** 2 + 0.90 * variance
    garch, sigma = fit_garch(np.array(values))
    assert garch.persistence == pytest.approx(0.98, abs=0.02)
    assert garch.gamma == pytest.approx(0.0, abs=0.02)
    assert float((np.array(values) / sigma).std()) == pytest.approx(1.0, abs=0.02)


def test_garch_worlds_remember_falls_more_than_rises() -> None:
    """The leverage effect of the fit (gamma > 0) is in the worlds."""
    worlds_ = many(nasdaq(), Generator.GARCH)
    before, after = worlds_[:, :-1].ravel(), np.abs(worlds_[:, 1:]).ravel()
    assert nasdaq().garch.gamma > 0.05
    assert after[before < -0.02].mean() > 1.05 * after[before > 0.02].mean()


@pytest.mark.parametrize(
    ("bars", "complaint"),
    [
        pytest.param(make_bars(sessions=300), "299 whole bars", id="too short"),
        pytest.param(
            dataclasses.replace(
                make_bars(sessions=900),
                open=np.ones((1, 900)),
                high=np.ones((1, 900)),
                low=np.ones((1, 900)),
                close=np.ones((1, 900)),
            ),
            "never move",
            id="constant prices",
        ),
    ],
)
def test_no_world_is_made_from(bars: Bars, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        Base.of(bars, "AAA")


def test_bars_without_an_open_are_left_out() -> None:
    """S&P opens before 2007 are the previous close: the loader made them missing."""
    whole = make_bars(sessions=1500)
    opens = whole.open.copy()
    opens[0, 100:700] = np.nan
    base = Base.of(dataclasses.replace(whole, open=opens), "AAA")
    assert len(base.shapes) == 1500 - 1 - 600


def test_more_sessions_than_the_market_has_get_weekdays_before() -> None:
    base = nifty()
    times = worlds.dates(base, len(base.times) + 50)
    assert len(times) == len(base.times) + 50
    assert (np.diff(times) > np.timedelta64(0, "D")).all()
    assert (
        draw(base, Generator.PHASES, len(base.shapes) + 50, np.random.default_rng(0)).shapes.shape[
            0
        ]
        == len(base.shapes) + 50
    )


def _reverting(strength: float) -> Bars:
    from tests.validation.synthetic import plant_edge

    return plant_edge(4000, strength)
