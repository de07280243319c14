import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from kasauti.operations.report import (
    compare,
    describe_genes,
    ends,
    figure_text,
    headline,
    render_report,
    write_report,
)
from kasauti.operations.report_data import (
    DatasetFacts,
    FindingRow,
    GateRow,
    JudgedStrategy,
    ReportData,
    SearchFacts,
    Survivor,
)
from tests.operations.example import GENES, HASH, REFERENCE, example, panel

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>{{ 7*7 }}"
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Reads the page as a browser would and keeps what the tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def html() -> str:
    return render_report(example(length=1200))


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_verdict_comes_first_in_plain_words(page: Page) -> None:
    assert "Nothing was good enough. That is the usual answer." in page.text
    assert page.text.index("Nothing was good enough") < page.text.index("The market data")


SAID = [
    "20,000",  # evaluations
    "17,412",  # distinct genomes
    "1,23,456",  # register
    "2,261 opens before 2008 repeat the close of the day before",
    "hardly ever traded",
    "4,022",
    "crosses_above(ema(close, 12), ema(close, 26)) and rsi(close, 14) < 70",
    "2.5 × the usual range of a bar (ATR 14)",
    "₹1,34,568",  # charges of the candidate
    "44 more trades",
    "The joined Sharpe ratio outside the training windows is below zero.",
    "joined sharpe: −0.120",
    "not reached",
    "is a reference and not approved",
    "reference, cannot be approved",
    "A replay, no real money.",
    "K05 fresh bars : the last bar is 4 days old",
    "−₹152.35",
    "Live trading with a broker: there is paper trading only.",
    HASH,
    REFERENCE,
    "a1b2c3d4" * 8,
]


@pytest.mark.parametrize("words", SAID)
def test_what_the_report_says(words: str, page: Page) -> None:
    assert words.replace(" :", ":") in page.text.replace(" :", ":")


def test_the_page_needs_nothing_but_itself_and_runs_nothing(html: str, page: Page) -> None:
    assert len(html.encode()) < 1_500_000
    names = {name for name, _ in page.tags}
    assert not names & {"script", "link", "iframe", "object", "embed", "form", "base"}
    for name, attributes in page.tags:
        assert not [key for key in attributes if key.startswith("on")]
        for key in ("src", "href", "xlink:href"):
            assert attributes.get(key) is None or str(attributes[key]).startswith("#"), name
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    policy = [one for one in page.named("meta") if "http-equiv" in one]
    assert str(policy[0]["content"]).startswith("default-src 'none'")


