"""Genes that several tests trade; no bars."""

from typing import Any

HOLD: dict[str, Any] = {
    "entry": "close > 0 * close",
    "exit": "close < 0 * close",
    "side": "long",
    "stop": {"fraction": 0.99},
    "regimes": ["bull", "bear", "sideways", "volatile"],
    "risk": 1.0,
}
"""Buys on the first bar and holds: the stop is out of reach, so risk is about the share."""

REVERSAL: dict[str, Any] = {
    "entry": "roc(close, 1) < -0.5",
    "exit": "roc(close, 1) > 0",
    "side": "long",
    "stop": {"fraction": 0.05},
    "max_bars": 5,
    "regimes": ["bull", "bear", "sideways", "volatile"],
    "risk": 0.03,
}
"""Buys a fall until the next rise: what `plant_edge` pays for."""
