"""Dagster resources: typed configuration and doors to the domain library; nothing clever."""
