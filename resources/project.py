"""The project's settings as Dagster configuration, and the door to the domain's workspace."""

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from kasauti.home import Home

if TYPE_CHECKING:  # imported where it is needed: a code location has to load within 3 s
    import numpy as np

    from kasauti.evolution.outcome import SearchSettings
    from kasauti.market.bars import Bars
    from kasauti.market.calendar import Calendar
    from kasauti.trading import ReplayDesk
    from kasauti.validation.seal import Admitted
    from kasauti.workspace import Gathered, Source, Workspace


class Project(dg.ConfigurableResource[Any]):
    """Where state lies, which bars are used, how long the search may be, what may be risked."""

    home: str = ""  # empty: KASAUTI_HOME, else var/
    bars: str = ""  # folders, joined by the path separator; empty: KASAUTI_BARS, else the sample
    market: str = "nse"
    index: str = ""
    seed: int = 7
    population: int = 150
    evaluations: int = 2_000
    profile: str = ""  # empty: KASAUTI_PROFILE, as the desk reads it, else the default

    def workspace(self) -> "Workspace":
        """Return the state folder and the data source that these settings name."""
        from kasauti.workspace import Workspace

        home = Home(Path(self.home)) if self.home else Home.from_environment()
        return Workspace(home, self.source())

    def source(self) -> "Source":
        """Return the data source that these settings name."""
        from kasauti.workspace import SAMPLE, Source

        bars = self.bars or os.environ.get("KASAUTI_BARS", SAMPLE)
        return Source.of(bars.split(os.pathsep), self.market, self.index or None)

    def search_settings(self) -> "SearchSettings":
        """Return how the search is run."""
        from kasauti.evolution.outcome import SearchSettings

        return SearchSettings(
            seed=self.seed, evaluations=self.evaluations, population=self.population
        )

    def generator(self) -> "np.random.Generator":
        """Return the generator of everything random in checks."""
        import numpy as np

        return np.random.default_rng(self.seed)

    def calendar(self) -> "Calendar":
        """Return the sessions of the market whose bars are used."""
        from kasauti.market.markets import get_market
        from kasauti.workspace import SAMPLE

        return get_market(SAMPLE if self.source().is_sample else self.market).calendar

    def now(self) -> datetime:
        """Return the machine's time, at the exchange; what is done for the record carries it."""
        from kasauti.execution.clock import SystemClock
        from kasauti.market.markets import get_market

        return SystemClock(get_market(self.market).zone).now()

    def gathered(self) -> "Gathered":
        """Return the source's bars with what is to be known of them."""
        return self.workspace().gather()

    def admitted(self) -> "Admitted":
        """Return the bars as the vault hands them out."""
        return self.workspace().admit(self.gathered().bars, self.now())

    def desk(self) -> "ReplayDesk":
        """Return the replay of the sample, or the desk of own bars that shows signals only."""
        from kasauti.own_bars import ForwardDesk
        from kasauti.trading import ReplayDesk

        space, admitted = self.workspace(), self.admitted()
        if space.source.is_sample:
            return ReplayDesk(space, admitted, self._profile())
        return ForwardDesk(space, admitted, self._profile(), self.now())

    def _profile(self) -> str:
        from kasauti.execution.custom_limits import profile_name

        return self.profile or profile_name(os.environ)

    def searched(self) -> "Bars":
        """Return the searched bars as the lake has them."""
        return self.workspace().lake.read_bars("market/bars")
