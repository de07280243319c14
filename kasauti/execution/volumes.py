"""How many shares of a bar's volume are there to be had; where nobody reports one, nobody knows."""

from decimal import Decimal

import numpy as np

from kasauti.market.bars import Bars


def volume_of(bars: Bars, row: int, position: int) -> Decimal | None:
    """Return the volume of one bar, None where it is not reported.

    Indices and many files of bars write 0 for that: a symbol that never had a volume up to this bar
    has none reported, while a 0 among others means that nothing was traded.

    Parameters
    ----------
    bars : Bars
    row, position : int
        Of symbol and bar; a negative position counts from the end.
    """
    end = position % bars.shape[1] + 1
    volume = float(bars.volume[row, end - 1])
    reported = bool(np.nansum(bars.volume[row, :end]) > 0)
    return Decimal(repr(volume)) if np.isfinite(volume) and reported else None
