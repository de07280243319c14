"""One strategy written by hand to show the way where none was approved; it is no advice.

It buys a five-day dip with a 4 % stop and sells into the recovery. It was chosen because it trades
on many days of the sample, its last weeks included, and because one share of the S&P 500 risks
about 100 of the account, so that the smallest profile can take it. Over the whole sample it loses
money after costs, and its verdict says so.
"""

from kasauti.genome import Genome, genome_from_genes

LABEL = "reference strategy: written by hand, NOT approved, shown on the replay clock only"

GENES = {
    "entry": "rsi(close, 5) < 30",
    "exit": "rsi(close, 5) > 60",
    "side": "long",
    "stop": {"fraction": 0.04},
    "max_bars": 15,
    "regimes": ["bull", "bear", "sideways", "volatile"],
    "risk": 0.03,  # ₹150 of ₹5,000, the profile's most; at 1 % not one share could be bought
}


def reference_strategy() -> Genome:
    """Return the reference strategy's genome."""
    return genome_from_genes(GENES)
