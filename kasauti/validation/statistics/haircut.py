"""What is left of a Sharpe ratio after the number of tests is counted in (Harvey and Liu 2015)."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kasauti.errors import DataError
from kasauti.validation.statistics.sample import normal_quantile
from kasauti.validation.statistics.special import normal_below, student_below, student_quantile

# Harvey, Liu and Zhu (2016): what 200 and more published factors look like, by the mean correlation
# of tests: share without any mean return, and mean monthly return of the others. Their months and
# monthly deviation follow.
_CORRELATION = np.array([0.0, 0.2, 0.4, 0.6, 0.8])
_WORTHLESS = np.array([0.39660, 0.44589, 0.48604, 0.59902, 0.83901])
_MEAN_RETURN = np.array([0.0054995, 0.0055508, 0.0055413, 0.0055512, 0.0055956])
_FACTOR_MONTHS, _FACTOR_DEVIATION = 240, 0.15 / math.sqrt(12.0)
_CELLS = 250_000  # simulated tests held at a time


@dataclass(frozen=True)
class Haircut:
    """A p-value counted for all tests, the annual Sharpe that it leaves, and the share cut off."""

    p_value: float
    sharpe: float
    haircut: float


@dataclass(frozen=True)
class Haircuts:
    """The annual Sharpe as it came and what four ways of counting the tests leave of it."""

    sharpe: float
    bonferroni: Haircut
    holm: Haircut
    bhy: Haircut
    average: Haircut


def bonferroni_haircut(sharpe: float, months: int, tests: float) -> Haircut:
    """Return the haircut of an annual Sharpe when any of `tests` may be the false one."""
    single = _single_test(sharpe, months, tests)
    return _normal_haircut(sharpe, months, min(1.0, tests * single))


def sidak_haircut(sharpe: float, months: int, tests: float) -> Haircut:
    """Return the haircut of an annual Sharpe when the `tests` are independent."""
    single = _single_test(sharpe, months, tests)
    return _normal_haircut(sharpe, months, -math.expm1(tests * math.log1p(-min(single, 1 - 1e-16))))


def corrected_sharpe(sharpe: float, autocorrelation: float, periods_a_year: int) -> float:
    """Return an annual Sharpe without what positive autocorrelation adds to it (Lo 2002)."""
    if not -1.0 < autocorrelation < 1.0:
        raise DataError(f"autocorrelation {autocorrelation}: it lies between -1 and 1")
    rest = 1.0 - autocorrelation
    weight = 1.0 - (1.0 - autocorrelation**periods_a_year) / (periods_a_year * rest)
    return sharpe / math.sqrt(1.0 + 2.0 * autocorrelation / rest * weight)


def haircut_sharpe(
    sharpe: float,
    months: int,
    tests: int,
    correlation: float,
    rng: np.random.Generator,
    *,
    reps: int = 2_000,
) -> Haircuts:
    """Return what is left of an annual Sharpe after `tests` tests, by the authors' program.

    The other tests are simulated as the published factors are distributed; the median over `reps`
    such sets of Holm's and of Benjamini, Hochberg and Yekutieli's p-value decides.

    Parameters
    ----------
    sharpe : float
        Annual, already corrected for autocorrelation.
    months : int
        Length of the record.
    tests : int
        Other strategies tried.
    correlation : float
        Mean correlation of the tests, in [0, 1).
    """
    if months < 3 or tests < 1 or not 0.0 <= correlation < 1.0 or not math.isfinite(sharpe):
        raise DataError(
            f"Sharpe {sharpe}, {months} months, {tests} tests, correlation {correlation}: need a "
            "number, 3 months, 1 test and a correlation in [0, 1)"
        )
    freedom = months - 1
    t = abs(sharpe) * math.sqrt(months / 12.0)
    single = 2.0 * student_below(freedom, -t)

    def cut(p_value: float) -> Haircut:
        left = -student_quantile(freedom, p_value / 2.0) if p_value > 0 else t
        return _haircut(sharpe, p_value, left * math.sqrt(12.0 / months))

    holm, bhy = _step_p_values(single, tests, correlation, rng, reps)
    bonferroni = min(1.0, tests * single)
    average = (bonferroni + holm + bhy) / 3.0
    return Haircuts(sharpe, cut(bonferroni), cut(holm), cut(bhy), cut(average))


def _step_p_values(
    single: float, tests: int, correlation: float, rng: np.random.Generator, reps: int
) -> tuple[float, float]:
    """Return the median Holm and BHY p-value of a test among simulated others."""
    total = tests + 1
    rank = np.arange(1, total + 1)
    harmonic = float((1.0 / rank).sum())
    holm, bhy = [], []
    batch = max(1, _CELLS // total)
    for start in range(0, reps, batch):
        others = _simulated_p_values(min(batch, reps - start), tests, correlation, rng)
        sets = np.hstack([others, np.full((len(others), 1), single)])
        sets.sort(axis=1)
        mine = (sets < single).sum(axis=1)[:, None]
        place = rank - 1
        # Holm: the largest of those up to mine. BHY: the smallest of those from mine on.
        stepped = np.where(place <= mine, (total - place) * sets, -np.inf)
        holm.append(np.minimum(stepped.max(axis=1), 1.0))
        stepped = np.where(place >= mine, total * harmonic / rank * sets, np.inf)
        bhy.append(np.minimum(stepped.min(axis=1), 1.0))
    return float(np.median(np.concatenate(holm))), float(np.median(np.concatenate(bhy)))


def _simulated_p_values(
    reps: int, tests: int, correlation: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return (reps, tests) two-sided p-values of equally correlated tests, most of them worth 0."""
    worthless = float(np.interp(correlation, _CORRELATION, _WORTHLESS))
    mean_return = float(np.interp(correlation, _CORRELATION, _MEAN_RETURN))
    noise = math.sqrt(1.0 - correlation) * rng.standard_normal((reps, tests))
    noise += math.sqrt(correlation) * rng.standard_normal((reps, 1))
    worth = rng.exponential(mean_return, (reps, tests))
    worth[rng.random((reps, tests)) < worthless] = 0.0
    error = _FACTOR_DEVIATION / math.sqrt(_FACTOR_MONTHS)
    return 2.0 * normal_below(-np.abs(noise + worth / error))


def _single_test(sharpe: float, months: int, tests: float) -> float:
    if months < 3 or not tests >= 1 or not math.isfinite(sharpe):
        raise DataError(f"Sharpe {sharpe}, {months} months, {tests} tests: need 3 months, 1 test")
    return math.erfc(abs(sharpe) * math.sqrt(months / 12.0) / math.sqrt(2.0))


def _normal_haircut(sharpe: float, months: int, p_value: float) -> Haircut:
    if p_value <= 0.0:
        return _haircut(sharpe, p_value, abs(sharpe))
    return _haircut(sharpe, p_value, -normal_quantile(p_value / 2.0) * math.sqrt(12.0 / months))


def _haircut(sharpe: float, p_value: float, left: float) -> Haircut:
    """Return the haircut; of a Sharpe at or below 0 nothing is left and all is cut off."""
    if sharpe <= 0.0:
        return Haircut(1.0, 0.0, 1.0)
    kept = min(max(left, 0.0), sharpe)
    return Haircut(p_value, kept, 1.0 - kept / sharpe)
