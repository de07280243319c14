"""Reads the effective-dated TOML tables in ``data/``; what they mean stands with their users."""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from importlib.resources import files
from typing import Any


def read_table(name: str) -> Mapping[str, Any]:
    """Return the package table `name`, its decimal numbers exact as `Decimal`."""
    text = files("kasauti.market").joinpath("data", name).read_text(encoding="utf-8")
    return tomllib.loads(text, parse_float=Decimal)
