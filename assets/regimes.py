"""Market regimes as assets: the online label of every bar, proved causal, scored by hindsight."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.features import MOVES
from assets.market import BARS
from assets.present import plot, result, table
from resources.project import Project

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kasauti.market.bars import Bars

LABELS = dg.AssetKey(["regimes", "labels"])
CUTS = 200  # 2.5 s on the sample


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
    return result(version, {**shares, "ribbon": plot(ribbon), **_hindsight(bars, codes)}, frame)


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


def _hindsight(bars: "Bars", codes: "NDArray[np.int8]") -> dict[str, Any]:
    """Return what hindsight says of the labels, to look at: nothing reads it."""
    from kasauti.operations.regime_plots import ribbons
    from kasauti.regimes.dating import date_legs
    from kasauti.regimes.model import OnlineLabels
    from kasauti.regimes.online import WARM_UP, market_closes
    from kasauti.regimes.scoring import score_labels

    if not bars.is_daily or len(bars.times) <= WARM_UP + 1:
        return {"hindsight": f"scored on daily bars, and on more than {WARM_UP + 1} of them"}
    closes = market_closes(bars)
    hindsight = date_legs(closes)
    scores = score_labels(closes, OnlineLabels(codes))
    legs = (
        {"peak": bars.times[leg.peak], "trough": bars.times[leg.trough], "fall": leg.fall}
        for leg in hindsight.legs
    )
    title = "The regimes as known on the day, and the falls of 20 % as known later"
    return {
        "hindsight": table({"out when": name, **one.row()} for name, one in scores.items()),
        "bear_legs": table(legs),
        "both_ribbons": plot(ribbons(bars.times, closes, codes, hindsight.is_bear, title)),
    }
