"""From searched bars to verdicts and permits: the calls that a command and an asset share."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from kasauti.backtest import Account, Backtester
from kasauti.evolution.outcome import FrontMember, Progress, SearchResult, SearchSettings
from kasauti.evolution.search import evolve
from kasauti.features.signals import BUDGET
from kasauti.genome import Genome, genome_from_genes
from kasauti.market.bars import Bars
from kasauti.market.markets import get_market
from kasauti.trading import data_version
from kasauti.validation import choice
from kasauti.validation.approvals import Approval, Approvals
from kasauti.validation.recall import Verdicts
from kasauti.validation.reference_strategy import LABEL, reference_strategy
from kasauti.validation.seal import Admitted
from kasauti.validation.verdict import Verdict, judge
from kasauti.version import code_version
from kasauti.workers import open_executor
from kasauti.workspace import Workspace

WHO = "research"
TEXT_COLUMNS = ("genome", "genes")


def search(
    space: Workspace,
    searched: Bars,
    settings: SearchSettings,
    now: datetime,
    workers: int = 2,
    progress: Callable[[Progress], None] | None = None,
    dask: str | None = None,
    memory: int = BUDGET,
) -> SearchResult:
    """Run, resume or recall one search on bars that the vault handed out.

    It runs on `workers` threads, or on the Dask cluster whose scheduler has the address `dask`;
    every process keeps expressions within `memory` bytes.
    """
    with open_executor(workers, dask) as executor:
        return evolve(
            Backtester(searched, account=_account(searched), memory=memory),
            settings,
            space.register,
            space.home.searches,
            at=now,
            progress=progress,
            executor=executor,
        )


def recall(
    space: Workspace,
    genome: Genome,
    admitted: Admitted,
    *,
    may_open: bool = True,
    thorough: bool = True,
) -> Verdict | None:
    """Return the verdict that this code gave on this data, None if it gave none."""
    rests_on = _rests_on(admitted, may_open, thorough)
    return Verdicts(space.home.verdicts).find(genome, **rests_on)


def put_on_trial(
    space: Workspace,
    genome: Genome,
    admitted: Admitted,
    now: datetime,
    who: str,
    progress: Callable[[str], None] | None = None,
    *,
    may_open: bool = True,
    thorough: bool = True,
    notes: Sequence[str] = (),
) -> Verdict:
    """Judge one genome and keep the verdict; unless `thorough` the first failure ends it."""
    verdict = judge(
        genome,
        admitted,
        space.vault,
        space.register,
        account=_account(admitted.searched),
        now=now,
        who=who,
        progress=progress,
        may_open=may_open,
        thorough=thorough,
        notes=notes,
    )
    kept = Verdicts(space.home.verdicts)
    return kept.keep(verdict, genome, **_rests_on(admitted, may_open, thorough))


def write_report(
    genome: Genome, verdict: Verdict, admitted: Admitted, path: Path, now: datetime
) -> None:
    """Write the tear sheet of a verdict; the sealed bars are not read."""
    from kasauti.operations.tearsheet import write_tear_sheet

    searched = admitted.searched
    write_tear_sheet(
        verdict, genome, Backtester(searched, account=_account(searched)), path, now=now
    )


def _account(bars: Bars) -> Account:
    return Account(charges=get_market(bars.market).charges)


def _rests_on(admitted: Admitted, may_open: bool, thorough: bool) -> dict[str, str]:
    return {
        "data": data_version(admitted),
        "code": code_version(),
        "market": admitted.searched.market,  # names the charges
        "opening": str(may_open),
        "thorough": str(thorough),
    }


def try_candidates(
    space: Workspace,
    admitted: Admitted,
    now: datetime,
    notes: Sequence[str] = (),
    progress: Callable[[str], None] | None = None,
) -> list[tuple[Verdict, bool]]:
    """Judge the last search's candidates, best first, and the reference strategy.

    A candidate that fails a gate goes no further; the reference, which only shows the way, sees
    them all. Only one may open the sealed bars: the best that passed all the other gates. Verdicts
    that this code gave on this data stand: given again they would count more trials.

    Returns
    -------
    list of (Verdict, bool)
        The flag marks the reference strategy.
    """
    judged: list[tuple[Verdict, bool]] = []
    may_open = True
    for genome, is_reference in (
        *((genome, False) for genome in candidates(space, admitted.searched)),
        (reference_strategy(), True),
    ):
        may = may_open and not is_reference
        how = {"may_open": may, "thorough": is_reference}
        verdict = recall(space, genome, admitted, **how) or put_on_trial(
            space, genome, admitted, now, WHO, progress, notes=notes, **how
        )
        may_open = may_open and not verdict.has_opened
        judged.append((verdict, is_reference))
    return judged


def candidates(space: Workspace, searched: Bars) -> tuple[Genome, ...]:
    """Return the genomes of the last search's front that go to trial, best first."""
    rows = space.lake.read("evolution/front").to_dict("records")
    front = [
        FrontMember(
            str(row["genome"]),
            genome_from_genes(json.loads(str(row["genes"]))),
            {str(name): float(value) for name, value in row.items() if name not in TEXT_COLUMNS},
        )
        for row in rows
    ]
    return choice.candidates(front, Backtester(searched, account=_account(searched)))


def permits(space: Workspace, admitted: Admitted, now: datetime) -> list[tuple[Approval, Genome]]:
    """Grant what the last verdicts allow; where they allow nothing, the reference's permit.

    That permit is worth something on the replay clock only, so own bars get none.
    """
    approvals = Approvals(space.vault)
    granted = []
    for genome in candidates(space, admitted.searched):
        verdict = recall(space, genome, admitted, thorough=False)
        if verdict is not None and verdict.approved:
            approval = approvals.grant(
                verdict, genome, code_version=code_version(), now=now, who=WHO
            )
            granted.append((approval, genome))
    if granted or not space.source.is_sample:
        return granted
    reference = reference_strategy()
    permit = approvals.replay_permit(
        reference,
        code_version=code_version(),
        data_version=data_version(admitted),
        now=now,
        who=WHO,
        label=LABEL,
    )
    return [(permit, reference)]