def test_the_page_is_sound_and_accessible(page: Page) -> None:
    assert page.open == []
    assert page.named("html")[0]["lang"] == "en"
    assert len(page.named("h1")) == 1
    drawings = [one for one in page.named("svg") if one.get("role") == "img"]
    assert len(drawings) == 7
    assert all(one["aria-label"] for one in drawings)
    assert all("scope" in one for one in page.named("th"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {str(one["href"])[1:] for one in page.named("a")}
    assert targets <= set(ids)


def test_light_dark_and_print_are_all_styled(html: str) -> None:
    assert "@media (prefers-color-scheme: dark)" in html
    assert "@media print" in html
    used = set(re.findall(r"var\((--plot-[a-z]+)", html))
    style = html[html.index("<style>") : html.index("</style>")]
    light, dark = style.split("prefers-color-scheme: dark")[:2]
    for name in used:
        assert f"{name}:" in light
        assert f"{name}:" in dark


def hostile() -> ReportData:
    data = example(length=300)
    assert data.candidate is not None and data.replay is not None
    genes = {**GENES, "entry": HOSTILE, "stop": HOSTILE, "regimes": [HOSTILE]}
    bars = panel((HOSTILE, "B"), 300)
    return dataclasses.replace(
        data,
        title=HOSTILE,
        dataset=dataclasses.replace(
            data.dataset,
            name=HOSTILE,
            source=HOSTILE,
            bars=bars,
            regime_closes=bars.close[0],
            findings=(FindingRow(HOSTILE, 3, HOSTILE, HOSTILE),),
        ),
        survivors=tuple(dataclasses.replace(one, genes=genes) for one in data.survivors),
        candidate=dataclasses.replace(
            data.candidate,
            genes=genes,
            benchmark_name=HOSTILE,
            trades=tuple(
                dataclasses.replace(one, symbol=HOSTILE, reason=HOSTILE)
                for one in data.candidate.trades
            ),
        ),
        judged=(
            JudgedStrategy(HOSTILE, False, (GateRow(HOSTILE, False, HOSTILE, {HOSTILE: HOSTILE}),)),
        ),
        replay=dataclasses.replace(
            data.replay,
            intents=tuple(
                dataclasses.replace(one, symbol=HOSTILE, reason=HOSTILE, outcome=HOSTILE)
                for one in data.replay.intents
            ),
        ),
        missing=(HOSTILE,),
        versions={HOSTILE: HOSTILE},
        currency="<b>",
    )


def test_hostile_texts_are_shown_and_do_nothing() -> None:
    page = Page(render_report(hostile()))
    names = {name for name, _ in page.tags}
    assert not names & {"script", "img", "b"}
    assert all(not key.startswith("on") for _, attributes in page.tags for key in attributes)
    assert page.open == []
    assert page.text.count("<script>alert('x')</script>") > 20
    assert "{{ 7*7 }}" in page.text  # a text is never a template


def test_an_empty_search_still_makes_a_whole_page() -> None:
    bars = panel(("ACC",), 50)
    data = ReportData(
        title="Empty",
        made_at=example(length=300).made_at,
        dataset=DatasetFacts("own", "folder", bars, "0" * 64),
        search=SearchFacts(0, 0, 0, seed=1, seconds=0.0),
    )
    page = Page(render_report(data))
    assert page.open == []
    for words in (
        "Nothing was good enough",
        "The loader found nothing wrong.",
        "Nothing survived the search.",
        "No strategy came as far as the gates.",
        "nothing is sealed",
    ):
        assert words in page.text
    assert "candidate" not in {attributes.get("id") for _, attributes in page.tags}


def test_an_approved_strategy_is_announced_and_a_reference_never_is() -> None:
    data = example(length=300, approved=True)
    assert headline(data) == "One strategy held against every test."
    assert "Approved for a paper trial" in Page(render_report(data)).text
    reference = JudgedStrategy(REFERENCE, True, (), is_reference=True)
    only = dataclasses.replace(data, judged=(reference,))
    assert headline(only).startswith("Nothing was good enough")


def test_the_candidate_is_compared_with_holding() -> None:
    data = example(length=300)
    assert data.candidate is not None
    times = np.array(["2020-01-01", "2020-07-01", "2022-01-01"], dtype="datetime64[D]")
    candidate = dataclasses.replace(
        data.candidate,
        times=times,
        equity=np.array([100.0, 80.0, 144.0]),
        benchmark=np.array([100.0, 110.0, 99.0]),
    )
    rows = {row.name: row for row in compare(candidate, "₹")}
    assert (rows["Gain in all"].strategy, rows["Gain in all"].holding) == ("+44.0 %", "−1.0 %")
    assert rows["Gain a year"].strategy == "+20.0 %"  # 1.44 in two years
    assert rows["Deepest fall"].strategy == "−20.0 %"
    assert rows["Deepest fall"].holding == "−10.0 %"
    assert (rows["Won"].strategy, rows["Won"].holding) == ("43.0 %", "")
    alone = {row.name: row for row in compare(dataclasses.replace(candidate, benchmark=None), "₹")}
    assert alone["Gain in all"].holding == ""


def test_genes_are_told_in_words() -> None:
    lines = {what: text for what, text, _ in describe_genes(GENES)}
    assert lines["Target"] == "12.0 % from the fill"
    assert lines["Enters only in"] == "bull, sideways markets"
    assert "Trailing stop" not in lines
    short = [what for what, _, _ in describe_genes({**GENES, "side": "short"})]
    assert short[:2] == ["Sells short when", "Buys back when"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"),
        (None, "unknown"),
        (6, "6"),
        (np.float64(-0.12), "−0.120"),
        (123_456.7, "1,23,457"),
        (float("nan"), "unknown"),
        ("2008", "2008"),
        ([], "none"),
        ([1, 2, 3, 4, 5, 6], "1; 2; 3; 4 and 2 more"),
        ({"max_loss": -0.25, "at": None}, "max loss −0.250, at unknown"),
    ],
)
def test_figures_read_like_figures(value: object, text: str) -> None:
    assert figure_text(value) == text


def test_ends_keeps_both_ends() -> None:
    assert ends(range(5), 2) == (range(2), 1, range(3, 5))
    assert ends([1, 2, 3, 4], 2) == ([1, 2, 3, 4], 0, ())


def test_the_file_is_written_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "reports" / "report.html"
    data = dataclasses.replace(example(length=120), candidate=None, survivors=())
    assert write_report(data, path) == path
    before = path.read_text(encoding="utf-8")
    assert before.startswith("<!doctype html>") and before.rstrip().endswith("</html>")
    broken = dataclasses.replace(data, survivors=(Survivor("x", GENES, {"a": None}),))  # type: ignore[dict-item]  # refused
    with pytest.raises(TypeError):
        write_report(broken, path)
    assert path.read_text(encoding="utf-8") == before
    assert [one.name for one in path.parent.iterdir()] == ["report.html"]
