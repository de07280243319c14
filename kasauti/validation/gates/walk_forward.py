"""Gate 2: what is tuned on the past must pay on the next stretch."""

from kasauti.errors import VerdictRefused
from kasauti.validation import walk_forward
from kasauti.validation.gates.model import FEWEST_TRADES, Case, Gate


def examine(case: Case, outcome: walk_forward.WalkForward | VerdictRefused) -> Gate:
    """Judge whether re-tuning on the past pays on the next stretch."""
    if isinstance(outcome, VerdictRefused):
        return Gate("walk_forward", False, str(outcome))
    sessions = case.bars.sessions
    windows = [
        {
            "train_until": str(sessions[piece.window.train_stop - 1]),
            "from": str(sessions[piece.window.test_start]),
            "until": str(sessions[piece.window.test_stop - 1]),
            "trained_sharpe": piece.trained_sharpe,
            "sharpe": piece.traded_sharpe,
            "trades": piece.trades,
            "chosen": piece.chosen.hash,
        }
        for piece in outcome.pieces
    ]
    traded = sum(piece.trades for piece in outcome.pieces)
    figures = {
        "joined_sharpe": outcome.joined_sharpe,
        "trained_sharpe": outcome.trained_sharpe,
        "t": outcome.t,
        "trades": traded,
        "tried": len(outcome.tried),
        "windows": windows,
    }
    joined, trained = outcome.joined_sharpe, outcome.trained_sharpe
    reason = (
        f"re-tuned in {len(windows)} windows it earned a Sharpe of {joined:.2f} on the bars after "
        f"each, against {trained:.2f} on the bars it was tuned on"
    )
    if traded < FEWEST_TRADES:
        reason += f": {traded} trades are too few to say anything"
    elif joined <= 0.0:
        reason += ": it earns nothing where it was not tuned"
    elif not outcome.holds:
        reason += ": less than half is left"
    passed = outcome.holds and traded >= FEWEST_TRADES
    return Gate("walk_forward", passed, reason, figures)
