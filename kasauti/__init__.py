"""Kasauti breeds trading strategies, puts each one on trial, and trades only those that hold.

This package is the domain library: no Dagster in it, usable from a notebook.
"""
