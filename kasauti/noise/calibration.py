"""From worlds without an edge to the threshold of the joined statistic; no world is run here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

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
METHOD = (
    "The best candidate of every search is opened, whatever the gates before would have said of "
    "it: they can only lower the rate. Its neighbourhood's t beyond the index over the searched "
    "bars and its own over the sealed ones are taken as independent and normal with the moments "
    "measured; the threshold is where both together reach the rate. The interval is from "
    "resampled worlds."
)


@dataclass(frozen=True, eq=False)
class Statistics:
    """The two t of the best candidates, each of shape (N,)."""

    searched: Floats
    sealed: Floats

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
        found = [one.found for one in outcomes if one.found is not None]
        if len(found) < FEWEST_WORLDS:
            raise DataError(
                f"{len(found)} worlds with a candidate: a threshold needs {FEWEST_WORLDS}"
            )
        return cls(
            np.array([one.t_searched for one in found]), np.array([one.t_sealed for one in found])
        )

    @property
    def joined(self) -> Floats:
        """The statistic that decides."""
        joined: Floats = SEARCHED_WEIGHT * self.searched + SEALED_WEIGHT * self.sealed
        return joined

    def tail(self) -> NullTail:
        """Fit both by their moments."""
        return NullTail(
            float(self.searched.mean()),
            float(self.searched.std(ddof=1)),
            float(self.sealed.mean()),
            float(self.sealed.std(ddof=1)),
        )

    def resampled(self, rng: np.random.Generator) -> "Statistics":
        """Return as many worlds drawn with replacement."""
        places = rng.integers(len(self.searched), size=len(self.searched))
        return Statistics(self.searched[places], self.sealed[places])


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
