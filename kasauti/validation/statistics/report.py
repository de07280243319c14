"""Every overfitting statistic of one candidate, each with what it means; it decides nothing."""

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kasauti.errors import DataError
from kasauti.validation.statistics.alpha import alpha_over_index
from kasauti.validation.statistics.haircut import corrected_sharpe, haircut_sharpe
from kasauti.validation.statistics.pbo import backtest_overfitting
from kasauti.validation.statistics.resampling import autocorrelation, optimal_block_length
from kasauti.validation.statistics.sample import (
    Returns,
    Sample,
    checked_matrix,
    checked_series,
    describe,
)
from kasauti.validation.statistics.sharpe import deflated_sharpe, min_btl, min_trl, psr_2012
from kasauti.validation.statistics.sharpe_2025 import psr_2025
from kasauti.validation.statistics.snooping import data_snooping

_BLOCKS = 16  # of the PBO; 8 where there are too few bars
# The mean block of the resamples is never shorter: others may hang together longer than this one.
_WEEK = 5.0
_SIMULATED_TESTS = 500_000  # of the haircut: 2,000 sets of 250, or fewer sets of more


@dataclass(frozen=True)
class Figure:
    """A number, None or infinite where there is none, and one sentence of what it means."""

    value: float | None
    meaning: str


@dataclass(frozen=True)
class OverfittingReport:
    """What the overfitting statistics say of one candidate among its peers.

    Probabilities and p-values are in [0, 1], track records in years, Sharpe ratios annual.
    """

    sharpe: Figure
    psr_2012: Figure
    psr_2025: Figure
    deflated_effective: Figure
    deflated_registered: Figure
    min_track_record: Figure
    min_backtest_length: Figure
    pbo: Figure
    reality_check: Figure
    spa_lower: Figure
    spa: Figure
    spa_upper: Figure
    step_m: Figure
    haircut_sharpe: Figure
    haircut: Figure
    alpha_t: Figure
    alpha_t_newey_west: Figure
    alpha: Figure
    beta: Figure

    def figures(self) -> dict[str, float | None]:
        """Return the numbers by name."""
        return {one.name: getattr(self, one.name).value for one in fields(self)}

    def meanings(self) -> dict[str, str]:
        """Return the sentences by name."""
        return {one.name: getattr(self, one.name).meaning for one in fields(self)}


def overfitting_report(
    candidate: ArrayLike,
    peers: ArrayLike,
    trials: float,
    effective_trials: float,
    index: ArrayLike,
    rng: np.random.Generator,
    *,
    periods_a_year: int = 252,
) -> OverfittingReport:
    """Work out every overfitting statistic of `candidate`.

    Parameters
    ----------
    candidate : array_like
        (periods,), its returns over cash at a rate of 0.
    peers : array_like
        (strategies, periods), returns of others of the same search, without the candidate and
        without strategies that never traded; none: the statistics that need others are None.
    trials, effective_trials : float
        Registered ones, and how many independent ones they amount to, 1 <= effective <= registered.
    index : array_like
        (periods,), the index's returns.
    rng : numpy.random.Generator
    periods_a_year : int

    Raises
    ------
    DataError
        Naming the argument that has another shape, is not finite or never varies.
    """
    mine = checked_series(candidate, "candidate")
    others = checked_matrix(peers, "peers") if np.size(peers) else np.empty((0, len(mine)))
    market = checked_series(index, "index")
    for field, length in (("peers", others.shape[1]), ("index", len(market))):
        if length != len(mine):
            raise DataError(f"{field}: {length} periods against {len(mine)} of the candidate")
    if not 1 <= effective_trials <= trials or not math.isfinite(trials):
        raise DataError(
            f"trials {trials}, effective_trials {effective_trials}: need 1 <= effective <= all"
        )
    sample = describe(mine)
    return OverfittingReport(
        **_sharpe_figures(mine, sample, trials, effective_trials, periods_a_year),
        **_family_figures(mine, others, rng),
        **_haircut_figures(mine, sample, effective_trials, rng, periods_a_year),
        **_alpha_figures(mine, market, periods_a_year),
    )


