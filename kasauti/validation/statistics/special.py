"""Typed doors to scipy, which takes half a second to import; no statistic is here."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def normal_below(values: ArrayLike) -> Floats:
    """Return the probabilities that a standard normal stays below `values`."""
    from scipy.special import ndtr

    return np.asarray(ndtr(values), dtype=np.float64)


def log_normal_below(values: ArrayLike) -> Floats:
    """Return the logarithms of `normal_below`, exact far out."""
    from scipy.special import log_ndtr

    return np.asarray(log_ndtr(values), dtype=np.float64)


def student_below(freedom: float, value: float) -> float:
    """Return the probability that Student's t of so many degrees of freedom stays below `value`."""
    from scipy.special import stdtr

    return float(stdtr(freedom, value))


def student_quantile(freedom: float, probability: float) -> float:
    """Return the value below which Student's t stays with `probability`."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where `function` crosses 0 between `low` and `high`, where its signs must differ."""
    from scipy.optimize import brentq

    return float(brentq(function, low, high, xtol=1e-12))


def minimum(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where `function` is least between `low` and `high`, if it has one minimum there."""
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(function, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return float(found.x)
