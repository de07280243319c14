"""Definitions, jobs, schedules, sensors and the commands that need Dagster."""
