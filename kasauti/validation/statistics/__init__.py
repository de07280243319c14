"""Overfitting statistics as plain functions of numbers; thresholds and gates are set elsewhere.

Sharpe ratios are per period (a day's return over a day's deviation) unless called annual, kurtosis
is raw (normal = 3). Matrices are (strategies, periods).
"""

from kasauti.validation.statistics.alpha import Alpha, alpha_over_index
from kasauti.validation.statistics.haircut import (
    Haircut,
    Haircuts,
    bonferroni_haircut,
    corrected_sharpe,
    haircut_sharpe,
    sidak_haircut,
)
from kasauti.validation.statistics.pbo import Overfitting, backtest_overfitting
from kasauti.validation.statistics.report import Figure, OverfittingReport, overfitting_report
from kasauti.validation.statistics.resampling import (
    Interval,
    Statistic,
    optimal_block_length,
    stationary_bootstrap_interval,
)
from kasauti.validation.statistics.sample import (
    Returns,
    Sample,
    describe,
    normal_cdf,
    normal_quantile,
    normal_tail,
    t_statistic,
)
from kasauti.validation.statistics.sharpe import (
    deflated_sharpe,
    min_btl,
    min_btl_bound,
    min_trl,
    psr_2012,
    sharpe_error,
)
from kasauti.validation.statistics.sharpe_2025 import (
    deflated_sharpe_2025,
    min_trl_2025,
    observed_false_discovery_rate,
    planned_false_discovery_rate,
    power_2025,
    psr_2025,
    sharpe_error_2025,
)
from kasauti.validation.statistics.snooping import Snooping, data_snooping
from kasauti.validation.statistics.trials import (
    effective_rank,
    expected_max_sharpe,
    maximum_moments,
)

__all__ = [
    "Alpha",
    "Figure",
    "Haircut",
    "Haircuts",
    "Interval",
    "Overfitting",
    "OverfittingReport",
    "Returns",
    "Sample",
    "Snooping",
    "Statistic",
    "alpha_over_index",
    "backtest_overfitting",
    "bonferroni_haircut",
    "corrected_sharpe",
    "data_snooping",
    "deflated_sharpe",
    "deflated_sharpe_2025",
    "describe",
    "effective_rank",
    "expected_max_sharpe",
    "haircut_sharpe",
    "maximum_moments",
    "min_btl",
    "min_btl_bound",
    "min_trl",
    "min_trl_2025",
    "normal_cdf",
    "normal_quantile",
    "normal_tail",
    "observed_false_discovery_rate",
    "optimal_block_length",
    "overfitting_report",
    "planned_false_discovery_rate",
    "power_2025",
    "psr_2012",
    "psr_2025",
    "sharpe_error",
    "sharpe_error_2025",
    "sidak_haircut",
    "stationary_bootstrap_interval",
    "t_statistic",
]
