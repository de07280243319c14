"""The tear sheet: what it says, that it stands alone, and that odd strategies get a page too."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kasauti.backtest import Backtester
from kasauti.backtest.metrics import returns_of, sharpe_ratio
from kasauti.genome import genome_from_genes
from kasauti.operations.tearsheet import (
    headline,
    monthly_returns,
    render_tear_sheet,
    rolling_sharpe,
    tear_sheet,
    write_tear_sheet,
)
from tests.operations.sheets import GENES, NEVER, NOW, example, verdict
from tests.operations.test_report import HOSTILE, Page
from tests.validation.synthetic import make_bars


@pytest.fixture(scope="module")
def html() -> str:
    return render_tear_sheet(example("stress", "testers", "sealed"))


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


SAID = [
    "Not approved: it failed the crash test and 1 more test.",
    "Loses more than 20 % in 2008 crisis in AAA: -25.1%. One failed test",
    "the percent change of the close over 5 bars is below -1",
    "the close is above the 5-bar average of the close",
    "roc(close, 5) < -1",
    "5.0 % from the fill",
    "2.0 % of the account a trade",
    "+0.010 % to +0.120 %",
    "+0.070 %",
    "not traded",
    "2008 crisis AAA −25.1 % , over the limit",
    "overnight gap BBB −11.0 %",
    "untested: 2022 rate shock",
    "Five testers",
    "Half of it came from 5 trades.",
    "61.5 of 100",
    "A note.",
    "0" * 64,
    "not reached",
]


@pytest.mark.parametrize("words", SAID)
def test_what_the_page_says(words: str, page: Page) -> None:
    assert words in page.text


def test_the_answer_comes_first(page: Page) -> None:
    assert page.text.index("Not approved: it failed") < page.text.index("What it does")


def test_a_sealed_gate_that_was_not_reached_is_no_failure() -> None:
    sheet = example("stress", "sealed")
    sealed = next(gate for gate in sheet.gates if gate.name == "sealed")
    assert sealed.passed is None


@pytest.mark.parametrize(
    ("failed", "is_reference", "words"),
    [
        ((), False, "Approved for a paper trial: it held against every test."),
        (("walk_forward",), False, "Not approved: it failed the walk-forward test."),
        (("stress", "testers", "statistics"), False, "the crash test and 2 more tests."),
        (("sealed",), False, "Not approved: the sealed prices were not opened for it."),
        ((), True, "Not approved: a reference strategy, written by hand to show the way."),
    ],
)
def test_the_headline(failed: tuple[str, ...], is_reference: bool, words: str) -> None:
    assert headline(example(*failed, is_reference=is_reference)).endswith(words)


def test_the_page_needs_nothing_but_itself_and_runs_nothing(html: str, page: Page) -> None:
    assert len(html.encode()) < 1_000_000
    names = {name for name, _ in page.tags}
    assert not names & {"script", "link", "iframe", "object", "embed", "form", "base", "img"}
    for name, attributes in page.tags:
        assert not [key for key in attributes if key.startswith("on")]
        for key in ("src", "href", "xlink:href"):
            assert attributes.get(key) is None or str(attributes[key]).startswith("#"), name
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    policy = [one for one in page.named("meta") if "http-equiv" in one]
    assert str(policy[0]["content"]).startswith("default-src 'none'")


def test_the_page_is_sound_and_accessible(html: str, page: Page) -> None:
    assert page.open == []
    assert page.named("html")[0]["lang"] == "en"
    assert len(page.named("h1")) == 1
    drawings = [one for one in page.named("svg") if one.get("role") == "img"]
    assert len(drawings) == 8  # equity, rolling Sharpe, two symbols: each for a page and a phone
    assert all(one["aria-label"] for one in drawings)
    assert all("scope" in one for one in page.named("th"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {str(one["href"])[1:] for one in page.named("a")} <= set(ids)
    style = html[html.index("<style>") : html.index("</style>")]
    light, dark = style.split("prefers-color-scheme: dark")[:2]
    for name in set(re.findall(r"var\((--[a-z-]+)", html)) - {"--tint"}:
        assert f"{name}:" in light and f"{name}:" in dark


def test_hostile_texts_are_shown_and_do_nothing() -> None:
    sheet = example("stress")
    spoilt = replace(
        sheet,
        notes=(HOSTILE,),
        gates=tuple(replace(gate, name=HOSTILE, reason=HOSTILE) for gate in sheet.gates),
        rules=((HOSTILE, HOSTILE),),
        stress=tuple(replace(row, scenario=HOSTILE, symbol=HOSTILE) for row in sheet.stress),
        testers=tuple(
            replace(one, tester=HOSTILE, verdict=HOSTILE, reasons=(HOSTILE,))
            for one in sheet.testers
        ),
        traded=tuple(replace(one, symbol=HOSTILE) for one in sheet.traded),
        untested=(HOSTILE,),
        regimes=tuple(replace(row, regime=HOSTILE) for row in sheet.regimes),
        versions={HOSTILE: HOSTILE},
    )
    page = Page(render_tear_sheet(spoilt))
    assert not {name for name, _ in page.tags} & {"script", "img"}
    assert all(not key.startswith("on") for _, attributes in page.tags for key in attributes)
    assert page.open == []
    assert page.text.count("alert('x')") > 15
    assert "{{ 7*7 }}" in page.text


ODD: dict[str, dict[str, Any]] = {
    "never trades": {"genes": NEVER},
    "trades on every bar": {
        "genes": {"entry": "close > 0 * close", "exit": "close < 0 * close", "max_bars": 1}
    },
    "under a year": {"bars": make_bars(("AAA",), sessions=120)},
    "many years": {"bars": make_bars(("AAA",), sessions=5200)},
}


@pytest.mark.parametrize("name", ODD)
def test_odd_strategies_get_a_whole_page(name: str) -> None:
    case = ODD[name]
    text = render_tear_sheet(example("stress", bars=case.get("bars"), **case.get("genes", {})))
    page = Page(text)
    assert page.open == []
    assert len(text.encode()) < 1_000_000
    assert "nan" not in re.sub(r"[A-Za-z]*nan[a-z]+", "", page.text.lower())
    assert ("It never closed a trade." in page.text) == (name == "never trades")


def test_a_verdict_of_older_code_is_read_as_far_as_it_goes() -> None:
    genome = genome_from_genes(GENES)
    old = verdict(genome, "stress")
    bare = replace(old, gates=tuple(replace(gate, figures={}) for gate in old.gates))
    backtester = Backtester(make_bars(("AAA",), sessions=300))
    page = Page(render_tear_sheet(tear_sheet(bare, genome, backtester, now=NOW)))
    assert "No scenario was run." in page.text
    assert "The verdict says nothing of kinds of market." in page.text
    assert "What the testers said" not in page.text


def test_months_are_counted_from_the_close_before_them() -> None:
    times = np.array(
        ["2020-11-30", "2020-12-01", "2020-12-31", "2021-01-04", "2021-01-29", "2021-03-01"],
        dtype="datetime64[D]",
    )
    equity = np.array([100.0, 105.0, 110.0, 99.0, 99.0, 198.0])
    first, second = monthly_returns(times, equity)
    assert (first.year, second.year) == (2020, 2021)
    assert first.months[10] == pytest.approx(0.0)
    assert first.months[11] == pytest.approx(0.10)
    assert second.months[0] == pytest.approx(-0.10)
    assert second.months[1] is None  # no bar, no figure
    assert second.months[2] == pytest.approx(1.0)
    assert first.whole == pytest.approx(0.10)
    assert second.whole == pytest.approx(0.80)


def test_the_months_of_a_backtest_multiply_to_its_whole_return() -> None:
    sheet = example("stress")
    months = [1.0 + value for year in sheet.years for value in year.months if value is not None]
    equity = sheet.candidate.equity
    assert np.prod(months) == pytest.approx(equity[-1] / equity[0])
    assert np.prod([1.0 + year.whole for year in sheet.years]) == pytest.approx(
        equity[-1] / equity[0]
    )


def test_a_ruined_account_has_no_months_after_its_ruin() -> None:
    times = np.array(["2020-01-31", "2020-02-28", "2020-03-31"], dtype="datetime64[D]")
    (year,) = monthly_returns(times, np.array([100.0, -5.0, 10.0]))
    assert year.months[1] == pytest.approx(-1.05)
    assert year.months[2] is None


def test_the_rolling_sharpe_is_the_engines_over_each_window() -> None:
    rng = np.random.default_rng(3)
    returns = np.concatenate([[0.0], rng.normal(0.001, 0.01, 40)])
    found = rolling_sharpe(returns, 10)
    assert np.isnan(found[:10]).all()
    for t in (10, 25, 40):
        assert found[t] == pytest.approx(sharpe_ratio(returns[t - 9 : t + 1], 10.0))


def test_a_window_in_which_nothing_moved_has_no_sharpe() -> None:
    assert np.isnan(rolling_sharpe(np.zeros(50), 10)).all()
    assert np.isnan(rolling_sharpe(returns_of(np.full(5, 1.0)), 10)).all()


def test_the_file_is_written_whole(tmp_path: Path) -> None:
    genome = genome_from_genes(GENES)
    backtester = Backtester(make_bars(("AAA",), sessions=300))
    path = tmp_path / "sheets" / "one.html"
    assert write_tear_sheet(verdict(genome), genome, backtester, path, now=NOW) == path
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>") and text.rstrip().endswith("</html>")
    assert [one.name for one in path.parent.iterdir()] == ["one.html"]
