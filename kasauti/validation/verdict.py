"""The verdict: every gate in its order, and the one opening of the sealed fifth at their end."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from kasauti.backtest import Account, Backtester
from kasauti.errors import SealedDataError, VerdictRefused
from kasauti.evolution.register import DataSet, Death, Origin, Trial, TrialRegister
from kasauti.genome import Genome, family
from kasauti.market.bars import Bars
from kasauti.validation import stress, walk_forward
from kasauti.validation.gates import causality, regimes, second_opinion, statistics, testers
from kasauti.validation.gates import stress as stress_gate
from kasauti.validation.gates import walk_forward as walk_forward_gate
from kasauti.validation.gates.model import Case, Gate, plain
from kasauti.validation.plateau import excess_t, index_returns
from kasauti.validation.seal import Admitted, Opening, Seal, Vault, join
from kasauti.validation.stages import STAGES
from kasauti.validation.threshold import joined_t
from kasauti.validation.tiers import capital_tier, still_untested, told_by_profile

FEWEST_BARS = 1_000
FEWEST_SEALED = 100  # bars that no search has seen; half of what 1,000 bars seal
WIDEST_GAP = 10  # calendar days between the searched and the sealed bars: long holidays
PAPER_ONLY = (
    "An approval allows paper trading. Live money needs the paper trial's pass and a person's "
    "arming as well."
)


@dataclass(frozen=True)
class Verdict:
    """What was found about one genome.

    Attributes
    ----------
    approved : bool
        Whether every gate passed.
    genome, family : str
        Hashes.
    gates : tuple of Gate
        In the order of the design.
    notes : tuple of str
        What a reader must know beside the gates.
    data_version : str
        Version of the searched bars and id of the seal that it was judged on.
    tier : str or None
        The highest capital profile that an approval allows; None where nothing is approved.
    """

    approved: bool
    genome: str
    family: str
    gates: tuple[Gate, ...]
    notes: tuple[str, ...]
    data_version: str
    tier: str | None = None

    @property
    def first_failure(self) -> Gate | None:
        """The first gate that failed; the sealed one only where it is the only one."""
        failed = [gate for gate in self.gates if not gate.passed]
        return next((gate for gate in failed if gate.name != "sealed"), next(iter(failed), None))

    @property
    def has_opened(self) -> bool:
        """Whether the sealed bars were opened for it."""
        return any(gate.name == "sealed" and "t_sealed" in gate.figures for gate in self.gates)

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as ``kasauti judge --json`` prints it."""
        return {
            "approved": self.approved,
            "genome": self.genome,
            "gates": [gate.to_json() for gate in self.gates],
            "notes": list(self.notes),
            "data_version": self.data_version,
            "tier": self.tier,
        }

    @property
    def digest(self) -> str:
        """sha256 of the verdict's JSON, what an approval refers to."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


def judge(
    genome: Genome,
    admitted: Admitted,
    vault: Vault,
    register: TrialRegister,
    *,
    account: Account | None = None,
    now: datetime,
    who: str,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
    may_open: bool = True,
    thorough: bool = True,
    backtester: Backtester | None = None,
    notes: Sequence[str] = (),
) -> Verdict:
    """Run every gate on the searched bars, and the sealed one if all of them passed.

    The genome, Optuna's variations of it and, if it fails, its cause of death go into the
    register. Judging again gives the recorded opening.

    Parameters
    ----------
    genome : Genome
    admitted : Admitted
        What the vault made of the data set.
    vault : Vault
    register : TrialRegister
    account : Account, optional
        Of every symbol; by default ₹10 lakh with NSE charges.
    now : datetime
        Exchange time, with its zone.
    who : str
        Who asks; recorded with an opening.
    seed : int
        Of the random cuts and of Optuna's sampler.
    progress : callable, optional
        Called with the name of each gate before it runs.
    may_open : bool
        Whether this genome may open the sealed bars: of one search only its best candidate may.
    thorough : bool
        Whether all gates run even after one failed. The pipeline stops at the first: a strategy
        that fails goes no further.
    backtester : Backtester, optional
        The search's own over the searched bars, with what it remembers; else a new one is made.
    notes : sequence of str
        What a reader must know of the data, for the verdict's notes.

    Raises
    ------
    VerdictRefused
        Under 1,000 bars, or where nothing unseen is left to test on.
    UsageError
        For a genome that the market does not let trade.
    """
    seal = _require_judgeable(admitted)
    searched = admitted.searched
    said = progress or (lambda _: None)
    kin = family(genome)
    dataset = DataSet.of(searched)
    own = backtester or Backtester(searched, account=account)
    if not register.trials(genome=genome.hash):
        register.record(dataset, [_trial(genome, kin, Origin.HAND, "judge")], at=now)
    openings = vault.openings(seal)
    case = Case(
        genome,
        own,
        register.count(searched.symbols),
        len({opening.family for opening in openings if opening.family != kin}),
        seed,
    )

    case, found = _examined(case, register, dataset, now, said, thorough)
    said("sealed")
    mine = next((opening for opening in openings if opening.family == kin), None)
    found["sealed"] = _sealed(case, kin, admitted, vault, seal, mine, found, now, who, may_open)
    listed = tuple(found[name] for name in STAGES if name in found)
    approved = all(gate.passed for gate in listed)
    tier, told = _capital(case, found, approved) if approved or thorough else (None, [])
    verdict = Verdict(
        approved,
        genome.hash,
        kin,
        listed,
        (PAPER_ONLY, *told, admitted.note, *notes),
        f"{searched.data_version}:{seal.id}",
        tier,
    )
    _record(verdict, dataset, vault, register, now, who)
    return verdict


EXAMINERS: dict[str, Callable[[Case], Gate]] = {
    "causality": causality.examine,
    "regimes": regimes.examine,
    "stress": stress_gate.examine,
    "statistics": statistics.examine,
    "second_opinion": second_opinion.examine,
}


def _examined(
    case: Case,
    register: TrialRegister,
    dataset: DataSet,
    now: datetime,
    said: Callable[[str], None],
    thorough: bool,
) -> tuple[Case, dict[str, Gate]]:
    """Return what the gates on searched bars found, and the case with the tuning's trials in it."""
    found: dict[str, Gate] = {}
    for name in STAGES[:-1]:
        said(name)
        if name == "statistics":
            peers = statistics.peers_of(register, case.backtester, dataset)
            case = replace(case, peers=peers)
        if name == "walk_forward":
            walked = _walk(case.backtester, case.genome, case.seed)
            found[name] = walk_forward_gate.examine(case, walked)
            if isinstance(walked, walk_forward.WalkForward):
                kin = family(case.genome)
                tried = [_trial(one, kin, Origin.OPTUNA, "walk-forward") for one in walked.tried]
                register.record(dataset, tried, at=now)
            case = replace(case, trials=register.count(case.bars.symbols))
        elif name == "testers":
            found[name] = testers.examine(case, found)
        else:
            found[name] = EXAMINERS[name](case)
        if not (thorough or found[name].passed):
            break
    return case, found


