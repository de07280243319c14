"""The best setting of a genome's dials on each of many stretches of bars; what follows is not here.

The first trials of every stretch are the same, the genome's own numbers and settings drawn at
random, so one pass of the engine scores them on all stretches; then Optuna proposes a few more from
what these were worth. Stretches with the same end share them: told is what the longest one showed,
nothing of which is later than that end.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from kasauti.backtest import Backtester
from kasauti.genome import Genome
from kasauti.genome.codes import Population
from kasauti.market.bars import Floats
from kasauti.validation.proposals import Places, Proposals
from kasauti.validation.tuning import Dial, setting, turned

Stretch = tuple[int, int]

TRIALS = 25
"""A stretch; the certificate allows 30."""
ADAPTIVE = 5
"""Every fifth trial follows what the others were worth. Optuna takes 7 ms for such a trial of 14
dials, more than the engine for 100 backtests. On 11 genomes of the sample the mean Sharpe ratio in
training was .02 with their own numbers, .49 after 25 trials at random, .51 after 20 and 5 more of
this kind, and .51 after 13 and 12."""
FEWEST_TRADES = 10
"""In training; a Sharpe ratio of fewer tunes to luck. Nor is a setting chosen that trades less than
half as often as the genome itself: it would be another strategy, and too rare to be judged."""
REACH = 4
"""Steps on its values that a dial may be turned, up or down. A handful of trials over all values of
a dozen dials finds no genome that resembles this one, so its own numbers would always win."""
_WORTHLESS = -1e9  # to Optuna, which wants a number


@dataclass(frozen=True)
class Choice:
    """The best setting on one stretch, and its annualised Sharpe ratio there."""

    places: Places
    genome: Genome
    sharpe: float


@dataclass(frozen=True)
class Retuned:
    """What was chosen on each stretch.

    Attributes
    ----------
    choices : mapping of (int, int) to Choice
    drawn : tuple of Genome
        The genome itself, then those that were drawn before anything was seen.
    tried : tuple of Genome
        Every distinct genome that was tried, the genome itself first.
    """

    choices: dict[Stretch, Choice]
    drawn: tuple[Genome, ...]
    tried: tuple[Genome, ...]


class Settings:
    """The genomes behind settings of the dials, each made once; a setting may be no genome.

    Parameters
    ----------
    genome : Genome
    dials : sequence of Dial
        All their values; only those within `REACH` steps of the genome's own are used.
    """

    def __init__(self, genome: Genome, dials: Sequence[Dial]) -> None:
        self.dials = tuple(dial.within(REACH) for dial in dials)
        self._genome = genome
        self._known: dict[Places, Genome | None] = {self.own: genome}

    @property
    def own(self) -> Places:
        """The genome's own setting."""
        return tuple(dial.values.index(dial.current) for dial in self.dials)

    def legal(self, batch: Iterable[Places]) -> dict[Places, Genome]:
        """Return the genomes of those settings that are one, each once, in order."""
        found = {places: self._of(places) for places in batch}
        return {places: one for places, one in found.items() if one is not None}

    def _of(self, places: Places) -> Genome | None:
        if places not in self._known:
            self._known[places] = turned(self._genome, setting(self.dials, places))
        return self._known[places]


def retune(
    backtester: Backtester,
    settings: Settings,
    stretches: Sequence[Stretch],
    *,
    seed: int = 0,
    trials: int = TRIALS,
) -> Retuned:
    """Return the best of `trials` settings on each of `stretches`.

    Parameters
    ----------
    backtester : Backtester
    settings : Settings
        The genome's own one is the first trial, and wins a tie.
    stretches : sequence of (int, int)
        Distinct; first bar and end.
    seed : int
    trials : int
        At least 1.

    Notes
    -----
    Where no setting closes `FEWEST_TRADES` trades, the genome's own is chosen for what it is.
    """
    later = trials // ADAPTIVE
    draws = Proposals(settings.dials, seed, adaptive=False).ask(trials - later - 1)
    drawn = settings.legal([settings.own, *draws])
    sharpe, trades = _score(backtester, drawn, stretches)
    least = np.maximum(FEWEST_TRADES, trades[:, :1] / 2)
    worth = np.where(trades >= least, sharpe, _WORTHLESS)
    first = [dict(zip(drawn, row, strict=True)) for row in worth.tolist()]
    illegal = {places: _WORTHLESS for places in draws if places not in drawn}

    asked: dict[int, list[Places]] = {}
    for k, stop in _longest(stretches):
        proposals = Proposals(settings.dials, seed + 1 + len(asked))
        proposals.tell((first[k] | illegal).items())
        asked[stop] = proposals.ask(later)
    proposed = settings.legal(places for batch in asked.values() for places in batch)
    then = np.empty((len(stretches), 0))
    if proposed:
        later_sharpe, later_trades = _score(backtester, proposed, stretches)
        then = np.where(later_trades >= least, later_sharpe, _WORTHLESS)

    choices = {}
    for k, stretch in enumerate(stretches):
        mine = dict(zip(proposed, then[k].tolist(), strict=True))
        found = first[k] | {places: mine[places] for places in asked[stretch[1]] if places in mine}
        best = max(found, key=lambda places: found[places])
        if found[best] <= _WORTHLESS:
            best, found[best] = settings.own, float(sharpe[k, 0])
        choices[stretch] = Choice(best, settings.legal([best])[best], found[best])
    return Retuned(choices, tuple(drawn.values()), tuple((drawn | proposed).values()))


def _longest(stretches: Sequence[Stretch]) -> list[tuple[int, int]]:
    """Return position and end of the longest stretch of each end: Optuna is told its worth."""
    found: dict[int, int] = {}
    for k, (start, stop) in enumerate(stretches):
        if stop not in found or start < stretches[found[stop]][0]:
            found[stop] = k
    return [(k, stop) for stop, k in found.items()]


def _score(
    backtester: Backtester, genomes: dict[Places, Genome], stretches: Sequence[Stretch]
) -> tuple[Floats, Floats]:
    """Return Sharpe ratio and closed trades of every genome on every stretch, (K, N) each."""
    scores = backtester.scores_over(Population.of(genomes.values()), stretches)
    sharpe = np.array([one.sharpe for one in scores])
    return sharpe, np.array([one.trades for one in scores], dtype=np.float64)
