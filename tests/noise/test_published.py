"""The certificate in the README is the one in the tree, and covers the search that users run."""

from pathlib import Path

import pytest

from kasauti.evolution.outcome import SearchSettings
from kasauti.noise.certificate import clopper_pearson
from kasauti.noise.pipeline import YEARS
from kasauti.noise.published import bound, published, sentence_of, to_markdown
from kasauti.validation.threshold import recorded

README = Path(__file__).resolve().parent.parent.parent / "README.md"
BEGIN, END = "<!-- certificate: begin -->\n", "<!-- certificate: end -->"


def test_the_readme_shows_it() -> None:
    shown = README.read_text().split(BEGIN)[1].split(END)[0]
    assert shown == to_markdown(published()), "run scripts/certificate.py"


def test_it_names_the_search_that_is_run() -> None:
    assert published()["evaluations"] == SearchSettings(seed=0).evaluations
    assert published()["years"] == YEARS
    assert f"{published()['evaluations']:,} strategies" in sentence_of(published())


def test_it_was_not_calibrated_on_its_own_markets() -> None:
    assert not set(published()["markets"]) & set(recorded().markets)


def test_false_approvals_keep_the_budget() -> None:
    """None of 300 is asked: with 95 % confidence at most 1 %."""
    assert (published()["worlds"], published()["approved_worlds"]) == (300, 0)
    assert published()["interval"][1] < 0.01


def test_power_grows_with_the_edge() -> None:
    powers = {one["sharpe"]: one["power"] for one in published()["planted"]}
    assert list(powers) == [0.5, 1.0, 1.5, 2.0]
    assert list(powers.values()) == sorted(powers.values())
    assert powers[1.5] >= 0.80  # the budget
    assert powers[2.0] >= 0.95


@pytest.mark.parametrize(
    ("hits", "trials", "words"),
    [
        pytest.param(0, 300, "with 95 % confidence at most 1.0% of such markets", id="none"),
        pytest.param(2, 200, "95 %: 0.1% to 3.6%", id="two"),
    ],
)
def test_the_interval_in_words(hits: int, trials: int, words: str) -> None:
    assert bound(hits, clopper_pearson(hits, trials)) == words
