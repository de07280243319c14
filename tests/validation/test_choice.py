import numpy as np
import pytest

from kasauti.evolution.outcome import FrontMember
from kasauti.genome import Genome, genome_from_genes, to_text
from kasauti.market.bars import Floats
from kasauti.validation.choice import MOST_CANDIDATES, best
from tests.evolution.test_fitness import GENOME


def member(name: str, entry: str, sharpe: float = 1.0, total_return: float = 0.5) -> FrontMember:
    genome = genome_from_genes(GENOME.to_genes() | {"entry": entry})
    return FrontMember(name, genome, {"sharpe": sharpe, "total_return": total_return})


FRONT = (
    member("a", "close > sma(close, 20)"),
    member("a tuned", "close > sma(close, 50)"),
    member("b", "close > ema(close, 20)"),
    member("loser", "rsi(close, 14) < 30", sharpe=-0.1),
    member("ruin", "rsi(close, 14) > 30", total_return=-0.1),
    member("c", "close > open"),
    member("d", "close > high"),
)


def alike(genome: Genome) -> float:
    return 1.0


def apart(genome: Genome) -> Floats:
    """Return a series of its own for every genome."""
    return np.random.default_rng(int(genome.hash[:8], 16)).standard_normal(1_000)


@pytest.mark.parametrize(
    ("front", "most", "names"),
    [
        pytest.param(FRONT, MOST_CANDIDATES, ["a", "b", "c"], id="three families, best first"),
        pytest.param(FRONT[::-1], 3, ["d", "c", "b"], id="the front's order decides"),
        pytest.param(FRONT, 1, ["a"], id="one"),
        pytest.param(FRONT, 9, ["a", "b", "c", "d"], id="never who lost money or a twin family"),
        pytest.param(FRONT, 0, [], id="none wanted"),
        pytest.param((), 3, [], id="an empty front"),
    ],
)
def test_candidates(front: tuple[FrontMember, ...], most: int, names: list[str]) -> None:
    assert [one.hash for one in best(front, alike, apart, most)] == names


def test_at_most_three_go_to_trial() -> None:
    assert MOST_CANDIDATES == 3


def test_candidates_that_trade_alike_are_one() -> None:
    rng = np.random.default_rng(1)
    first, other, noise = rng.standard_normal((3, 500))
    returns = {
        "close > sma(close, 20)": first,
        "close > ema(close, 20)": first + 0.5 * noise,  # correlation .9 with the first
        "close > open": first + 1.5 * noise,  # correlation .55
        "close > high": other,
    }
    chosen = best(FRONT, alike, lambda genome: returns[to_text(genome.entry)])
    assert [one.hash for one in chosen] == ["a", "c", "d"]


def test_merit_decides_before_the_order_of_the_front() -> None:
    merits = {"close > sma(close, 20)": 2.0, "close > sma(close, 50)": 3.0, "close > open": 9.0}
    chosen = best(FRONT, lambda genome: merits.get(to_text(genome.entry), 1.0), apart)
    assert [one.hash for one in chosen] == ["c", "a tuned", "b"]


def test_the_whole_front_is_looked_at() -> None:
    front = [member(str(n), f"close > sma(close, {n + 2})") for n in range(50)]
    chosen = best(front, lambda genome: float(to_text(genome.entry).strip(")").split()[-1]), apart)
    assert [one.hash for one in chosen] == ["49"]
