"""Bases for the tests of this folder: real bars, fitted once."""

from functools import cache

from kasauti.market.sources import load_folder, load_sample
from kasauti.noise.worlds import Base
from tests.shared_data import SHARED


@cache
def nasdaq() -> Base:
    return Base.of(load_sample().bars, "NASDAQ")


@cache
def nifty() -> Base:
    return Base.of(load_folder([SHARED / "market" / "nse_index"], index="NIFTY50").bars, "NIFTY50")
