"""Gate 3: each regime is judged by itself; how the labels are made stands in `kasauti.regimes`."""

from typing import Any

import numpy as np

from kasauti.market.bars import Floats
from kasauti.regimes.model import REGIMES, Regime
from kasauti.validation.gates.model import FEWEST_TRADES, Case, Gate
from kasauti.validation.statistics.resampling import Statistic, stationary_bootstrap_interval

FEWEST_REGIMES = 2
"""What has only ever seen one kind of market says nothing of any other."""

LEVEL, RESAMPLES = 0.95, 200
"""An interval's end is the 5th of 200 ordered means: known to about a tenth of its width."""


def examine(case: Case) -> Gate:
    """Score each regime by itself; under 30 trades it is unknown and drops out."""
    codes = case.backtester.labels.codes
    seen = [regime.value for code, regime in enumerate(REGIMES) if (codes == code).any()]
    rows = {regime.value: _row(case, code, regime) for code, regime in enumerate(REGIMES)}
    approved = [name for name, row in rows.items() if row["state"] == "earns"]
    figures = {"regimes": rows, "approved": approved, "seen": seen}
    if len(seen) < FEWEST_REGIMES:
        kinds = f"only one kind of market ({seen[0]})" if seen else "no market that has a name"
        reason = f"the searched bars hold {kinds}: how it fares in another nobody can know"
        return Gate("regimes", False, reason, figures)
    return Gate("regimes", bool(approved), "; ".join(_told(rows, approved)), figures)


def following_returns(case: Case, code: int) -> Floats:
    """Return the account's returns on the bars that follow a bar with the label `code`.

    Their mean is ``Score.regime_mean``: a label is known at a close and acts on the next bar.
    """
    before: Floats = case.returns[1:][case.backtester.labels.codes[:-1] == code]
    return before


def _row(case: Case, code: int, regime: Regime) -> dict[str, Any]:
    trades, mean = case.score.regime_trades[code], case.score.regime_mean[code]
    values = following_returns(case, code)
    moves = len(values) > 1 and float(np.ptp(values)) > 0.0
    interval = _interval(values, np.random.default_rng([case.seed, code])) if moves else None
    known = trades >= FEWEST_TRADES
    if regime not in case.genome.regimes:
        state = "not traded"
    elif not known:
        state = "unknown"
    else:
        state = "earns" if mean > 0.0 else "loses"
    return {
        "trades": trades,
        "bars": len(values),
        "mean_return": mean,
        "t": case.score.regime_t[code],
        "interval": None if interval is None else list(interval),
        "sure": known and interval is not None and not interval[0] <= 0.0 <= interval[1],
        "state": state,
    }


def _interval(values: Floats, rng: np.random.Generator) -> tuple[float, float]:
    found = stationary_bootstrap_interval(values, Statistic.MEAN, LEVEL, rng, reps=RESAMPLES)
    return found.low, found.high


def _told(rows: dict[str, dict[str, Any]], approved: list[str]) -> list[str]:
    parts = []
    if approved:
        parts.append(f"earns in {_and(approved)} markets and may be entered there only")
        luck = [name for name in approved if not rows[name]["sure"]]
        if luck:
            parts.append(f"in {_and(luck)} markets luck alone could have earned that")
    else:
        parts.append("no regime is both known and profitable")
    losing = [name for name, row in rows.items() if row["state"] == "loses"]
    if losing:
        parts.append(f"loses in {_and(losing)} markets")
    unknown = [name for name, row in rows.items() if row["state"] == "unknown"]
    if unknown:
        parts.append(f"unknown, with under {FEWEST_TRADES} trades: {', '.join(unknown)}")
    return parts


def _and(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