def _require_judgeable(admitted: Admitted) -> Seal:
    seal, searched = admitted.seal, admitted.searched
    bars = searched.shape[1] + (seal.bars if seal else 0)
    if bars < FEWEST_BARS:
        raise VerdictRefused(
            f"{bars} bars, a verdict needs at least {FEWEST_BARS:,}: bring a longer history"
        )
    if seal is None:
        raise VerdictRefused(f"no verdict: {admitted.note}")
    if seal.counted_bars < FEWEST_SEALED:
        raise VerdictRefused(
            f"only {seal.counted_bars} sealed bars were never searched, a verdict needs "
            f"{FEWEST_SEALED}: use a data set that was not searched together with others"
        )
    last = searched.sessions[-1].item()
    if (seal.boundary - last).days > WIDEST_GAP:
        raise VerdictRefused(
            f"the bars given end on {last}, those sealed begin on {seal.boundary}: "
            "give the whole history, what is sealed stays sealed"
        )
    return seal


def _walk(
    backtester: Backtester, genome: Genome, seed: int
) -> walk_forward.WalkForward | VerdictRefused:
    try:
        return walk_forward.walk_forward(backtester, genome, seed=seed)
    except VerdictRefused as refusal:  # too little to train on: the gate fails and says why
        return refusal


