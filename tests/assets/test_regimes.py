"""The labels' asset shows what hindsight says of them, and says so when it cannot."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets import regimes
from kasauti.market.bars import Bars
from kasauti.market.sources import load_sample
from kasauti.regimes.dating import date_legs
from kasauti.regimes.model import OnlineLabels
from kasauti.regimes.online import WARM_UP, label_online, market_closes
from kasauti.regimes.scoring import score_labels
from resources.project import Project


def metadata_of(bars: Bars, home: Path) -> dict[str, Any]:
    project = Project(home=str(home), bars="sample")
    project.workspace().lake.write_bars("market/bars", bars)
    made = regimes.labels(project=project)
    assert isinstance(made, dg.MaterializeResult)
    return dict(made.metadata or {})


def rows(found: dg.TableMetadataValue) -> list[dict[str, Any]]:
    return [dict(record.data) for record in found.records]


def test_labels_are_shown_against_hindsight(tmp_path: Path) -> None:
    bars = load_sample().bars.select(("SP500",)).between(0, 3200)
    closes, labels = market_closes(bars), OnlineLabels(label_online(bars).codes)
    found = metadata_of(bars, tmp_path)
    scores = {row["out when"]: row for row in rows(found["hindsight"])}
    expected = score_labels(closes, labels)
    assert scores.keys() == expected.keys()
    ours = scores["bear or volatile"]
    for name in ("balanced_accuracy", "lag", "switches", "max_drawdown"):
        assert ours[name] == getattr(expected["bear or volatile"], name)
    legs = date_legs(closes).legs
    assert [row["fall"] for row in rows(found["bear_legs"])] == [leg.fall for leg in legs]
    assert rows(found["bear_legs"])[0]["peak"] == "2000-03-24"
    assert "data:image/png" in found["both_ribbons"].md_str


@pytest.mark.parametrize("count", [WARM_UP - 1, WARM_UP + 1])
def test_bars_too_short_to_score_say_so(count: int, tmp_path: Path) -> None:
    bars = load_sample().bars.select(("SP500",)).between(0, count)
    found = metadata_of(bars, tmp_path)
    assert "more than" in found["hindsight"]
    assert "both_ribbons" not in found


def test_bars_without_a_bear_leave_it_unknown(tmp_path: Path) -> None:
    bars = load_sample().bars.select(("SP500",))
    calm = bars.between(3400, 4100)  # 2012 to 2015
    ours = rows(metadata_of(calm, tmp_path)["hindsight"])[0]
    assert ours["balanced_accuracy"] == ours["lag"] == "unknown"
    assert ours["specificity"] > 0.5
