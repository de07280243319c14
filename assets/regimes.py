"""Market regimes as assets: the online label of every bar, proved to be causal."""

from typing import Any

import dagster as dg
import numpy as np

from assets.market import BARS
from assets.present import plot, result, table
from kasauti.features.causality import find_leaks
from kasauti.operations.plots import regime_ribbon
from kasauti.regimes.model import REGIMES
from kasauti.regimes.online import label_frame, label_online, market_closes
from resources.project import Project

LABELS = dg.AssetKey(["regimes", "labels"])


@dg.asset(key=LABELS, deps=[BARS], kinds={"parquet"}, code_version="1", group_name="regimes")
def labels(project: Project) -> dg.MaterializeResult[Any]:
    """Bull, bear, sideways or volatile, as far as one could know on each day."""
    lake = project.workspace().lake
    bars = lake.read_bars("market/bars")
    codes = label_online(bars).codes
    frame = label_frame(bars)
    version = lake.write("regimes/labels", frame)
    shares = {regime.value: float(np.mean(codes == code)) for code, regime in enumerate(REGIMES)}
    picture = regime_ribbon(bars.times, market_closes(bars), codes, "The market's regimes")
    return result(version, {**shares, "ribbon": plot(picture)}, frame)


@dg.asset_check(asset=LABELS, blocking=True)
def labels_are_causal(project: Project) -> dg.AssetCheckResult:
    """Cutting the data at random points changes no label before the cut."""
    bars = project.workspace().lake.read_bars("market/bars")
    leaks = find_leaks(lambda cut: label_online(cut).codes, bars, project.generator())
    return dg.AssetCheckResult(
        passed=not leaks,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"leaks": table(leak.to_row() for leak in leaks)},
    )
