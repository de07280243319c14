"""Gate 3: each regime is judged by itself."""

from kasauti.regimes.model import REGIMES
from kasauti.validation.gates.model import FEWEST_TRADES, Case, Gate


def examine(case: Case) -> Gate:
    """Score each regime by itself; under 30 trades it is unknown and drops out."""
    rows, approved, unknown = {}, [], []
    for regime, mean, t, trades in zip(
        REGIMES,
        case.score.regime_mean,
        case.score.regime_t,
        case.score.regime_trades,
        strict=True,
    ):
        if regime not in case.genome.regimes:
            state = "not traded"
        elif trades < FEWEST_TRADES:
            state = "unknown"
            unknown.append(regime.value)
        else:
            state = "earns" if mean > 0.0 else "loses"
            if mean > 0.0:
                approved.append(regime.value)
        error = abs(mean / t) if t else None
        rows[regime.value] = {
            "trades": trades,
            "mean_return": mean,
            "t": t,
            "interval": None if error is None else [mean - 1.96 * error, mean + 1.96 * error],
            "state": state,
        }
    figures = {"regimes": rows, "approved": approved}
    if approved:
        reason = f"earns in {', '.join(approved)} markets and may be entered there only"
    else:
        reason = "no regime is both known and profitable"
    if unknown:
        reason += f"; unknown, with under {FEWEST_TRADES} trades: {', '.join(unknown)}"
    return Gate("regimes", bool(approved), reason, figures)
