"""Market regimes as assets: the online label of every bar, proved to be causal."""

from dataclasses import asdict
from typing import Any

import dagster as dg

from assets.features import CUTS, MOVES
from assets.market import BARS
from assets.present import plot, result, table
from resources.project import Project

LABELS = dg.AssetKey(["regimes", "labels"])


@dg.asset(key=LABELS, deps=[BARS], kinds={"parquet"}, code_version="1", group_name="regimes")
def labels(project: Project) -> dg.MaterializeResult[Any]:
    """Bull, bear, sideways or volatile, as far as one could know on each day."""
    from kasauti.operations.market_plots import regime_ribbon
    from kasauti.operations.tables import labels_frame
    from kasauti.regimes.model import REGIMES
    from kasauti.regimes.online import label_online, market_closes

    bars = project.searched()
    codes, closes = label_online(bars).codes, market_closes(bars)
    frame = labels_frame(bars, codes)
    version = project.workspace().lake.write("regimes/labels", frame)
    shares = {regime.value: float((codes == code).mean()) for code, regime in enumerate(REGIMES)}
    ribbon = regime_ribbon(bars.times, closes, codes, "The market's regimes, as known on the day")
    return result(version, {**shares, "ribbon": plot(ribbon)}, frame)


@dg.asset_check(asset=LABELS, blocking=True)
def labels_are_causal(project: Project) -> dg.AssetCheckResult:
    """Cutting the data, or changing all that follows, changes no label before."""
    from kasauti.features.causality import choose_cuts, find_leaks
    from kasauti.regimes.online import label_online

    bars = project.searched()
    cuts = choose_cuts(bars, project.generator(), CUTS, MOVES)
    leaks = find_leaks(lambda cut: label_online(cut).codes, bars, cuts)
    return dg.AssetCheckResult(
        passed=not leaks,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"cuts": len(cuts), "leaks": table(asdict(leak) for leak in leaks)},
    )
