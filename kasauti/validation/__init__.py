"""The trial: seal, statistics, walk-forward, stress, verdict and approval."""
