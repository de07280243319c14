"""Bars, sessions and holidays, instruments, charges; what is made of them lives elsewhere."""
