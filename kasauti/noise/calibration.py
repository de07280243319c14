"""From worlds without an edge to the threshold of the joined statistic; no world is run here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from kasauti.errors import DataError
from kasauti.market.bars import Floats
from kasauti.noise.pipeline import YEARS, Outcome, settings_for
from kasauti.validation.threshold import (
    RATE,
    SEALED_WEIGHT,
    SEARCHED_WEIGHT,
    NullTail,
    Threshold,
)

FEWEST_WORLDS = 30
RESAMPLES = 500

Names = NDArray[np.str_]

METHOD = (
    "The best candidate of every search is opened, whatever the gates before would have said of "
    "it: they can only lower the rate. Its neighbourhood's t beyond the index over the searched "
    "bars and its own over the sealed ones are taken as independent and normal, with the means of "
    "the market where the joined mean is highest and the deviations within markets; the threshold "
    "is where both together reach the rate. The interval is from resampled worlds."
)


@dataclass(frozen=True, eq=False)
class Statistics:
    """The two t of the best candidates and the market that each world was made from, (N,)."""

    searched: Floats
    sealed: Floats
    market: Names

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> "Statistics":
        """Return those of worlds without an edge; a search without a candidate has none.

        Raises
        ------
        DataError
            An edge was planted, or there are too few.
        """
        if any(one.sharpe for one in outcomes):
            raise DataError("a threshold is calibrated on worlds without an edge only")
        found = [(one.found, one.base) for one in outcomes if one.found is not None]
        if len(found) < FEWEST_WORLDS:
            raise DataError(
                f"{len(found)} worlds with a candidate: a threshold needs {FEWEST_WORLDS}"
            )
        return cls(
            np.array([one.t_searched for one, _ in found]),
            np.array([one.t_sealed for one, _ in found]),
            np.array([market for _, market in found]),
        )

    @property
    def joined(self) -> Floats:
        """The statistic that decides."""
        joined: Floats = SEARCHED_WEIGHT * self.searched + SEALED_WEIGHT * self.sealed
        return joined

    @property
    def worst(self) -> str:
        """The market where luck reaches furthest: nobody trades the average one."""
        names = np.unique(self.market)
        return str(max(names, key=lambda name: self.joined[self.market == name].mean()))

    def tail(self) -> NullTail:
        """Fit both by their moments: the worst market's means, the deviations within markets."""
        there = self.market == self.worst
        return NullTail(
            float(self.searched[there].mean()),
            self._deviation(self.searched),
            float(self.sealed[there].mean()),
            self._deviation(self.sealed),
        )

    def _deviation(self, values: Floats) -> float:
        names, place = np.unique(self.market, return_inverse=True)
        means = np.bincount(place, values) / np.bincount(place)
        squares = float(((values - means[place]) ** 2).sum())
        return math.sqrt(squares / (len(values) - len(names)))

    def resampled(self, rng: np.random.Generator) -> "Statistics":
        """Return as many worlds drawn with replacement."""
        places = rng.integers(len(self.searched), size=len(self.searched))
        return Statistics(self.searched[places], self.sealed[places], self.market[places])


def threshold_of(
    statistics: Statistics, seed: int, rate: float = RATE
) -> tuple[float, tuple[float, float]]:
    """Return the threshold and its 95 % interval."""
    rng = np.random.default_rng([seed, len(statistics.searched)])
    found = [statistics.resampled(rng).tail().threshold(rate) for _ in range(RESAMPLES)]
    low, high = np.quantile(found, (0.025, 0.975))
    return statistics.tail().threshold(rate), (float(low), float(high))


def calibrate(
    outcomes: Sequence[Outcome], *, evaluations: int, seed: int, on: date, code: str
) -> Threshold:
    """Return the artefact that worlds without an edge make.

    Parameters
    ----------
    outcomes : sequence of Outcome
    evaluations : int
        Of each search.
    seed : int
        Of the worlds.
    on : date
    code : str
        Version of the code that ran them.
    """
    statistics = Statistics.of(outcomes)
    threshold, interval = threshold_of(statistics, seed)
    return Threshold(
        threshold=round(threshold, 4),
        interval=(round(interval[0], 4), round(interval[1], 4)),
        rate=RATE,
        tail=statistics.tail(),
        skewness=skewness(statistics.searched),
        worlds=len(statistics.searched),
        evaluations=evaluations,
        years=YEARS,
        min_trades=settings_for(evaluations, 0).min_trades,
        seed=seed,
        market=statistics.worst,
        markets=tuple(sorted({one.base for one in outcomes})),
        generators=tuple(sorted({one.generator for one in outcomes})),
        date=on.isoformat(),
        code=code,
        method=METHOD,
    )


def skewness(values: Floats) -> float:
    """Return the third standardised moment, 0 for a normal law and 1.14 for Gumbel's."""
    standard = (values - values.mean()) / values.std()
    return float(np.mean(standard**3))
