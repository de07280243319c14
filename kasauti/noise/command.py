"""The commands ``kasauti noise`` and ``kasauti calibrate``; what they measure stands beside."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kasauti.options import (
    Command,
    bars_options,
    count_option,
    emit,
    evaluations_option,
    json_option,
    seed_option,
    workers_option,
)

if TYPE_CHECKING:
    from kasauti.noise.pipeline import Outcome, Spec
    from kasauti.noise.runs import Run

CERTIFICATE, CALIBRATION = 1, 2
"""First word of the seeds: whatever the user's seed, the two never see the same world."""


def _sharpes(context: click.Context, option: click.Parameter, given: Sequence[str]) -> list[float]:
    del context, option
    try:
        found = [float(part) for text in given for part in text.replace(",", " ").split()]
    except ValueError as error:
        raise click.BadParameter(f"{error}: give numbers like 0.5,1,1.5,2") from error
    if any(not 0.0 < one <= 3.0 for one in found):
        raise click.BadParameter("a planted Sharpe ratio is above 0 and at most 3")
    return list(dict.fromkeys(found))


_evaluations = evaluations_option(
    "Strategies searched in each world. Larger searches than that are not certified.", least=100
)
_workers = workers_option("Processes; the result does not depend on them.")
_symbols = click.option(
    "--symbol",
    "symbols",
    multiple=True,
    help="Make the worlds from this symbol; may be repeated. Without it, from every long one.",
)


def _write_option(name: str) -> Callable[[Command], Command]:
    return click.option(
        "--write",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help=f"Write the artefact, such as {name}.",
    )


@click.command()
@count_option("--worlds", "Worlds without an edge, and with each planted one.", default=200)
@seed_option("Of the worlds.", default=1)
@_evaluations
@click.option(
    "--planted",
    multiple=True,
    callback=_sharpes,
    metavar="SHARPE",
    help="Measure the power too, with an edge of this net Sharpe ratio: 1.5, or 0.5,1,1.5,2.",
)
@click.option(
    "--planted-worlds",
    type=click.IntRange(min=1),
    show_default="as --worlds",
    help="Worlds with each planted edge.",
)
@_write_option("kasauti/noise/data/certificate.json")
@_workers
@_symbols
@bars_options
@json_option
def noise(
    worlds: int,
    seed: int,
    evaluations: int,
    planted: list[float],
    planted_worlds: int | None,
    write: Path | None,
    workers: int,
    symbols: tuple[str, ...],
    bars: tuple[str, ...],
    index: str | None,
    market: str,
    as_json: bool,
) -> None:
    """Measure how often the whole pipeline approves a strategy where there is no edge.

    Surrogate markets are made from real bars with the edge removed, and the whole pipeline runs on
    each: sealing, search, every gate, the opening. With --planted it also runs on markets with an
    edge of known strength, which it should approve. 200 worlds take about ten minutes on two cores;
    stopped and started again it goes on where it was.
    """
    from kasauti.noise.certificate import Certificate
    from kasauti.noise.runs import find_lifts, plain_specs, planted_specs, seconds_before
    from kasauti.operations.progress import Progress

    if planted_worlds is not None and not planted:
        raise click.UsageError("--planted-worlds counts worlds of --planted: name a Sharpe there")
    began, each = time.monotonic(), planted_worlds or worlds
    run = _run(bars, market, index, symbols, evaluations, workers, judged=True)
    specs = plain_specs(run, worlds, seed, CERTIFICATE)
    with Progress() as progress:
        for sharpe in planted:
            with progress.stage(f"finding an edge of {sharpe:g}"):
                lifts = find_lifts(run, each, seed, sharpe)
            specs += planted_specs(run, each, seed, CERTIFICATE, sharpe, lifts)
        before = seconds_before(run, specs)
        every = _outcomes(run, specs, "worlds", progress)
    powers = [tuple(every[k : k + each]) for k in range(worlds, len(every), each)]
    certificate = Certificate(
        tuple(every[:worlds]),
        tuple(zip(planted, powers, strict=True)),
        evaluations,
        seed,
        before + time.monotonic() - began,
    )
    found = certificate.to_json()
    _write(found, write)
    emit(found, as_json, lambda: _show(found))


