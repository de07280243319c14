"""The calibrated threshold of the joined statistic, read from its recorded artefact; none is made.

`kasauti calibrate` makes the artefact, from worlds without an edge.
"""

import json
import math
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from kasauti.errors import DataError
from kasauti.validation.statistics.sample import normal_quantile

ARTEFACT = "threshold.json"
SEARCHED_WEIGHT, SEALED_WEIGHT = 0.9, 0.436
"""Of the two t: about the roots of .8 and .2, their shares of the bars."""

RATE = 0.001
"""Of false approvals, for the first opening of a data set, in the market where luck reaches
furthest. The design allows .0025; but the published certificate must show none in 300 worlds."""


@dataclass(frozen=True)
class NullTail:
    """The two t of the best candidate of a search where there is no edge.

    Both are normal and know nothing of each other, fitted by their moments. The searched one is
    the largest of many, but those lean on each other and no two worlds are alike: its skewness is
    near 0 and recorded with the artefact, where Gumbel's law of maxima would have 1.14.

    Attributes
    ----------
    searched_mean, searched_deviation : float
    sealed_mean, sealed_deviation : float
    """

    searched_mean: float
    searched_deviation: float
    sealed_mean: float
    sealed_deviation: float

    def threshold(self, rate: float) -> float:
        """Return what the joined t reaches with the chance `rate`."""
        if not 0.0 < rate < 1.0:
            raise DataError(f"a false-approval rate of {rate}: give a small one above 0")
        mean = joined_t(self.searched_mean, self.sealed_mean)
        deviation = math.hypot(
            SEARCHED_WEIGHT * self.searched_deviation, SEALED_WEIGHT * self.sealed_deviation
        )
        return mean + normal_quantile(1.0 - rate) * deviation


def joined_t(searched: float, sealed: float) -> float:
    """Return the one value that decides about luck, of searched and sealed bars together."""
    return SEARCHED_WEIGHT * searched + SEALED_WEIGHT * sealed


@dataclass(frozen=True)
class Threshold:
    """The artefact.

    Attributes
    ----------
    threshold : float
        Of the joined t, for the first opening.
    interval : (float, float)
        95 %, from resampled worlds.
    rate : float
        False approvals that it allows.
    tail : NullTail
    skewness : float
        Of the searched t.
    worlds : int
        Without an edge, that it rests on.
    evaluations, years, min_trades : int
        Of each search; void for larger ones.
    seed : int
    market : str
        Where luck reaches furthest: the tail is that market's.
    markets, generators : tuple of str
    date, code : str
        When and with which version of the code it was made.
    method : str
    """

    threshold: float
    interval: tuple[float, float]
    rate: float
    tail: NullTail
    skewness: float
    worlds: int
    evaluations: int
    years: int
    min_trades: int
    seed: int
    market: str
    markets: tuple[str, ...]
    generators: tuple[str, ...]
    date: str
    code: str
    method: str

    def after(self, openings: int, trials: int = 0) -> float:
        """Return the threshold when `openings` others have had their chance on the same bars.

        k openings divide the error rate by k, and so do k times as many trials as one search of
        the calibration made: each of its size was a chance to be lucky.
        """
        chances = max(openings + 1, trials // self.evaluations)
        return self.threshold if chances == 1 else self.tail.threshold(self.rate / chances)

    @property
    def name(self) -> str:
        """What it is, in words."""
        return (
            f"calibrated on {self.date} on {self.worlds} worlds without an edge made from "
            f"{', '.join(self.markets)}, {self.evaluations:,} strategies searched in each"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the artefact's content."""
        weights = {"searched": SEARCHED_WEIGHT, "sealed": SEALED_WEIGHT}
        return {"weights": weights, **asdict(self)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Threshold":
        """Return the artefact that `to_json` described.

        Raises
        ------
        DataError
            It was made for other weights, or something is missing.
        """
        made_for = content.get("weights")
        if made_for != {"searched": SEARCHED_WEIGHT, "sealed": SEALED_WEIGHT}:
            raise DataError(
                f"{ARTEFACT} was made for {made_for}, not for the statistic in use: run "
                "`kasauti calibrate` again"
            )
        try:
            return cls(
                **{name: content[name] for name in _PLAIN},
                interval=(float(content["interval"][0]), float(content["interval"][1])),
                tail=NullTail(**content["tail"]),
                markets=tuple(content["markets"]),
                generators=tuple(content["generators"]),
            )
        except (KeyError, TypeError, IndexError) as missing:
            raise DataError(
                f"{ARTEFACT} is not complete ({missing}): run `kasauti calibrate` again"
            ) from missing


_PLAIN = (
    *("threshold", "rate", "skewness", "worlds", "evaluations", "years", "min_trades", "seed"),
    *("date", "code", "method", "market"),
)


@cache
def recorded() -> Threshold:
    """Return the artefact that ships with the project."""
    text = files("kasauti.validation").joinpath("data", ARTEFACT).read_text("utf-8")
    return Threshold.from_json(json.loads(text))
