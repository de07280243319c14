"""How good a detector of bear markets was, against hindsight; how one is made stands elsewhere."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from kasauti.errors import DataError
from kasauti.features.indicators import sma
from kasauti.regimes.dating import Floats, HindsightLabels, date_legs
from kasauti.regimes.model import REGIMES, UNKNOWN, OnlineLabels, Regime
from kasauti.regimes.online import TREND

COST = 0.001  # one way, of the 0/1 rule: 10 basis points, as in Shu, Yu and Mulvey (2024)
SESSIONS_A_YEAR = 252
SHELTERS = (Regime.BEAR, Regime.VOLATILE)
"""The states in which the 0/1 rule stays out: most sessions of a crash are volatile, not bear."""


@dataclass(frozen=True)
class DetectorScore:
    """What a detector did in the sessions that it was scored on.

    Attributes
    ----------
    sessions : int
    sensitivity, specificity : float
        Share of the bear sessions that it was out of the market, and of the others that it was in;
        NaN where there were none.
    lag : float
        Median over the legs that begin there, in sessions from the peak to the first session out. A
        leg that it never noticed counts its whole length. NaN without a leg.
    missed : int
        Legs that it never noticed.
    switches : int
    sharpe, max_drawdown : float
        Of the rule that holds the market after a session in and nothing after a session out, `COST`
        a change; annualised, the drawdown negative.
    """

    sessions: int
    sensitivity: float
    specificity: float
    lag: float
    missed: int
    switches: int
    sharpe: float
    max_drawdown: float

    @property
    def balanced_accuracy(self) -> float:
        """Mean of sensitivity and specificity; NaN if either is."""
        return (self.sensitivity + self.specificity) / 2.0

    def row(self) -> dict[str, float | int | str]:
        """Return the figures by name, *unknown* for what is NaN, for a table."""
        figures = {"balanced_accuracy": self.balanced_accuracy, **asdict(self)}
        return {name: "unknown" if one != one else one for name, one in figures.items()}


def score_labels(closes: Floats, labels: OnlineLabels) -> dict[str, DetectorScore]:
    """Score labels, their bear state alone, and the 200-session average beside them.

    Parameters
    ----------
    closes : ndarray of shape (T,)
        Daily closes of the market that was labelled, NaN where there is none.
    labels : OnlineLabels

    Raises
    ------
    DataError
        As `score_detector`, for instance where no label is known.
    """
    hindsight, since = date_legs(closes), first_known(labels)
    traded = ~np.isnan(closes)
    below = np.zeros(len(closes), dtype=np.bool_)
    below[traded] = closes[traded] < sma(closes[traded], TREND)
    answers = {
        "bear or volatile": is_out(labels),
        "bear alone": is_out(labels, (Regime.BEAR,)),
        f"below the {TREND}-day average": below,
    }
    return {name: score_detector(closes, out, hindsight, since) for name, out in answers.items()}


def is_out(labels: OnlineLabels, shelters: tuple[Regime, ...] = SHELTERS) -> NDArray[np.bool_]:
    """Return the bars whose regime is one of `shelters`, shape (T,); never in the warm-up."""
    return np.isin(labels.codes, [REGIMES.index(regime) for regime in shelters])


def first_known(labels: OnlineLabels) -> int:
    """Return the position of the first label after the warm-up, T if there is none."""
    known = labels.codes != UNKNOWN
    return int(known.argmax()) if known.any() else len(known)


def score_detector(
    closes: Floats, out: NDArray[np.bool_], hindsight: HindsightLabels, since: int = 0
) -> DetectorScore:
    """Score what a detector said on each close against what hindsight says.

    Parameters
    ----------
    closes : ndarray of shape (T,)
        Of one market; a session without a close (NaN) is left out.
    out : ndarray of shape (T,), bool
        True where the detector would be out of the market, said on that close.
    hindsight : HindsightLabels
        Of the same closes.
    since : int
        Position of the first session that is scored; the legs that begin before it have no lag.

    Raises
    ------
    DataError
        The lengths differ, or fewer than two sessions are left.
    """
    truth = hindsight.is_bear
    if not len(closes) == len(out) == len(truth):
        raise DataError(
            f"{len(closes)} closes, {len(out)} answers and {len(truth)} hindsight labels: give "
            "them for the same bars"
        )
    scored = np.flatnonzero(~np.isnan(closes))
    scored = scored[scored >= since]
    if len(scored) < 2:
        raise DataError(f"{len(scored)} sessions to score from bar {since} on: give at least two")
    said, was = out[scored], truth[scored]
    returns = closes[scored][1:] / closes[scored][:-1] - 1.0
    lags = [_lag(out, leg.peak, leg.trough) for leg in hindsight.legs if leg.peak >= since]
    lengths = [leg.trough - leg.peak for leg in hindsight.legs if leg.peak >= since]
    noticed = [lag is not None for lag in lags]
    waited = [length if lag is None else lag for lag, length in zip(lags, lengths, strict=True)]
    sharpe, drawdown = _rule(returns, said[:-1])
    return DetectorScore(
        sessions=len(scored),
        sensitivity=_share(said[was]),
        specificity=_share(~said[~was]),
        lag=float(np.median(waited)) if waited else np.nan,
        missed=noticed.count(False),
        switches=int((said[1:] != said[:-1]).sum()),
        sharpe=sharpe,
        max_drawdown=drawdown,
    )


def _share(answers: NDArray[np.bool_]) -> float:
    return float(answers.mean()) if len(answers) else np.nan


def _lag(out: NDArray[np.bool_], peak: int, trough: int) -> int | None:
    """Return the sessions from the peak to the first one out, None if none is before the trough."""
    noticed = np.flatnonzero(out[peak + 1 : trough + 1])
    return int(noticed[0]) + 1 if len(noticed) else None


def _rule(returns: Floats, out: NDArray[np.bool_]) -> tuple[float, float]:
    """Return Sharpe and drawdown of holding the market wherever the session before was not out."""
    held = np.where(out, 0.0, 1.0)
    changes = np.abs(np.diff(held, prepend=held[0]))
    earned = held * returns - COST * changes
    spread = earned.std(ddof=1) if len(earned) > 1 else 0.0
    equity = np.cumprod(1.0 + np.r_[0.0, earned])
    drawdown = float((equity / np.maximum.accumulate(equity) - 1.0).min())
    if not spread > 0.0:
        return np.nan, drawdown
    return float(earned.mean() / spread * np.sqrt(SESSIONS_A_YEAR)), drawdown
