"""Which settings of the dials to try next: batches from Optuna; nothing is evaluated here."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kasauti.validation.tuning import Dial

if TYPE_CHECKING:
    import optuna

Places = tuple[int, ...]
"""Position of every dial in its values."""

# TPE weighs every candidate against every trial, dial by dial: 8 candidates instead of 24 cost a
# fifth less, and a handful of trials a window cannot tell them apart.
CANDIDATES = 8


class Proposals:
    """Settings of the dials, drawn at random until trials are told, then where they did best.

    Everything follows from the seed and what was told.

    Parameters
    ----------
    dials : sequence of Dial
        At least one.
    seed : int
    adaptive : bool
        Whether what was told counts: Optuna's TPE over all dials together, else plain chance.

    Notes
    -----
    Positions are continuous to Optuna and cut down to whole ones here: on whole numbers its TPE
    takes twice as long (17 against 7 ms a trial of 14 dials), because it integrates every kernel
    over every step.
    """

    def __init__(self, dials: Sequence[Dial], seed: int, *, adaptive: bool = True) -> None:
        import optuna

        self._sizes = tuple(len(dial.values) for dial in dials)
        self._space: dict[str, optuna.distributions.BaseDistribution] = {
            dial.name: optuna.distributions.FloatDistribution(0.0, len(dial.values))
            for dial in dials
        }
        with _quiet():
            self._study = optuna.create_study(
                direction="maximize", sampler=_sampler(seed, adaptive=adaptive)
            )

    def ask(self, count: int) -> list[Places]:
        """Return `count` settings to try next; two of them may be alike."""
        with _quiet():
            trials = [self._study.ask(self._space) for _ in range(count)]
        return [
            tuple(
                min(int(trial.params[name]), size - 1)
                for name, size in zip(self._space, self._sizes, strict=True)
            )
            for trial in trials
        ]

    def tell(self, found: Iterable[tuple[Places, float]]) -> None:
        """Tell what settings were worth, whoever proposed them; more is better."""
        import optuna

        self._study.add_trials(
            [
                optuna.trial.create_trial(
                    params={
                        name: place + 0.5 for name, place in zip(self._space, places, strict=True)
                    },
                    distributions=self._space,
                    value=worth,
                )
                for places, worth in found
            ]
        )


def _sampler(seed: int, *, adaptive: bool) -> "optuna.samplers.BaseSampler":
    from optuna.samplers import RandomSampler, TPESampler

    if not adaptive:
        return RandomSampler(seed)
    return TPESampler(seed=seed, n_startup_trials=1, n_ei_candidates=CANDIDATES, multivariate=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna's news of every study, and that joint TPE is experimental, off the terminal."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)
