"""Measurements against the outside world: run by hand, not tests, not shipped."""
