import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kasauti.alerts.messages import (
    LONGEST_FIELD,
    LONGEST_HEADER,
    LONGEST_TEXT,
    Context,
    blocks,
    brief,
    html,
    plain,
    trimmed,
)
from kasauti.alerts.model import Alert, Severity
from kasauti.alerts.triggers import TABLE, Trigger, alert_of, table_rows
from kasauti.market.calendar import INDIA

NOW = datetime(2026, 11, 20, 18, 31, 5, tzinfo=INDIA)
RUN = "http://127.0.0.1:3000/runs/abc123"


def check(
    trigger: Trigger = Trigger.CHECK_FAILED, asset: str = "market/bars", name: str = "prices"
) -> Alert:
    return alert_of(
        trigger,
        asset,
        f"The check {name} failed",
        key=name,
        title=f"Check failed: {name} on {asset}",
        detail="3 rows have a price below zero",
        figures={"rows below zero": 3, "run": "abc123"},
        link=RUN,
        at=NOW,
    )


def every_text(alert: Alert, context: Context) -> list[str]:
    shown = json.dumps(blocks(alert, context), ensure_ascii=False)
    return [shown, plain(alert, context), html(alert, context)]


@pytest.mark.parametrize(
    "word",
    [
        "Check failed: prices on market/bars",
        "Nothing that depends on this data was computed",
        "materialise market/bars again",
        "3 rows have a price below zero",
        "rows below zero",
        "abc123",
        RUN,
        "20 Nov 2026 18:31:05",
        f"incident {check().incident}",
        f"kasauti alerts ack {check().incident} --who NAME",
    ],
)
def test_every_form_says_what_where_why_and_what_to_do(word: str) -> None:
    for text in every_text(check(), Context()):
        assert word in text


def test_block_kit_has_its_parts_in_order() -> None:
    found = blocks(check())
    kinds = [block["type"] for block in found]
    assert kinds == ["header", "section", "section", "section", "section", "actions", "context"]
    assert found[0]["text"]["text"] == "🔴 Check failed: prices on market/bars"
    assert [field["text"] for field in found[3]["fields"]] == [
        "*rows below zero*\n3",
        "*run*\nabc123",
    ]
    assert found[5]["elements"][0]["url"] == RUN


@pytest.mark.parametrize(
    ("context", "words"),
    [
        (Context(more=12, since=NOW), "It came up 12 times more since 20 Nov 18:31."),
        (Context(more=1, since=NOW), "It came up once more since"),
        (Context(doubtful=True), "You may have this message already"),
        (Context(instead="slack"), "Sent here as well, since slack did not take it."),
    ],
    ids=["more", "once more", "doubtful", "escalated"],
)
def test_every_form_says_what_is_to_be_known_of_the_message_itself(
    context: Context, words: str
) -> None:
    for text in every_text(check(), context):
        assert words in text
    for text in every_text(check(), Context()):
        assert words not in text


def test_text_from_outside_cannot_mention_or_link_or_add_tags() -> None:
    hostile = "<!channel> <https://evil.example|click> & <script>"
    alert = alert_of(Trigger.NOTE, hostile, hostile, detail=hostile, figures={hostile: hostile})
    for block in blocks(alert)[1:]:
        assert "<!channel>" not in json.dumps(block) and "<https" not in json.dumps(block)
    assert "<script>" not in html(alert) and "&lt;script&gt;" in html(alert)
    assert "<!channel>" not in html(alert)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.text(max_size=50), st.integers(0, 9000), st.sampled_from(Trigger))
def test_no_text_is_longer_than_slack_takes(piece: str, length: int, trigger: Trigger) -> None:
    long = (piece + "&<a>") * (length // (len(piece) + 4) + 1)
    figures = {f"{long}{n}": long for n in range(12)}
    alert = alert_of(trigger, long, long, title=long, detail=long, figures=figures, link=long)
    assert len(brief(alert)) > 0
    for block in blocks(alert, Context(more=3, since=NOW, doubtful=True, instead=long[:100])):
        assert len(block.get("fields", [])) <= 10
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


# -- alerts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("trigger", Trigger, ids=[trigger.name for trigger in Trigger])
def test_every_trigger_has_a_severity_a_sentence_and_what_to_do(trigger: Trigger) -> None:
    alert = alert_of(trigger, "market/bars")
    meaning = TABLE[trigger]
    assert alert.severity is meaning.severity
    assert "{" not in alert.happened + alert.remedy
    for sentence in (alert.happened, alert.remedy):
        assert sentence[0].isupper() and sentence.endswith(".")
    assert Alert.from_text(alert.to_text()) == alert


def test_the_table_has_every_trigger_once() -> None:
    assert [row[0] for row in table_rows()] == [trigger.value for trigger in Trigger]


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.text(max_size=30), st.text(max_size=3000), st.booleans())
def test_an_alert_is_built_of_any_text_and_comes_back_as_it_was(
    subject: str, said: str, closes: bool
) -> None:
    alert = alert_of(
        Trigger.DIFFERENCE, subject, said, figures={subject: said}, at=NOW, closes=closes
    )
    assert Alert.from_text(alert.to_text()) == alert
    alert.to_text().encode()
    assert "\0" not in alert.to_text()


def test_half_a_surrogate_pair_and_nul_are_written_out() -> None:
    alert = alert_of(Trigger.NOTE, "x\ud800", "y\0")
    assert alert.happened.startswith("y\\x00.") and "\\ud800" in alert.subject


@pytest.mark.parametrize(
    "text", ["Kill switch set by me: x", "", "[]", "{}", '{"trigger": 3}', "null"]
)
def test_what_is_no_alert_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"alert|Expecting"):
        Alert.from_text(text)


def test_the_incident_is_what_it_is_about_and_not_the_run() -> None:
    assert check().incident == alert_of(Trigger.CHECK_FAILED, "market/bars", key="prices").incident
    assert check().incident != check(name="volumes").incident
    assert check().incident != check(asset="market/x").incident
    assert check().incident != check(Trigger.CHECK_WARNED).incident


def test_the_end_of_an_incident_carries_its_id_and_asks_for_nothing() -> None:
    opened = alert_of(Trigger.STALE_FEED, "K27", "Breaker K27 opened")
    over = alert_of(Trigger.STALE_FEED, "K27", "Breaker K27 closed", title="Over", closes=True)
    assert over.incident == opened.incident and over.severity is Severity.INFO
    for text in every_text(over, Context()):
        assert "✅ Over" in text and "What to do" not in text and "kasauti alerts ack" not in text


def test_only_a_file_of_the_reports_goes_along(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "report.html").write_text("x")
    (tmp_path / "secret").write_text("x")
    context = Context(reports=tmp_path / "reports")

    def attached(name: str) -> Path | None:
        return context.attachment(alert_of(Trigger.REPORT, "x", attachment=name))

    assert attached("report.html") == (tmp_path / "reports" / "report.html").resolve()
    assert [attached(name) for name in ("../secret", "none.html", "", "/etc/passwd")] == [None] * 4
