"""The paper venue's morning file, made of what the references know; it judges no order."""

from collections.abc import Iterable
from datetime import date

from kasauti.execution.brokers.matching import WIDEST_BAND, Instrument
from kasauti.execution.references import References


def morning_file(
    symbols: Iterable[str], references: References, completed: date
) -> dict[str, Instrument]:
    """Return what the exchange says of each symbol that is known.

    Parameters
    ----------
    symbols : iterable of str
    references : References
    completed : date
        The last session: an older close is not what the day's band is measured from.
    """
    known = [found for found in map(references, symbols) if found is not None]
    return {
        one.symbol: Instrument(
            one.close if one.day == completed else None,
            WIDEST_BAND if one.band is None else one.band,
            one.closing_auction,
            one.tick,
        )
        for one in known
    }
