"""docs/alerts.md holds the code's own table; `python -m tests.alerts.test_docs` writes it."""

from pathlib import Path

from kasauti.alerts.rules import CHANNELS
from kasauti.alerts.triggers import Trigger, table_rows

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "alerts.md"
BEGIN, END = "<!-- triggers: begin -->\n", "<!-- triggers: end -->"
HEADS = ("trigger", "severity", "raised by", "what happened", "what to do", "silent for")


def table() -> str:
    lines = [HEADS, ("---",) * len(HEADS), *table_rows()]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def test_the_page_has_the_table_of_the_code() -> None:
    text = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    assert text == table(), "run: python -m tests.alerts.test_docs"


def test_the_page_says_how_each_channel_is_set_up_and_what_was_measured() -> None:
    text = PAGE.read_text()
    for name in (*CHANNELS, "SLACK_BOT_TOKEN", "KASAUTI_SMTP_HOST", "KASAUTI_WHATSAPP_TOKEN"):
        assert name.lower() in text.lower().replace("e-mail", "email")
    measured = text.partition("<!-- alert crashes: begin -->")[2].partition("<!--")[0]
    assert "| slack | 1000 | 1000 | 0 |" in measured and "| email | 1000 | 1000 | 0 |" in measured


def test_every_trigger_that_was_asked_for_is_there() -> None:
    asked = [
        *("daily loss limit", "consecutive losses", "circuit breaker", "kill switch"),
        *("API failure", "stale feed", "reconciliation difference", "failed asset check"),
        *("failed run", "missed schedule", "backup not proved", "disk low", "approaching limit"),
        *("approval expired", "nightly twin over tolerance"),
    ]
    assert set(asked) <= {trigger.value for trigger in Trigger}


if __name__ == "__main__":
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}")
