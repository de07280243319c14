"""The benchmarks measure what they say; their long runs are made by hand, see docs/regimes.md."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import allen_karjalainen, detectors
from benchmarks.allen_karjalainen import Found, all_in, closes_only, excess, market, search
from benchmarks.marks import write_between
from kasauti.backtest import Account, Backtester, Slippage
from kasauti.genome import genome_from_genes
from kasauti.market.charges import NO_CHARGES
from tests.regimes.markets import nifty, sp500
from tests.validation.rules import HOLD

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "regimes.md"


def _backtester(cost: float = 0.0) -> Backtester:
    account = Account(allen_karjalainen.CAPITAL, NO_CHARGES, Slippage(cost, 0.0))
    return Backtester(closes_only(sp500()), account=account)


def test_holding_the_market_has_no_excess() -> None:
    rule = genome_from_genes({**HOLD, "risk": 0.01})
    whole = _backtester()
    start, stop = 2000, 8313
    assert excess(whole, all_in(rule), start, stop) == pytest.approx(0.0, abs=0.1)
    # one way at 10 %, over 25 years: 0.4 % a year
    dear = excess(_backtester(0.1), all_in(rule), start, stop)
    assert dear == pytest.approx(100 * np.log(1 / 1.1) / ((stop - 1 - start) / 252), abs=0.1)
    assert excess(whole, rule, start, stop) < -0.5 * market(whole.bars, start, stop)  # 1 % of it in


def test_a_small_search_keeps_only_what_beat_the_market(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allen_karjalainen, "EVALUATIONS", 400)
    monkeypatch.setattr(allen_karjalainen, "POPULATION", 80)
    whole = _backtester()
    found = [search(whole, 2001, seed) for seed in range(2)]
    assert [search(whole, 2001, seed) for seed in range(2)] == found
    kept = [one for one in found if isinstance(one, Found)]
    assert kept
    for one in kept:
        assert one.train > 0.0
        assert one.select > 0.0
        assert 0.0 < one.exposure <= 1.0
        assert one.timing >= one.test  # the market rose


def test_a_refit_sees_only_the_years_before() -> None:
    closes, seen = nifty(), []

    def label(fitted_until: int, read_until: int) -> detectors.Outs:
        seen.append((str(closes.index[fitted_until])[:10], read_until))
        return np.ones(read_until, dtype=np.bool_)

    out = detectors._refitted(closes, label)
    assert [day for day, _ in seen] == ["2005-01-03", "2010-01-04", "2015-01-01", "2020-01-01"]
    assert seen[-1][1] == len(closes)
    assert int(out.argmax()) == detectors.first_scored(closes) == (~out).sum()


def test_a_result_is_written_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- one: begin -->\nold\n<!-- one: end -->\nb\n")
    for text in ("first", "second"):
        write_between(page, "one", text)
    written = page.read_text()
    assert written.startswith("a\n<!-- one: begin -->\n*20")
    assert written.endswith("*\n\nsecond\n<!-- one: end -->\nb\n")
    assert "old" not in written
    assert "first" not in written
    with pytest.raises(ValueError, match="lacks a mark"):
        write_between(page, "two", "text")


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("detectors", ["| **Kasauti: bear or volatile** | 0.813 |", "| buy and hold | 0.500 |"]),
        ("allen-karjalainen", ["| 0.00% |", "| 0.10% |", "| 0.25% |"]),
    ],
)
def test_the_page_holds_both_results(name: str, rows: list[str]) -> None:
    text = PAGE.read_text()
    inside = text.split(f"<!-- {name}: begin -->")[1].split(f"<!-- {name}: end -->")[0]
    assert inside.startswith("\n*20")
    assert "`python -m benchmarks." in inside
    for row in rows:
        assert row in inside
