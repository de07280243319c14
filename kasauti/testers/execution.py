"""The execution tester: could these trades have been made, by whom, and who earned on them."""

from dataclasses import dataclass

import numpy as np

from kasauti.genome.model import Side
from kasauti.market.bars import Booleans
from kasauti.testers.exam import Exam
from kasauti.testers.model import Bound, Check, Evidence, Opinion, check, opinion, refusal
from kasauti.testers.uses import gene_uses, listed_genes

NAME = "execution"

# Flat at a close, in at the next open, out at the one after: a trade every two bars is the most
# that a rule can do without stops. At nine tenths of that it is always in a trade and decides
# nothing.
TRADES_A_BAR = Bound(0.45, 0.25)
CHARGES = Bound(0.75, 0.30)  # of the gross profit; three rupees of four for broker and state
VOLUME = Bound(0.10, 0.01)  # of a day's volume; 10 % is what SEBI's stress tests allow a fund
BUSY = 0.95  # the share of trades that must fit into the volume
AFFORDABLE = Bound(0.0, 0.5, blocks=False)  # of the signals, in the best profile; a tier decides
GAPS = Bound(
    2.0, 1.2
)  # loss at a stop over the planned one: at twice the plan the stop is a fiction
FEWEST_STOPS = 10  # of fewer stop exits the mean is chance
LAPSED = Bound(0.5, 0.05, blocks=False)  # of the signals; what was traded was honestly traded
OVERNIGHT_SHORTS = Bound(1.0, 0.0)  # trades; one that the market forbids is one too many


@dataclass(frozen=True)
class ExecutionEvidence(Evidence):
    """What the execution tester measured; a gene's figure is the bars held where it acted.

    Attributes
    ----------
    trades_a_year : float
        Closed ones, of all symbols together.
    trades_a_bar : float
        Of one symbol, on the bars that it has.
    mean_held : float
        Bars.
    charges, charges_share : float
        Rupees paid on closed trades, and their share of the profit before charges; 1 where there
        is no such profit.
    volume_share : float or None
        Part of the mean volume of the 20 bars before that 95 % of entries stay under; None where
        no volume is known.
    profiles : tuple of (str, float, int, int)
        Capital profile, its capital, signals, and how many bought at least one share.
    stops, gapped : int
        Stop exits, and those that lost over a tenth more than planned.
    stop_loss : float
        Mean loss at a stop over the planned one; 0 without any.
    lapsed : float
        Share of the bars with an entry signal whose next bar cannot be filled on.
    without_volume : int
        Fills without a known volume, so without an impact.
    overnight_shorts, square_offs : int
        Shorts held over a close, and shorts that the session's end closed.
    """

    trades_a_year: float
    trades_a_bar: float
    mean_held: float
    charges: float
    charges_share: float
    volume_share: float | None
    profiles: tuple[tuple[str, float, int, int], ...]
    stops: int
    gapped: int
    stop_loss: float
    lapsed: float
    without_volume: int
    overnight_shorts: int
    square_offs: int


def examine(exam: Exam) -> Opinion:
    """Return the execution tester's opinion."""
    if exam.unmeasurable is not None:
        return refusal(NAME, exam.unmeasurable, Evidence(listed_genes(exam.genome)))
    evidence = measure(exam)
    return opinion(NAME, questions(exam, evidence), evidence)


