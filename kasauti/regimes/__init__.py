"""Market regimes: what the market is doing, as far as one could know on that day."""
