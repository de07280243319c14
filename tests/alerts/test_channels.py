"""E-mail, WhatsApp and desktop through apprise, against servers that check what they get."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kasauti.alerts.channels.desktop import Desktop, DesktopSettings
from kasauti.alerts.channels.email import Email, EmailSettings
from kasauti.alerts.channels.whatsapp import LONGEST, WhatsApp, WhatsAppSettings
from kasauti.alerts.messages import Context
from kasauti.alerts.state import Verdict
from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.errors import UsageError
from tests.alerts.providers import (
    MailServer,
    MetaServer,
    free_port,
    mail_environment,
    whatsapp_environment,
)
from tests.alerts.stand_in import Answer

ALERT = alert_of(
    Trigger.CHECK_FAILED,
    "market/bars",
    "The check prices failed",
    figures={"rows": 3},
    link="http://127.0.0.1:3000/runs/abc",
)
NOTHING = Context()


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer().running() as server:
        yield server


@pytest.fixture
def meta() -> Iterator[MetaServer]:
    with MetaServer().running() as server:
        assert isinstance(server, MetaServer)
        yield server


def email(server: MailServer, **more: str) -> Email:
    environ = {**mail_environment(server), **more}
    return Email(EmailSettings.from_environment(environ), timeout=2)


def whatsapp(server: MetaServer, **more: str) -> WhatsApp:
    environ = {**whatsapp_environment(server), **more}
    return WhatsApp(WhatsAppSettings.from_environment(environ), timeout=2)


# -- e-mail --------------------------------------------------------------------------------------


def test_a_mail_is_html_with_a_plain_alternative_and_names_its_incident(mail: MailServer) -> None:
    assert email(mail).send(ALERT, NOTHING).verdict is Verdict.SENT
    (found,) = mail.mails
    assert found["Subject"] == "🔴 Failed asset check: market/bars"
    assert (found["From"], found["To"]) == ("desk@example.org", "asha@example.org")
    assert found["References"] == f"<{ALERT.incident}@kasauti.invalid>"
    assert found.get_content_type() == "multipart/alternative"
    plain, html = found.get_body(("plain",)), found.get_body(("html",))
    assert plain is not None and html is not None
    for part in (plain.get_content(), html.get_content()):
        for word in ("market/bars", "What to do", "runs/abc", f"incident {ALERT.incident}"):
            assert word in part


def test_the_report_goes_along(mail: MailServer, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<h1>Report</h1>")
    alert = alert_of(Trigger.REPORT, "2026-11-20", attachment="report.html")
    assert email(mail).send(alert, Context(reports=tmp_path)).verdict is Verdict.SENT
    (attached,) = mail.mails[0].iter_attachments()
    assert attached.get_filename() == "report.html"
    assert attached.get_payload(decode=True) == b"<h1>Report</h1>"


def test_without_the_report_the_mail_goes_all_the_same(mail: MailServer, tmp_path: Path) -> None:
    alert = alert_of(Trigger.REPORT, "2026-11-20", attachment="gone.html")
    assert email(mail).send(alert, Context(reports=tmp_path)).verdict is Verdict.SENT
    assert list(mail.mails[0].iter_attachments()) == []


def test_each_receiver_gets_a_mail_of_his_own(mail: MailServer) -> None:
    email(mail, KASAUTI_MAIL_TO="asha@example.org, ravi@example.org").send(ALERT, NOTHING)
    assert [found["To"] for found in mail.mails] == ["asha@example.org", "ravi@example.org"]


def test_one_receiver_who_is_refused_does_not_repeat_it_to_the_other(mail: MailServer) -> None:
    mail.refused_receiver = "ravi@example.org"
    found = email(mail, KASAUTI_MAIL_TO="asha@example.org,ravi@example.org").send(ALERT, NOTHING)
    assert found.verdict is Verdict.SENT and "1 of 2 receivers" in found.detail
    mail.refused_receiver = "asha@example.org"
    assert email(mail).send(ALERT, NOTHING).verdict is Verdict.RETRY


@pytest.mark.parametrize("answer", ["451 try later", "554 looks like spam"])
def test_a_mail_that_is_not_taken_is_tried_again_and_the_server_is_quoted(
    mail: MailServer, answer: str
) -> None:
    mail.refuse = answer
    found = email(mail).send(ALERT, NOTHING)
    assert found.verdict is Verdict.RETRY
    assert answer[4:] in found.detail
    assert mail.mails == []


def test_no_server_is_told_with_its_cause_and_no_secret_is_logged(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    nobody = MailServer(port=free_port())
    secret = {"KASAUTI_SMTP_USER": "canaryuser", "KASAUTI_SMTP_PASSWORD": "canarypassword"}
    with caplog.at_level(logging.DEBUG):
        channel = email(nobody, **secret)
        found = channel.send(ALERT, NOTHING)
    assert found.verdict is Verdict.RETRY and "refused" in found.detail
    assert not found.doubtful
    said = caplog.text + "".join(capfd.readouterr()) + repr(found) + repr(channel._settings)
    assert "canary" not in said


def test_a_login_that_the_server_does_not_know_is_tried_again(mail: MailServer) -> None:
    found = email(mail, KASAUTI_SMTP_USER="someone", KASAUTI_SMTP_PASSWORD="hunter22").send(
        ALERT, NOTHING
    )
    assert found.verdict is Verdict.RETRY and "hunter22" not in found.detail


# -- WhatsApp ------------------------------------------------------------------------------------


def test_a_text_ends_with_its_incident(meta: MetaServer) -> None:
    assert whatsapp(meta).send(ALERT, NOTHING).verdict is Verdict.SENT
    (body,) = meta.taken
    assert (body["to"], body["type"]) == ("+919812345678", "text")
    text = body["text"]["body"]
    assert text.startswith("🔴 Failed asset check: market/bars")
    assert text.rstrip().endswith(f"incident {ALERT.incident}") and "runs/abc" in text


def test_a_template_holds_the_text_in_one_line(meta: MetaServer) -> None:
    channel = whatsapp(meta, KASAUTI_WHATSAPP_TEMPLATE="alert", KASAUTI_WHATSAPP_LANGUAGE="en")
    assert channel.send(ALERT, NOTHING).verdict is Verdict.SENT
    template = meta.taken[0]["template"]
    assert (template["name"], template["language"]) == ("alert", {"code": "en"})
    (parameter,) = template["components"][0]["parameters"]
    assert f"incident {ALERT.incident}" in parameter["text"]


def test_a_long_alert_is_one_message_that_still_names_its_incident(meta: MetaServer) -> None:
    long = alert_of(Trigger.NOTE, "x", "word " * 1_000, detail="word " * 1_000)
    assert whatsapp(meta).send(long, NOTHING).verdict is Verdict.SENT
    (body,) = meta.taken
    assert len(body["text"]["body"]) <= LONGEST and meta.incidents() == [long.incident]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(429, '{"error": {"message": "Rate limit hit", "code": 130429}}'), "130429"),
        (Answer(401, '{"error": {"message": "Authentication Error", "code": 190}}'), "190"),
        (Answer(500, "oops"), "500"),
        (Answer(503, "<html>"), "503"),
    ],
    ids=["too fast", "bad token", "server error", "no json"],
)
def test_a_message_that_is_not_taken_is_tried_again(
    meta: MetaServer, answer: Answer, words: str
) -> None:
    meta.instead = answer
    found = whatsapp(meta).send(ALERT, NOTHING)
    assert found.verdict is Verdict.RETRY and words in found.detail
    assert MetaServer.TOKEN not in found.detail
    assert len(meta.requests) == 1


def test_a_slow_answer_is_waited_for_as_long_as_the_channel_has(meta: MetaServer) -> None:
    meta.slow.clear()
    channel = WhatsApp(WhatsAppSettings.from_environment(whatsapp_environment(meta)), timeout=1)
    found = channel.send(ALERT, NOTHING)
    meta.slow.set()
    assert found.verdict is Verdict.RETRY and found.doubtful


@pytest.mark.parametrize(
    "broken",
    [
        {"KASAUTI_WHATSAPP_TOKEN": "not a token!canary"},
        {"KASAUTI_WHATSAPP_PHONE_ID": "canary"},
        {"KASAUTI_WHATSAPP_TO": "canary"},
    ],
    ids=["token", "phone id", "receiver"],
)
def test_a_malformed_setting_is_an_answer_without_it(
    meta: MetaServer,
    broken: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, value in broken.items():
        monkeypatch.setenv(name, value)
    found = whatsapp(meta, **broken).send(ALERT, NOTHING)
    assert found.verdict is Verdict.RETRY
    assert "canary" not in found.detail + "".join(capfd.readouterr())


# -- desktop -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "schema"),
    [("", None), ("no", None), ("yes", "dbus"), ("GNOME", "gnome"), ("macosx://", "macosx")],
)
def test_which_desktop(value: str, schema: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    settings = DesktopSettings.from_environment({"KASAUTI_DESKTOP": value})
    assert settings.schema_name == schema
    assert bool(settings.missing) is (schema is None)


def test_another_service_is_no_desktop() -> None:
    with pytest.raises(UsageError, match="yes, no or one of"):
        DesktopSettings.from_environment({"KASAUTI_DESKTOP": "json://example.org"})


def test_a_desktop_that_python_cannot_talk_to_says_what_to_install() -> None:
    """The windows service is on no Linux machine, whatever is installed there."""
    found = Desktop(DesktopSettings.from_environment({"KASAUTI_DESKTOP": "windows"})).send(
        ALERT, NOTHING
    )
    assert found.verdict is Verdict.RETRY and "install" in found.detail


def test_a_notification_is_short_and_names_its_incident() -> None:
    from apprise.decorators import notify

    shown: list[tuple[str, str]] = []

    @notify(on="kasautidesk")  # type: ignore[no-untyped-call, untyped-decorator]
    def desk(body: str, title: str, *rest: object, **named: object) -> bool:
        shown.append((title, body))
        return True

    desktop = Desktop(DesktopSettings(schema_name="kasautidesk"))
    long = alert_of(Trigger.NOTE, "x", "word " * 500)
    assert desktop.send(long, NOTHING).verdict is Verdict.SENT
    ((title, body),) = shown
    assert title == "🟠 Note: x" and len(body) <= 250
    assert body.endswith(f"incident {long.incident}")


# -- settings ------------------------------------------------------------------------------------

MAIL = {
    "KASAUTI_SMTP_HOST": "smtp.example.org",
    "KASAUTI_MAIL_FROM": "a@b.org",
    "KASAUTI_MAIL_TO": "c@d.org",
}


@pytest.mark.parametrize("name", MAIL)
def test_what_a_mail_lacks_is_named(name: str) -> None:
    environ = {key: value for key, value in MAIL.items() if key != name}
    assert EmailSettings.from_environment(environ).missing == f"set {name}"
    assert EmailSettings.from_environment(MAIL).missing == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"KASAUTI_SMTP_SECURITY": "none"}, "in the clear"),
        ({"KASAUTI_SMTP_SECURITY": "canary"}, "starttls"),
        ({"KASAUTI_SMTP_PORT": "canary"}, "must be a number"),
    ],
    ids=["in the clear", "unknown", "port"],
)
def test_a_mail_setting_that_cannot_be_used_is_refused(changes: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        EmailSettings.from_environment(MAIL | changes)
    assert "canary" not in str(caught.value)


def test_what_whatsapp_lacks_is_named_and_its_token_stays_safe() -> None:
    assert "KASAUTI_WHATSAPP_TOKEN" in WhatsAppSettings.from_environment({}).missing
    with pytest.raises(UsageError, match="https"):
        WhatsAppSettings.from_environment({"KASAUTI_WHATSAPP_API_URL": "http://meta.example"})


def test_the_same_alert_again_says_that_it_may_be_a_repeat(mail: MailServer) -> None:
    email(mail).send(ALERT, replace(NOTHING, doubtful=True))
    body = mail.mails[0].get_body(("plain",))
    assert body is not None and "You may have this message already" in body.get_content()
