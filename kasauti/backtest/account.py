"""What a backtest trades with: capital, charges, slippage and the dialect; nothing is simulated."""

from dataclasses import dataclass
from enum import StrEnum

from kasauti.errors import UsageError
from kasauti.market.charges import NSE_CHARGES, ChargeSchedule


class Dialect(StrEnum):
    """Which simulator a strategy runs through, see `kasauti.backtest.kernel`."""

    KASAUTI = "kasauti"
    VECTORBT = "vectorbt"


@dataclass(frozen=True)
class Slippage:
    """How much worse than the printed price an order fills, as a fraction of that price.

    ``half_spread + impact * sqrt(quantity / mean volume of the 20 bars before)``, at most
    `kasauti.backtest.tape.LARGEST_SLIPPAGE`.

    Attributes
    ----------
    half_spread : float
        Half of the bid-ask spread; 5 basis points by default.
    impact : float
        Fraction of the price that an order of one bar's whole volume moves it by. The square-root
        law puts it near one day's volatility, 2 % for a liquid NSE share: an order of 1 % of the
        volume then costs 20 basis points.
    """

    half_spread: float = 0.0005
    impact: float = 0.02

    def __post_init__(self) -> None:
        for name, value in (("half spread", self.half_spread), ("impact", self.impact)):
            if not 0.0 <= value < 1.0:
                raise UsageError(f"the {name} is {value}: give a fraction of the price in [0, 1)")


NO_SLIPPAGE = Slippage(0.0, 0.0)


@dataclass(frozen=True)
class Account:
    """One account; a score gives every symbol its own.

    Attributes
    ----------
    capital : float
        Rupees at the start.
    charges : ChargeSchedule
    slippage : Slippage
    """

    capital: float = 1_000_000.0
    charges: ChargeSchedule = NSE_CHARGES
    slippage: Slippage = Slippage()

    def __post_init__(self) -> None:
        if not 0.0 < self.capital < float("inf"):
            raise UsageError(f"the capital is {self.capital}: give a positive number of rupees")
