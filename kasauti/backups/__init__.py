"""Backups of the state folder: taken while everything runs, each proved by restoring it."""
