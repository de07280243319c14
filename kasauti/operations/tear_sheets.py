"""The tear sheets of all strategies that were judged last; one sheet stands in `tearsheet`."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kasauti.backtest import Account, Backtester
from kasauti.errors import DataError
from kasauti.genome import genome_from_genes
from kasauti.market.bars import Bars
from kasauti.market.markets import get_market
from kasauti.operations.page import SHORT_HASH, write_page
from kasauti.operations.tables import verdicts_from
from kasauti.operations.tearsheet import headline, render_tear_sheet, tear_sheet
from kasauti.validation.reference_strategy import reference_strategy
from kasauti.workspace import Workspace

FOLDER = "strategies"


@dataclass(frozen=True)
class Sheet:
    """One page that was written."""

    genome: str
    headline: str
    path: Path


def write_tear_sheets(space: Workspace, searched: Bars, now: datetime) -> list[Sheet]:
    """Write a page for every strategy of the stored verdicts and return them in that order.

    Raises
    ------
    DataError
        If a judged strategy is not on the stored front.
    """
    account = Account(charges=get_market(searched.market).charges)
    backtester = Backtester(searched, account=account)
    front = space.lake.read("evolution/front").to_dict("records")
    genes = {str(row["genome"]): str(row["genes"]) for row in front}
    made = []
    for verdict, is_reference in verdicts_from(space.lake.read("validation/verdicts")):
        if not is_reference and verdict.genome not in genes:
            raise DataError(
                f"{verdict.genome[:SHORT_HASH]} was judged but is not on the front: run the "
                "search again"
            )
        genome = (
            reference_strategy()
            if is_reference
            else genome_from_genes(json.loads(genes[verdict.genome]))
        )
        sheet = tear_sheet(verdict, genome, backtester, now=now, is_reference=is_reference)
        path = space.home.reports / FOLDER / f"{genome.hash[:SHORT_HASH]}.html"
        made.append(Sheet(genome.hash, headline(sheet), write_page(render_tear_sheet(sheet), path)))
    return made
