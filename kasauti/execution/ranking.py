"""Which signal goes first where there are more than slots or cash: one rule for every account."""

from decimal import Decimal


def rank_key(score: Decimal | float, genome_hash: str, symbol: str) -> tuple[Decimal, str, str]:
    """Return the sort key: the higher approved score first, then hash, then symbol.

    Parameters
    ----------
    score : Decimal or float
        NaN ranks last.
    genome_hash, symbol : str
    """
    value = Decimal(str(score))
    return (-value if value.is_finite() else Decimal("Infinity"), genome_hash, symbol)