def _sealed(
    case: Case,
    kin: str,
    admitted: Admitted,
    vault: Vault,
    seal: Seal,
    mine: Opening | None,
    found: dict[str, Gate],
    now: datetime,
    who: str,
    may_open: bool,
) -> Gate:
    """Return the sealed gate: the recorded opening, a reason why not, or the opening itself."""
    own = case.genome.hash
    if mine is not None and mine.genome_hash != own:
        reason = (
            f"this family was already opened by {mine.genome_hash[:12]} at {mine.when} "
            f"({mine.who}): one opening a family"
        )
        return Gate("sealed", False, reason, {"opened_by": mine.genome_hash})
    if mine is not None and mine.outcome is not None:
        return Gate("sealed", **mine.outcome)
    seen = vault.seen_by(seal, kin)
    if seen is not None:
        return Gate("sealed", False, seen)
    failed = next((gate for gate in found.values() if not gate.passed), None)
    if failed is not None and mine is None:  # an opening that was interrupted is finished
        return Gate("sealed", False, f"not opened: {failed.name} failed")
    if not may_open:
        return Gate("sealed", False, "not opened: a better candidate of this search has opened it")
    try:
        bars = vault.open(
            seal,
            family=kin,
            genome_hash=own,
            who=who,
            when=now,
            why="every other gate passed",
        )
    except SealedDataError as refusal:
        return Gate("sealed", False, str(refusal))
    gate = _open_and_test(case, join(admitted.searched, bars), seal)
    outcome = {name: value for name, value in gate.to_json().items() if name != "name"}
    vault.record_outcome(seal, family=kin, genome_hash=own, outcome=outcome)
    return gate


def _open_and_test(case: Case, bars: Bars, seal: Seal) -> Gate:
    own = case.backtester
    backtester = Backtester(bars, account=own.account, market=own.market)
    start = stress.position_on(bars, seal.counts_from)
    returns = backtester.returns(case.genome, start)
    earned = float((1.0 + returns).prod() - 1.0)
    t = excess_t(returns, index_returns(bars)[start:])
    joined = joined_t(case.plateau_t, t)
    threshold = statistics.threshold_after(case.openings, case.trials)
    losses, _ = stress.replay(
        bars,
        backtester.run(case.genome),
        stress.crash_windows(bars.market),
        touching=seal.boundary,
    )
    fatal = [loss for loss in losses if loss.kills]
    figures = {
        "from": seal.counts_from.isoformat(),
        "until": seal.last.isoformat(),
        "t_sealed": t,
        "t_searched": case.plateau_t,
        "t_joined": joined,
        "threshold": threshold,
        "sealed_return": earned,
        "losses": [asdict(loss) for loss in losses],
        "differing": _differing(bars, losses),
    }
    reason = (
        f"opened: it made {earned:.1%} over the sealed bars; beyond the index t is {t:.2f} there "
        f"(denied at {statistics.DENIED_T}), joined it is {joined:.2f}, {threshold:.2f} is needed"
    )
    if fatal:
        told = "; ".join(stress.describe(loss, case.genome.side) for loss in fatal)
        reason += f"; it loses more than 20 % in {told}"
    confirmed = statistics.holds_unseen(case.plateau_t, t, case.openings, case.trials)
    return Gate("sealed", confirmed and not fatal, reason, plain(figures))


def _differing(bars: Bars, losses: Sequence[stress.Loss]) -> list[str]:
    names = {loss.scenario for loss in losses}
    windows = [one for one in stress.crash_windows(bars.market) if one.name in names]
    return list(stress.differing(bars, windows))


def _capital(case: Case, found: Mapping[str, Gate], approved: bool) -> tuple[str | None, list[str]]:
    """Return the capital tier of what is approved, and what each profile's money would meet."""
    rows = case.affordable
    if not approved:
        return None, told_by_profile(rows)
    untested = still_untested(found["stress"].figures, found["sealed"].figures)
    tier = capital_tier(rows, untested)
    return tier.profile, [f"Capital: {tier.reason}.", *told_by_profile(rows)]


def _trial(genome: Genome, kin: str, origin: Origin, stage: str) -> Trial:
    return Trial(
        genome=genome.hash, genes=genome.to_genes(), family=kin, origin=origin, stage=stage
    )


def _record(
    verdict: Verdict,
    dataset: DataSet,
    vault: Vault,
    register: TrialRegister,
    now: datetime,
    who: str,
) -> None:
    failed = verdict.first_failure
    if failed is not None:
        death = Death(verdict.genome, failed.name, f"{failed.name}: {failed.reason}")
        register.record(dataset, deaths=[death], at=now)
    body = {"genome": verdict.genome, "family": verdict.family, "digest": verdict.digest}
    with vault.records.page() as page:
        if not page.find("verdict", **body):
            page.append(
                "verdict",
                body | {"approved": verdict.approved, "who": who, "when": now.isoformat()},
            )