def _sharpe_figures(
    mine: Returns, sample: Sample, trials: float, effective: float, year: int
) -> dict[str, Figure]:
    moments = (sample.sharpe, sample.periods, sample.skew, sample.kurtosis)
    years = sample.periods / year
    annual = sample.sharpe * math.sqrt(year)
    rho = autocorrelation(mine)
    probability, revised = psr_2012(*moments), psr_2025(*moments, rho=rho)
    # Worthless strategies' Sharpe ratios scatter by one over the root of the periods.
    variance = 1.0 / (sample.periods - 1)
    deflated = [deflated_sharpe(*moments, count, variance) for count in (effective, trials)]
    record = min_trl(sample.sharpe, sample.skew, sample.kurtosis) / year
    length = min_btl(effective, annual)
    return {
        "sharpe": Figure(annual, f"It earned {annual:.2f} times its risk a year over cash."),
        "psr_2012": Figure(
            probability,
            f"Looked at alone, its Sharpe is above 0 with a probability of {_chance(probability)}.",
        ),
        "psr_2025": Figure(
            revised,
            "By the formula of 2025, which allows for one bar's return leaning on the last one's "
            f"({rho:+.2f}), that probability is {_chance(revised)}.",
        ),
        "deflated_effective": Figure(
            deflated[0],
            f"It is better than the luckiest of {effective:,.0f} worthless strategies, as many as "
            f"were really different, with a probability of {_chance(deflated[0])}.",
        ),
        "deflated_registered": Figure(
            deflated[1],
            f"Had all {trials:,.0f} registered trials been different from each other, that "
            f"probability would be {_chance(deflated[1])}.",
        ),
        "min_track_record": Figure(
            record,
            f"A single strategy like it needs {_years(record)} to be trusted at 95 %; it has "
            f"{years:.1f}.",
        ),
        "min_backtest_length": Figure(
            length,
            f"On {_years(length)} or less the best of {effective:,.0f} worthless strategies shows "
            f"a Sharpe as good as this; there are {years:.1f}.",
        ),
    }


def _family_figures(mine: Returns, others: Returns, rng: np.random.Generator) -> dict[str, Figure]:
    family = np.vstack([mine[None, :], others])
    found = data_snooping(family, rng, block=max(_WEEK, optimal_block_length(mine)))
    superior = 0 in found.superior
    count = len(family)
    return {
        "pbo": _pbo_figure(family),
        "reality_check": Figure(
            found.reality_check,
            f"If none of these {count} strategies beat cash, the best would still look this good "
            f"with a probability of {_chance(found.reality_check)}.",
        ),
        "spa_lower": Figure(
            found.spa_lower,
            "Measured by risk and without any hopeless one it is "
            f"{_chance(found.spa_lower)}, the most lenient count.",
        ),
        "spa": Figure(
            found.spa,
            f"Measured by risk and without the clearly hopeless ones it is {_chance(found.spa)}.",
        ),
        "spa_upper": Figure(
            found.spa_upper,
            "Measured by risk and with every hopeless one counted it is "
            f"{_chance(found.spa_upper)}, the strictest count.",
        ),
        "step_m": Figure(
            float(superior),
            f"{'Yes' if superior else 'No'}: of {count} strategies {len(found.superior)} beat cash "
            "by more than luck allows at 5 %, and this one "
            f"{'is among them' if superior else 'is not among them'}.",
        ),
    }


def _pbo_figure(family: NDArray[np.float64]) -> Figure:
    strategies, periods = family.shape
    blocks = _BLOCKS if periods >= 2 * _BLOCKS else 8
    if strategies < 2 or periods < 2 * blocks:
        return Figure(None, "There are no other strategies of its search to compare it with.")
    found = backtest_overfitting(family, blocks)
    return Figure(
        found.probability,
        "The search's best in one half of the bars is below the middle of all in the other half "
        f"with a probability of {_chance(found.probability)}; picking blindly makes that 50 %.",
    )


def _haircut_figures(
    mine: Returns, sample: Sample, effective: float, rng: np.random.Generator, year: int
) -> dict[str, Figure]:
    months = int(12 * sample.periods / year)
    annual = corrected_sharpe(sample.sharpe * math.sqrt(year), autocorrelation(mine), year)
    if months < 3:
        none = Figure(None, "Under three months say nothing of how much of its Sharpe is luck.")
        return {"haircut_sharpe": none, "haircut": none}
    tests = math.ceil(effective)
    reps = min(2_000, max(50, _SIMULATED_TESTS // tests))
    left = haircut_sharpe(annual, months, tests, 0.0, rng, reps=reps).average
    return {
        "haircut_sharpe": Figure(
            left.sharpe,
            f"After {tests:,} independent tests are counted in, {left.sharpe:.2f} of its annual "
            f"Sharpe of {annual:.2f} are left to believe in.",
        ),
        "haircut": Figure(
            left.haircut, f"The number of tests takes {left.haircut:.0%} of its Sharpe away."
        ),
    }


def _alpha_figures(mine: Returns, market: Returns, year: int) -> dict[str, Figure]:
    found = alpha_over_index(mine, market)
    annual = found.alpha * year
    return {
        "alpha_t": Figure(
            found.t,
            f"What holding the index does not explain is {found.t:.2f} standard errors above 0.",
        ),
        "alpha_t_newey_west": Figure(
            found.t_newey_west,
            "Allowing for returns that hang together and for changing volatility it is "
            f"{found.t_newey_west:.2f} of them.",
        ),
        "alpha": Figure(annual, f"Beside what the index gave, it earned {annual:.1%} a year."),
        "beta": Figure(found.beta, f"When the index moves by 1 %, it moves by {found.beta:.2f} %."),
    }


def _chance(value: float) -> str:
    """Return a probability as text that claims no more than 1,000 resamples can show."""
    if value < 0.001:
        return "under 0.1 %"
    return "over 99.9 %" if value > 0.999 else f"{value:.1%}"


def _years(value: float) -> str:
    return f"{value:.1f} years" if math.isfinite(value) else "more years than there are"
