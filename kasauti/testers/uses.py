"""How often each active gene acted, and what a tester measures where it did; nobody judges here.

What counts as acting:

- entry: positions opened; side: the same
- exit, stop, target, trail, max_bars: trades that it ended
- regimes: entries that it kept out, counted in bars; all four are no restriction and no active gene
- risk: trades whose size it set, not the cash; the other genes of such a trade acted as well
"""

import json
from collections.abc import Callable

import numpy as np

from kasauti.genome.model import Genome
from kasauti.market.bars import Booleans
from kasauti.regimes.model import REGIMES
from kasauti.testers.exam import Exam
from kasauti.testers.model import GeneUse

Measure = Callable[[str, Booleans], float]
"""A tester's figure of a gene: its name and which closed trades it acted on."""

_ENDINGS = ("exit", "stop", "target", "trail", "max_bars")


def gene_uses(exam: Exam, measure: Measure) -> tuple[GeneUse, ...]:
    """Return every active gene with how often it acted and the tester's figure of it."""
    trades, all_trades = exam.trades, np.ones(len(exam.trades), dtype=np.bool_)
    by_risk = sized_by_risk(exam)
    found = []
    for gene, value in _active(exam.genome):
        if gene in _ENDINGS:
            touched = trades.ended_by(gene)
            acted = int(touched.sum())
        elif gene == "risk":
            touched, acted = by_risk, int(by_risk.sum())
        else:
            touched = all_trades
            acted = kept_out(exam) if gene == "regimes" else exam.positions
        figure = float(measure(gene, touched)) if touched.any() else 0.0
        found.append(GeneUse(gene, _text(value), acted, figure))
    return tuple(found)


def listed_genes(genome: Genome) -> tuple[GeneUse, ...]:
    """Return the active genes of a genome of which nothing can be measured."""
    return tuple(GeneUse(gene, _text(value), 0, 0.0) for gene, value in _active(genome))


def sized_by_risk(exam: Exam) -> Booleans:
    """Return the trades whose quantity follows from the risk gene, not from all the cash."""
    set_by_risk: Booleans = exam.genome.risk < exam.trades.planned
    return set_by_risk


def kept_out(exam: Exam) -> int:
    """Return the bars on which the entry rule was true in a regime that the genome refuses."""
    genome, backtester = exam.genome, exam.case.backtester
    features, known = backtester.features, np.isfinite(exam.bars.close)
    wanted = features.evaluate(genome.entry) & ~features.evaluate(genome.exit) & known
    return int((wanted & ~exam.decided[0]).sum())


def _active(genome: Genome) -> list[tuple[str, object]]:
    free = len(genome.regimes) == len(REGIMES)
    return [pair for pair in genome.to_genes().items() if not (free and pair[0] == "regimes")]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
