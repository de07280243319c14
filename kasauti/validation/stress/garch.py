"""The volatility of each session: GJR-GARCH with Student's t by arch, or EWMA where that fails."""

import warnings
from dataclasses import dataclass

import numpy as np

from kasauti.market.bars import Floats
from kasauti.validation.statistics.blas import one_thread
from kasauti.validation.statistics.ewma import CALMEST, DECAY, ewma_deviation

FEWEST = 500
"""Fewer returns give no GARCH estimate worth its name: two years."""

PERCENT = 100.0  # arch's optimiser wants returns in percent


@dataclass(frozen=True, eq=False)
class Volatility:
    """A variance that follows its returns.

    ``variance' = constant + (past + bad * (shock < 0)) * shock ** 2 + kept * variance``, where a
    shock is a return minus `mean`.

    Attributes
    ----------
    mean, constant, past, bad, kept : float
        Per session, returns as fractions.
    deviation : ndarray of shape (N,), float64
        Standard deviation of each session as known before it, `CALMEST` at least.
    log_likelihood : float
        Of returns in percent; NaN for EWMA.
    note : str
        Why it is not the GARCH model; empty if it is.
    """

    mean: float
    constant: float
    past: float
    bad: float
    kept: float
    deviation: Floats
    log_likelihood: float = np.nan
    degrees: float = np.inf
    note: str = ""

    def next_variance(self, shock: Floats, variance: Floats) -> Floats:
        """Return the variance of the session after one with `shock` and `variance`."""
        weight = self.past + self.bad * (shock < 0.0)
        return self.constant + weight * shock**2 + self.kept * variance


def fit_volatility(returns: Floats, *, asymmetric: bool = True) -> Volatility:
    """Fit GJR-GARCH(1,1,1) with Student's t errors to `returns`, shape (N,), none NaN.

    Parameters
    ----------
    returns : ndarray
        Of each session, as fractions.
    asymmetric : bool
        False fits the plain GARCH(1,1) with normal errors.

    Returns
    -------
    Volatility
        EWMA with a decay of .94, with a note that says so, where there are fewer than `FEWEST`
        returns, the optimiser does not converge, or the variance it finds does not revert.

    References
    ----------
    Glosten, Jagannathan and Runkle (1993); the package arch estimates it.
    """
    if len(returns) < FEWEST or not np.std(returns) > 0.0:
        return _smoothed(returns, f"{len(returns)} sessions are too few for GARCH")
    from arch import arch_model  # 1 s to import

    model = arch_model(
        PERCENT * returns,
        mean="Constant",
        vol="GARCH",
        p=1,
        o=int(asymmetric),
        q=1,
        dist="t" if asymmetric else "normal",
        rescale=False,
    )
    # on more threads BLAS adds in another order, and the optimiser ends a digit elsewhere
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is looked at below
        fitted = model.fit(disp="off", show_warning=False)
    found = fitted.params
    bad = float(found.get("gamma[1]", 0.0))
    past, kept = float(found["alpha[1]"]), float(found["beta[1]"])
    deviation = np.asarray(fitted.conditional_volatility, dtype=np.float64) / PERCENT
    deviation = np.maximum(deviation, CALMEST * np.std(returns))
    if fitted.convergence_flag != 0 or not np.isfinite(deviation).all():
        return _smoothed(returns, "GARCH did not converge")
    if not past + bad / 2.0 + kept < 1.0:
        return _smoothed(returns, "GARCH found a variance that does not revert")
    return Volatility(
        float(found["mu"]) / PERCENT,
        float(found["omega"]) / PERCENT**2,
        past,
        bad,
        kept,
        deviation,
        float(fitted.loglikelihood),
        float(found.get("nu", np.inf)),
    )


def _smoothed(returns: Floats, reason: str) -> Volatility:
    note = f"{reason}: EWMA with a decay of {DECAY} instead"
    mean, deviation = float(np.mean(returns)), ewma_deviation(returns)
    return Volatility(mean, 0.0, 1.0 - DECAY, 0.0, DECAY, deviation, note=note)
