"""Values of expressions over bars: indicators, candle patterns, and the proof of causality."""
