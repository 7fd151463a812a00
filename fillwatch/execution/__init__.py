"""TRADES: from a signal to a protected position, on top of the engine."""
