import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.alerts.messages import (
    LONGEST_FIELD,
    LONGEST_HEADER,
    LONGEST_TEXT,
    Message,
    Severity,
    failed_check,
    failed_run,
    trimmed,
)


def every_text(message: Message) -> str:
    return json.dumps(message.blocks, ensure_ascii=False)


def check(**changes: object) -> Message:
    arguments: dict[str, Any] = {
        "asset": "market/bars",
        "check": "prices_positive",
        "severity": Severity.ERROR,
        "figures": {"rows below zero": 3, "symbol": "ACC"},
        "run_id": "abc123",
        "run_url": "http://127.0.0.1:3000/runs/abc123",
        "description": "3 rows have a price below zero",
    }
    return failed_check(**{**arguments, **changes})


def test_a_failed_check_names_asset_check_figures_and_run() -> None:
    message = check()
    kinds = [block["type"] for block in message.blocks]
    assert kinds == ["header", "section", "section", "section", "section", "actions", "context"]
    assert message.blocks[0]["text"]["text"] == "🔴 Check failed: prices_positive on market/bars"
    fields = [field["text"] for field in message.blocks[3]["fields"]]
    assert fields == ["*rows below zero*\n3", "*symbol*\nACC"]
    assert message.blocks[5]["elements"][0]["url"] == "http://127.0.0.1:3000/runs/abc123"
    text = every_text(message)
    assert "Nothing that depends on this data was computed" in text
    assert "*What to do*" in text and "materialise market/bars again" in text
    assert "3 rows have a price below zero" in text and "abc123" in text
    assert "prices_positive" in message.text and "market/bars" in message.text


def test_a_warning_says_that_work_goes_on() -> None:
    message = check(severity=Severity.WARNING)
    assert "Work goes on." in every_text(message)
    assert "nothing is traded" not in every_text(message)
    assert message.blocks[0]["text"]["text"].startswith("🟠")


def test_without_an_address_there_is_no_button_and_the_run_is_still_named() -> None:
    message = check(run_url=None)
    assert "actions" not in [block["type"] for block in message.blocks]
    assert "abc123" in every_text(message)


def test_a_failed_run_says_where_it_stopped_and_what_to_do() -> None:
    text = every_text(failed_run("demo", "DataError: no bars", "r1", step="market__bars"))
    assert "stopped at market__bars" in text
    assert "DataError: no bars" in text
    assert "start the run again" in text


def test_a_failed_trade_job_is_not_to_be_started_again_blindly() -> None:
    text = every_text(failed_run("trade", "killed", "r1", trades=True))
    assert "kasauti status" in text
    assert "then start the run again" not in text


def test_text_from_outside_cannot_mention_or_link() -> None:
    hostile = "<!channel> <https://evil.example|click> & co"
    message = check(description=hostile, figures={hostile: hostile})
    for block in message.blocks[1:]:
        assert "<!channel>" not in json.dumps(block)
        assert "<https" not in json.dumps(block)
    assert "&lt;!channel&gt;" in every_text(message)


def test_figures_beyond_ten_are_left_out() -> None:
    message = check(figures={f"figure {n}": n for n in range(30)})
    assert len(message.blocks[3]["fields"]) == 10


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.text(max_size=50), st.integers(0, 9000))
def test_no_text_is_longer_than_slack_takes(piece: str, length: int) -> None:
    long = (piece + "&<a>") * (length // (len(piece) + 4) + 1)
    for message in (
        check(asset=long, check=long, description=long, figures={long: long}),
        failed_run(long, long, long, step=long),
    ):
        assert 0 < len(message.text) <= LONGEST_TEXT
        for block in message.blocks:
            for text in [block.get("text"), *block.get("fields", []), *block.get("elements", [])]:
                if text is None or text["type"] == "button":
                    continue
                longest = {"header": LONGEST_HEADER}.get(block["type"], LONGEST_TEXT)
                if "fields" in block:
                    longest = LONGEST_FIELD
                assert 0 < len(text["text"]) <= longest


@pytest.mark.parametrize(
    ("text", "longest", "expected"),
    [
        ("short", 10, "short"),
        ("0123456789", 10, "0123456789"),
        ("0123456789x", 10, "01234567 …"),
        ("012345&amp;789", 10, "012345 …"),
        ("0&amp;456789", 10, "0&amp;45 …"),
    ],
    ids=["short", "fits", "cut", "entity at the cut", "entity before the cut"],
)
def test_trimming_never_cuts_an_entity(text: str, longest: int, expected: str) -> None:
    assert trimmed(text, longest) == expected
    assert len(expected) <= longest


def test_the_fingerprint_is_the_incident_and_not_the_run() -> None:
    assert check().fingerprint == check(run_id="other", figures={"rows": 9}).fingerprint
    assert check().fingerprint != check(check="volumes").fingerprint
    assert check().fingerprint != check(asset="market/x").fingerprint
    assert check().fingerprint != check(severity=Severity.WARNING).fingerprint
    assert (
        failed_run("a", "E: x\nline 3", "1").fingerprint
        == failed_run("a", "E: x\nline 9", "2").fingerprint
        != failed_run("a", "E: y", "3").fingerprint
    )
