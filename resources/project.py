"""The project's settings as Dagster configuration, and the door to the domain's workspace."""

import os
from pathlib import Path
from typing import Any

import dagster as dg

from kasauti.home import Home
from kasauti.workspace import SAMPLE, Source, Workspace


class Project(dg.ConfigurableResource[Any]):
    """Where state lies, which bars are used and how long the search may be."""

    home: str = ""  # empty: KASAUTI_HOME, else var/
    bars: str = ""  # folders, joined by the path separator; empty: KASAUTI_BARS, else the sample
    market: str = "nse"
    index: str = ""
    seed: int = 7
    population: int = 150
    evaluations: int = 3_000
    profile: str = "ultra-conservative"

    def workspace(self) -> Workspace:
        """Return the state folder and the data source that these settings name."""
        home = Home(Path(self.home)) if self.home else Home.from_environment()
        return Workspace(home, self.source())

    def source(self) -> Source:
        """Return the data source that these settings name."""
        bars = self.bars or os.environ.get("KASAUTI_BARS", SAMPLE)
        return Source.of(bars.split(os.pathsep), self.market, self.index or None)