def measure(exam: Exam) -> ExecutionEvidence:
    """Return the figures of a genome that traded."""
    trades = exam.trades
    gross = float((trades.profit + trades.charges).sum())
    paid = float(trades.charges.sum())
    stopped = trades.ended_by("stop")
    overshoot = _lost_at_exit(exam)[stopped]
    known = int(np.isfinite(exam.bars.close).sum())
    sessions = exam.bars.sessions
    overnight = sessions[trades.entry_bar] != sessions[trades.exit_bar]
    is_short = exam.genome.side is Side.SHORT

    def mean_held(_: str, touched: Booleans) -> float:
        return float(trades.held[touched].mean())

    return ExecutionEvidence(
        genes=gene_uses(exam, mean_held),
        trades_a_year=len(trades) / exam.years,
        trades_a_bar=len(trades) / known,
        mean_held=float(trades.held.mean()),
        charges=paid,
        charges_share=min(paid / gross, 1.0) if gross > 0.0 else 1.0,
        volume_share=_volume_share(exam),
        profiles=tuple(
            (row["profile"], row["capital"], row["signals"], row["bought"])
            for row in exam.case.affordable
        ),
        stops=int(stopped.sum()),
        gapped=int((overshoot > 1.1).sum()),
        stop_loss=float(overshoot.mean()) if len(overshoot) else 0.0,
        lapsed=_lapsed(exam),
        without_volume=sum(one.without_volume for one in exam.passes.outcomes),
        overnight_shorts=int(overnight.sum()) if is_short else 0,
        square_offs=int(trades.ended_by("square_off").sum()),
    )


def _lost_at_exit(exam: Exam) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the loss of each trade before charges as a multiple of the planned one."""
    trades = exam.trades
    lost = exam.side * (trades.entry_price - trades.exit_price) / trades.entry_price
    multiple: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = lost / trades.planned
    return multiple


def _volume_share(exam: Exam) -> float | None:
    trades = exam.trades
    volume = exam.case.backtester.panel.mean_volume[trades.row, trades.entry_bar]
    known = volume > 0.0
    if not known.any():
        return None
    return float(np.quantile(trades.quantity[known] / volume[known], BUSY))


def _lapsed(exam: Exam) -> float:
    """Return the share of entry signals, the last bar's left out, that meet a bar without prices.

    Signals before a symbol lists are none: its close is undefined there.
    """
    signals = exam.decided[0][:, :-1]
    count = int(signals.sum())
    return float((signals & ~exam.case.backtester.panel.whole[:, 1:]).sum()) / max(count, 1)


def questions(exam: Exam, found: ExecutionEvidence) -> list[Check]:
    """Hold the figures against this tester's bounds."""
    names = "; ".join(
        f"₹{capital:,.0f} buys {bought} of {signals}"
        for _, capital, signals, bought in found.profiles
    )
    shares = [bought / signals for _, _, signals, bought in found.profiles if signals]
    forbidden = 0 if exam.case.backtester.market.daily_shorts else found.overnight_shorts
    return [
        check(
            "trading",
            found.trades_a_bar,
            TRADES_A_BAR,
            f"it makes {found.trades_a_year:.0f} trades a year and holds each for "
            f"{found.mean_held:.1f} bars"
            + (": it trades nearly every bar" if found.trades_a_bar >= TRADES_A_BAR.bad else ""),
        ),
        check(
            "charges",
            found.charges_share,
            CHARGES,
            f"charges take {found.charges_share:.0%} of what it earns before them",
        ),
        check(
            "volume",
            found.volume_share,
            VOLUME,
            "no volume is known, so nobody can say whether the market could have taken its orders"
            if found.volume_share is None
            else f"its larger orders are {found.volume_share:.2%} of a usual day's volume",
        ),
        check(
            "affordable",
            max(shares, default=0.0),
            AFFORDABLE,
            f"of its signals, those that buy at least one share: {names}",
        ),
        check(
            "gaps",
            found.stop_loss if found.stops >= FEWEST_STOPS else GAPS.fine,
            GAPS,
            f"{found.gapped} of {found.stops} stops were gapped through; a stop cost "
            f"{found.stop_loss:.1f} times what was planned",
        ),
        check(
            "lapsed",
            found.lapsed,
            LAPSED,
            f"{found.lapsed:.0%} of its signals came before a bar without an opening price, where "
            "nothing can be bought",
        ),
        check(
            "overnight shorts",
            float(forbidden),
            OVERNIGHT_SHORTS,
            f"{forbidden} short positions were held overnight, which this market forbids"
            if forbidden
            else "it holds no position overnight that this market forbids",
        ),
    ]
