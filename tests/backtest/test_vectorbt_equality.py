"""Our `vectorbt` dialect against vectorbt 1.2 itself, trade for trade, on real bars."""

import random
import sys
from collections import Counter
from dataclasses import replace
from functools import cache
from typing import Any, cast

import numpy as np
import pytest

from kasauti.backtest import NO_SLIPPAGE, Account, Backtester, Dialect
from kasauti.backtest import second_opinion as opinion
from kasauti.backtest.second_opinion import Comparison, compare
from kasauti.backtest.vectorbt_call import Engine
from kasauti.backtest.vectorbt_dialect import expressible
from kasauti.genome import Distance, DistanceKind, Genome, Side
from kasauti.genome.breeding import random_genome
from kasauti.market.bars import Bars
from kasauti.market.charges import NO_CHARGES
from tests.backtest import real_bars
from tests.backtest.damage import damaged

ENGINES: tuple[Engine, ...] = ("numba", "rust")
DRAWN = {"NIFTY50 2000-2022": 800, "four NSE stocks": 600, "the same with holes": 200}


def bars_of(name: str) -> Bars:
    if name.startswith("NIFTY50"):
        return real_bars.indices().select(("NIFTY50",))
    return real_bars.stocks() if name.startswith("four") else damaged(real_bars.stocks(), seed=11)


@cache
def drawn(seed: int, count: int) -> tuple[Genome, ...]:
    """Random genomes of both sides; a third of the trails is narrowed to what vectorbt can say."""
    rng = random.Random(seed)
    genomes = []
    for _ in range(count):
        genome = replace(random_genome(rng), side=rng.choice(tuple(Side)))
        if genome.stop.kind is DistanceKind.FRACTION and rng.random() < 0.33:
            narrower = Distance(DistanceKind.FRACTION, genome.stop.value * 0.8)
            genome = replace(genome, trail=narrower)
        genomes.append(genome)
    return tuple(genomes)


