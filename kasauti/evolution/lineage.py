"""Where a strategy comes from, as the register tells it: its ancestors and its strongest line."""

from collections import Counter
from dataclasses import dataclass
from math import nan

from kasauti.evolution.register import TrialRegister
from kasauti.evolution.trials import Trial


@dataclass(frozen=True)
class Kin:
    """One strategy in a family tree.

    Attributes
    ----------
    genome : str
    generation : int
        0 for a founder and for what was not bred.
    operator : str
        How it was made: ``founder``, ``mate`` ...; empty where nobody said.
    parents : tuple of str
    children : int
        Of this tree.
    sharpe : float
        When it was tried; NaN where that was not kept.
    on_line : bool
        Whether it stands on the line that follows the parent with the higher Sharpe.
    """

    genome: str
    generation: int
    operator: str
    parents: tuple[str, ...]
    children: int
    sharpe: float
    on_line: bool


def family_of(register: TrialRegister, genome: str, dataset: str) -> tuple[Kin, ...]:
    """Return `genome` itself and its ancestors, nearest first.

    Raises
    ------
    LedgerError
        The genome was never tried on this data set.
    """
    trials = register.ancestry(genome, dataset)
    known = {trial.genome: trial for trial in trials}
    line = _strongest_line(known, trials[0])
    children = Counter(parent for trial in trials for parent in set(trial.parents))
    return tuple(
        Kin(
            trial.genome,
            trial.generation or 0,
            trial.operator or "",
            trial.parents,
            children[trial.genome],
            _sharpe(trial),
            trial.genome in line,
        )
        for trial in trials
    )


def _strongest_line(known: dict[str, Trial], youngest: Trial) -> set[str]:
    line = {youngest.genome: None}
    here = youngest
    while True:
        older = [known[name] for name in here.parents if name in known and name not in line]
        if not older:
            return set(line)
        here = max(older, key=lambda trial: (_rank(trial), trial.genome))
        line[here.genome] = None


def _rank(trial: Trial) -> float:
    sharpe = _sharpe(trial)
    return sharpe if sharpe == sharpe else float("-inf")


def _sharpe(trial: Trial) -> float:
    found = trial.figures.get("sharpe")
    return nan if found is None else float(found)