@click.command()
@count_option(
    "--worlds",
    "Worlds without an edge: the more, the surer the threshold.",
    default=400,
    least=30,
)
@seed_option("Of the worlds.", default=2026)
@_evaluations
@_write_option("kasauti/validation/data/threshold.json")
@_workers
@_symbols
@bars_options
@json_option
def calibrate(
    worlds: int,
    seed: int,
    evaluations: int,
    write: Path | None,
    workers: int,
    symbols: tuple[str, ...],
    bars: tuple[str, ...],
    index: str | None,
    market: str,
    as_json: bool,
) -> None:
    """Find the threshold that luck reaches in 0.1 % of the markets without an edge.

    The best strategy of a search on each world is looked at on the bars that the search did not
    see. Use other markets and another seed than for the certificate of `kasauti noise`.
    """
    from kasauti.execution.clock import SystemClock
    from kasauti.market.markets import get_market
    from kasauti.noise.calibration import calibrate as calibrated
    from kasauti.noise.runs import plain_specs
    from kasauti.operations.progress import Progress
    from kasauti.version import EVERYTHING, code_version

    run = _run(bars, market, index, symbols, evaluations, workers, judged=False)
    with Progress() as progress:
        found = _outcomes(run, plain_specs(run, worlds, seed, CALIBRATION), "worlds", progress)
    artefact = calibrated(
        found,
        evaluations=evaluations,
        seed=seed,
        on=SystemClock(get_market(run.bases[0].market).zone).now().date(),
        code=code_version(EVERYTHING),
    ).to_json()
    _write(artefact, write)
    emit(artefact, as_json, lambda: _show_threshold(artefact))


def _write(artefact: Mapping[str, Any], file: Path | None) -> None:
    if file is not None:
        file.write_text(json.dumps(artefact, indent=2) + "\n", encoding="utf-8")


def _run(
    bars: tuple[str, ...],
    market: str,
    index: str | None,
    symbols: tuple[str, ...],
    evaluations: int,
    workers: int,
    *,
    judged: bool,
) -> "Run":
    from kasauti.home import Home
    from kasauti.noise.runs import Run, bases_of
    from kasauti.workspace import Source

    loaded = Source.of(bars, market, index).load()
    return Run(
        bases_of(loaded.bars, symbols),
        Home.from_environment().root / "noise",
        evaluations,
        judged,
        workers,
    )


def _outcomes(run: "Run", specs: "Sequence[Spec]", name: str, progress: Any) -> "list[Outcome]":
    from kasauti.noise.runs import outcomes

    with progress.stage(name, len(specs)) as stage:
        approved = 0

        def done(outcome: "Outcome") -> None:
            nonlocal approved
            approved += outcome.approved
            stage.advance(note=f"{approved} approved" if run.judged else None)

        return outcomes(run, specs, done)


def _show(found: Mapping[str, Any]) -> None:
    from kasauti.show import say, table

    def row(name: str, one: Mapping[str, Any], share: float) -> tuple[object, ...]:
        low, high = one["interval"]
        captured = one.get("captured_sharpe")
        best = one.get("best_possible_power")
        return (
            name,
            one["worlds"],
            one["approved_worlds"],
            f"{share:.1%}",
            f"{low:.1%} to {high:.1%}",
            "" if captured is None else f"{captured:.2f}",
            "" if best is None else f"{best:.0%}",
        )

    rows = [row("none", found, found["rate"])]
    rows += [row(f"{one['sharpe']:g}", one, one["power"]) for one in found["planted"]]
    columns = ("edge", "worlds", "approved", "share", "95 %", "captured", "best possible")
    table(f"{found['evaluations']:,} strategies searched in each world", columns, rows)
    ends = ", ".join(f"{name} {count}" for name, count in found["stopped_by"].items())
    say(f"Without an edge the best candidate ended at: {ends}")
    say(f"{found['seconds']:.0f} s")


def _show_threshold(artefact: Mapping[str, Any]) -> None:
    from kasauti.show import say

    low, high = artefact["interval"]
    weights = artefact["weights"]
    say(
        f"{weights['searched']} x t searched + {weights['sealed']} x t sealed must reach "
        f"{artefact['threshold']:.2f} (95 %: {low:.2f} to {high:.2f}) for "
        f"{artefact['rate']:.2%} false approvals, on {artefact['worlds']} worlds"
    )