@cache
def compared(name: str, engine: Engine) -> Comparison:
    seed = list(DRAWN).index(name)
    return compare(drawn(seed, DRAWN[name]), bars_of(name), engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", DRAWN, ids=DRAWN.keys())
def test_every_trade_and_figure_equals_vectorbts(name: str, engine: Engine) -> None:
    found = compared(name, engine)
    assert (found.differing, found.differing_genomes) == (0, 0)
    assert found.trades >= found.genomes > 0
    assert found.max_relative_difference < 1e-8
    assert found.genomes + sum(found.excluded.values()) == DRAWN[name]


@pytest.mark.parametrize("engine", ENGINES)
def test_at_least_a_thousand_genomes_with_a_trade_were_compared(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [compared(name, engine) for name in DRAWN]
    excluded = sum((Counter(dict(one.excluded)) for one in results), Counter[str]())
    left_out = sum((Counter(dict(one.left_out)) for one in results), Counter[str]())
    genomes, trades = sum(one.genomes for one in results), sum(one.trades for one in results)
    same = trades - sum(one.differing for one in results)
    with capsys.disabled():
        share = genomes / sum(DRAWN.values())
        report = [
            f"vectorbt {engine} equality: {genomes} of {sum(DRAWN.values())} genomes compared"
            f" ({share:.0%})",
            f"{same} of {trades} trades equal ({same / trades:.2%})",
            f"excluded {dict(excluded)}",
            f"parts left out {dict(left_out)}",
            f"max relative difference {max(one.max_relative_difference for one in results):.1e}",
        ]
        sys.stdout.write("\n" + "\n  ".join(report) + "\n")
    assert genomes >= 1_000
    assert same == trades


def test_the_drawn_genomes_use_every_part_that_vectorbt_can_say() -> None:
    parts: Counter[str] = Counter()
    for name in DRAWN:
        for whole in drawn(list(DRAWN).index(name), DRAWN[name]):
            genome = expressible(whole)[0]
            parts[f"{genome.side.value}"] += 1
            parts[f"{genome.stop.kind.value} stop"] += 1
            parts["trail"] += genome.trail is not None
            parts[f"{genome.target.kind.value if genome.target else 'no'} target"] += 1
    assert len(parts) == 8
    assert min(parts.values()) >= 50


@pytest.mark.parametrize(
    "account",
    [Account(5_000.0), Account(100_000.0, NO_CHARGES, NO_SLIPPAGE)],
    ids=["five thousand", "no costs"],
)
def test_other_accounts_agree_too(account: Account) -> None:
    found = compare(drawn(7, 60), real_bars.stocks(), account=account)
    assert (found.differing, found.trades > 300) == (0, True)


def test_one_genome_can_be_compared_alone() -> None:
    genome = next(
        one
        for one in drawn(0, 50)
        if Backtester(real_bars.stocks(), dialect=Dialect.VECTORBT).score(one).trades > 10
    )
    found = compare([genome], real_bars.stocks())
    assert (found.genomes, found.differing, found.trades > 10) == (1, 0, True)


def test_a_difference_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison itself: signals that vectorbt gets one bar late must show."""

    def too_late(signals: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> object:
        later = np.zeros_like(signals)
        later[2:] = signals[:-2]
        return later

    monkeypatch.setattr(opinion, "_delayed", too_late)
    found = compare(drawn(0, 20), real_bars.stocks())
    assert found.differing > 0.5 * found.trades > 0


FUNCTIONS_OF = {
    "numba": (
        ("vectorbt.portfolio.nb", "simulate_from_signals_nb"),
        ("vectorbt.portfolio.nb", "get_exit_trades_nb"),
        ("vectorbt.returns.nb", "sharpe_ratio_nb"),
        ("vectorbt.returns.nb", "max_drawdown_nb"),
    ),
    "rust": (
        ("vectorbt_rust.portfolio", "simulate_from_signals_rs"),
        ("vectorbt_rust.portfolio", "get_exit_trades_rs"),
        ("vectorbt_rust.returns", "sharpe_ratio_rs"),
        ("vectorbt_rust.returns", "max_drawdown_rs"),
    ),
}


@pytest.mark.parametrize(("engine", "idle"), [("numba", "rust"), ("rust", "numba")])
def test_one_engine_does_everything(
    engine: Engine, idle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vectorbt's metrics follow its global setting, not the portfolio's engine."""

    class Used(Exception):
        pass

    class Poisoned:
        def __call__(self, *_: object, **__: object) -> None:
            raise Used

        def enable_caching(self) -> None:
            pass

    genomes = drawn(0, 4)
    assert compare(genomes, real_bars.stocks(), engine=engine).trades > 0
    for module, name in FUNCTIONS_OF[idle]:
        monkeypatch.setattr(f"{module}.{name}", Poisoned())
    assert compare(genomes, real_bars.stocks(), engine=engine).trades > 0
    with pytest.raises(Used):
        compare(genomes, real_bars.stocks(), engine=cast(Engine, idle))


EXPRESSIBLE = {
    "nothing to drop": (dict[str, object](), ()),
    "time stop": ({"max_bars": 5}, ("max_bars",)),
    "ATR trail": ({"trail": Distance(DistanceKind.ATR, 2.0)}, ("ATR trail",)),
    "trail as wide as the stop": ({"trail": Distance(DistanceKind.FRACTION, 0.05)}, ()),
    "trail wider than the stop": (
        {"trail": Distance(DistanceKind.FRACTION, 0.051)},
        ("stop and trail together",),
    ),
    "fractional trail and ATR stop": (
        {
            "stop": Distance(DistanceKind.ATR, 3.0),
            "trail": Distance(DistanceKind.FRACTION, 0.01),
            "max_bars": 3,
        },
        ("max_bars", "stop and trail together"),
    ),
}


@pytest.mark.parametrize(("genes", "dropped"), EXPRESSIBLE.values(), ids=EXPRESSIBLE.keys())
def test_what_vectorbt_cannot_say_is_left_out_and_named(
    genes: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    plain = replace(
        drawn(0, 1)[0],
        stop=Distance(DistanceKind.FRACTION, 0.05),
        trail=None,
        max_bars=None,
    )
    genome = replace(plain, **genes)
    reduced, named = expressible(genome)
    assert named == dropped
    assert reduced.max_bars is None
    assert (reduced.trail is None) == (genome.trail is None or any("trail" in x for x in dropped))
    result = Backtester(real_bars.stocks(), dialect=Dialect.VECTORBT).run(genome)
    assert [note.rsplit(": ", 1)[1] for note in result.notes if "left out" in note] == list(dropped)
