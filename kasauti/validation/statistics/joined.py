"""The joined statistic without a search program: the best that any test of it could reach.

N worthless strategies and perhaps one with an edge are searched; only the one with the best t is
opened on the sealed years. All t are normal with deviation 1, around 0 or around the true annual
Sharpe times the root of the years. What is here is integrated, not simulated.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kasauti.errors import DataError
from kasauti.validation.statistics.special import log_normal_below, minimum, normal_below, root
from kasauti.validation.statistics.trials import maximum_density

Floats = NDArray[np.float64]
_STEP = 0.005
_BELOW, _ABOVE = -9.0, 10.0  # normal densities beyond are under 1e-17


@dataclass(frozen=True)
class Trial:
    """How much is searched, how much is sealed, and how many independent strategies are tried."""

    searched_years: float = 12.0
    sealed_years: float = 3.0
    trials: float = 1_000.0

    def __post_init__(self) -> None:
        if not (self.searched_years > 0 and self.sealed_years > 0 and self.trials >= 1):
            raise DataError(f"{self}: need years above 0 and at least 1 trial")


@dataclass(frozen=True)
class Rule:
    """Approve where weight x t searched + weight x t sealed exceeds the threshold."""

    searched_weight: float
    sealed_weight: float
    threshold: float

    def joined(self, searched: float, sealed: float) -> float:
        """Return the one statistic."""
        return self.searched_weight * searched + self.sealed_weight * sealed


@dataclass(frozen=True)
class Power:
    """Shares of worlds with an edge in which something is approved.

    Attributes
    ----------
    sharpe : float
        True annual Sharpe of the edge.
    approved : float
        Whatever is approved, worthless ones that beat the edge in the search included.
    captured : float
        The edge itself.
    best : float
        By the most powerful of all tests of the two t (Neyman and Pearson), made for this very
        edge: no rule approves more.
    """

    sharpe: float
    approved: float
    captured: float
    best: float


def false_approvals(trial: Trial, rule: Rule) -> float:
    """Return the share of worlds without any edge in which `rule` approves."""
    grid = _grid(0.0)
    return _integral(maximum_density(grid, trial.trials) * _passes(grid, rule, 0.0))


def rule_at(trial: Trial, rate: float, searched_weight: float, sealed_weight: float) -> Rule:
    """Return the rule of these weights that approves in `rate` of the worlds without an edge."""
    _check_rate(rate)
    if not (searched_weight > 0 and sealed_weight > 0):
        raise DataError(f"weights {searched_weight} and {sealed_weight}: both must be above 0")

    def excess(threshold: float) -> float:
        return false_approvals(trial, Rule(searched_weight, sealed_weight, threshold)) - rate

    reach = 20.0 * (searched_weight + sealed_weight)
    return Rule(searched_weight, sealed_weight, root(excess, -reach, reach))


def best_rule(trial: Trial, rate: float, sharpe: float) -> Rule:
    """Return the rule, of weights whose squares sum to 1, that captures `sharpe` most often."""

    def at(angle: float) -> Rule:
        return rule_at(trial, rate, math.cos(angle), math.sin(angle))

    def missed(angle: float) -> float:
        return -captured(trial, at(angle), sharpe)

    return at(minimum(missed, 0.01, math.pi / 2 - 0.01))


def power(trial: Trial, rule: Rule, sharpe: float) -> Power:
    """Return how often `rule` approves where one strategy has the true annual `sharpe`."""
    searched = _edge(trial, sharpe)[0]
    grid = _grid(searched)
    noise_first = _winners(grid, trial, searched)[1]
    luck = _integral(noise_first * _passes(grid, rule, 0.0))
    itself = captured(trial, rule, sharpe)
    rate = false_approvals(trial, rule)
    return Power(sharpe, itself + luck, itself, best_power(trial, rate, sharpe))


def captured(trial: Trial, rule: Rule, sharpe: float) -> float:
    """Return how often `rule` approves the strategy of the true annual `sharpe` itself."""
    searched, sealed = _edge(trial, sharpe)
    grid = _grid(searched)
    edge_first = _winners(grid, trial, searched)[0]
    return _integral(edge_first * _passes(grid, rule, sealed))


def best_power(trial: Trial, rate: float, sharpe: float) -> float:
    """Return the power of the likelihood ratio test of the two t at this false-approval rate."""
    if not 0.0 < rate < 1.0 or sharpe <= 0:
        return min(max(rate, 0.0), 1.0)
    searched, sealed = _edge(trial, sharpe)
    grid = _grid(searched)
    edge_first, noise_first = _winners(grid, trial, searched)
    null = maximum_density(grid, trial.trials)

    def needed(log_ratio: float) -> Floats:
        """Return the sealed t from which on the likelihood ratio exceeds its bound."""
        gap = math.exp(log_ratio) * null - noise_first
        with np.errstate(divide="ignore", invalid="ignore"):
            least = (np.log(gap) - np.log(edge_first) + sealed**2 / 2.0) / sealed
        # Nothing needed where worthless winners alone exceed the bound; all where both are 0.
        return np.where(gap > 0, np.where(edge_first > 0, least, np.inf), -np.inf)

    def excess(log_ratio: float) -> float:
        return _integral(null * normal_below(-needed(log_ratio))) - rate

    least = needed(root(excess, -50.0, 50.0))
    return _integral(edge_first * normal_below(sealed - least) + noise_first * normal_below(-least))


def _winners(grid: Floats, trial: Trial, searched: float) -> tuple[Floats, Floats]:
    """Return densities of the best searched t, where the edge has it and where a worthless one."""
    density = np.exp(-0.5 * (grid - searched) ** 2) / math.sqrt(2.0 * math.pi)
    edge_first = density * np.exp(trial.trials * log_normal_below(grid))
    return edge_first, maximum_density(grid, trial.trials) * normal_below(grid - searched)


def _passes(grid: Floats, rule: Rule, sealed: float) -> Floats:
    least = (rule.threshold - rule.searched_weight * grid) / rule.sealed_weight
    return normal_below(sealed - least)


def _edge(trial: Trial, sharpe: float) -> tuple[float, float]:
    return sharpe * math.sqrt(trial.searched_years), sharpe * math.sqrt(trial.sealed_years)


def _grid(searched: float) -> Floats:
    low, high = _BELOW + min(searched, 0.0), _ABOVE + max(searched, 0.0)
    return np.asarray(low + _STEP * np.arange(math.ceil((high - low) / _STEP)), dtype=np.float64)


def _integral(values: Floats) -> float:
    return float(values.sum()) * _STEP


def _check_rate(rate: float) -> None:
    if not 0.0 < rate < 1.0:
        raise DataError(f"false-approval rate {rate}: need a share between 0 and 1")
