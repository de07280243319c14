"""The whole way of an alert against local providers: outage, 429, slow answers, night."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from kasauti.alerts import pulse
from kasauti.alerts.book import AlertBook
from kasauti.alerts.listing import Listing, listing_of
from kasauti.alerts.messages import Context
from kasauti.alerts.model import Alert
from kasauti.alerts.queue import Queue
from kasauti.alerts.rules import rules_of
from kasauti.alerts.service import AlertService, only_one
from kasauti.alerts.set_up import service_of
from kasauti.alerts.state import Verdict
from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.errors import AlertError, UsageError
from kasauti.execution.events import LatchChanged
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.home import Home
from kasauti.market.calendar import INDIA
from tests.alerts.providers import (
    MailServer,
    SlackServer,
    mail_environment,
    slack_environment,
)
from tests.alerts.stand_in import Answer

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=INDIA)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
LIMITED = Answer(429, '{"ok": false, "error": "ratelimited"}', {"Retry-After": "120"})


class SetClock:
    """A clock that a test sets."""

    def __init__(self, now: datetime) -> None:
        self.moment = now

    def now(self) -> datetime:
        return self.moment

    def wait(self, duration: timedelta) -> None:
        self.moment += duration


@dataclass
class World:
    """A state folder with a service between its ledger and two providers."""

    home: Home
    book: AlertBook
    clock: SetClock
    environ: dict[str, str]
    slack: SlackServer
    mail: MailServer
    count: int = 0
    service: AlertService | None = None

    def start(self) -> AlertService:
        self.stop()
        self.service = service_of(
            self.home, self.book, self.environ, clock=self.clock, rng=Random(7)
        )
        return self.service

    def stop(self) -> None:
        if self.service is not None:
            self.service.close()
            self.service = None

    def say(self, alert: Alert) -> None:
        self.count += 1
        assert self.book.raise_alert(alert, f"key {self.count}", self.clock.now())

    def go(self, later: timedelta = timedelta(0)) -> None:
        """Let time pass, and the service do all that is due."""
        self.clock.moment += later
        (self.service or self.start()).drain()

    def states(self, channel: str) -> list[str]:
        with closing(sqlite3.connect(self.home.alerts)) as book:
            query = "SELECT state FROM deliveries WHERE channel = ? ORDER BY id"
            return [state for (state,) in book.execute(query, (channel,))]

    def listing(self) -> Listing:
        return listing_of(self.home, self.environ, self.clock.now())


@contextmanager
def world(folder: Path, **more: str) -> Iterator[World]:
    home = Home(folder)
    with (
        SlackServer().running() as slack,
        MailServer().running() as mail,
        closing(AlertBook(home.alerts)) as book,
    ):
        assert isinstance(slack, SlackServer)
        environ = {**slack_environment(slack), **mail_environment(mail), **more}
        made = World(home, book, SetClock(NOON), environ, slack, mail)
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def error(subject: str = "ledger") -> Alert:
    return alert_of(Trigger.DIFFERENCE, subject, "Ledger and broker differ")


KILL = alert_of(Trigger.KILL_SWITCH, "trading", "Kill switch set by Asha: a feeling")


def test_an_alert_goes_to_the_first_channel_and_a_critical_one_to_all(w: World) -> None:
    w.say(error())
    w.go()
    assert (w.slack.incidents(), w.mail.incidents()) == ([error().incident], [])
    w.say(KILL)
    w.go()
    assert w.slack.incidents()[-1] == KILL.incident and w.mail.incidents() == [KILL.incident]
    assert w.states("email") == ["unneeded", "sent"]


def test_the_same_occurrence_raised_again_is_one_alert(w: World) -> None:
    assert w.book.raise_alert(error(), "run 1", NOON)
    assert not w.book.raise_alert(error(), "run 1", NOON + HOUR)
    w.go()
    assert len(w.slack.taken) == 1


def test_repeats_of_an_incident_are_counted_and_told_in_its_thread(w: World) -> None:
    for _ in range(13):
        w.say(error())
        w.go(timedelta(seconds=10))
    assert len(w.slack.taken) == 1
    w.clock.moment += HOUR
    w.say(error())
    w.go()
    first, second = w.slack.taken
    assert second["thread_ts"] == first["ts"]
    assert "It came up 12 times more since 20 Nov 12:00" in json.dumps(second)
    (incident,) = w.listing().incidents
    assert (incident.count, incident.unsaid) == (14, 0)


def test_an_acknowledged_incident_is_silent_for_a_day(w: World) -> None:
    w.say(error())
    w.go()
    w.book.acknowledge(error().incident, by="Asha", now=w.clock.now())
    assert w.listing().incidents == ()
    w.say(error())
    w.go(2 * HOUR)
    assert len(w.slack.taken) == 1
    w.say(error())
    w.go(24 * HOUR)
    assert len(w.slack.taken) == 2 and len(w.listing().incidents) == 1


def test_acknowledging_stops_what_waits_for_that_incident_only(w: World) -> None:
    w.slack.instead = Answer(500, "down")
    w.say(error())
    w.say(error("funds"))
    w.go()
    w.book.acknowledge(error().incident, by="Asha", now=w.clock.now())
    w.slack.instead = None
    w.go(MINUTE)
    assert w.slack.incidents() == [error("funds").incident]


@pytest.mark.parametrize(("name", "who"), [("nothing", "Asha"), (error().incident, " ")])
def test_only_a_person_acknowledges_what_there_is(w: World, name: str, who: str) -> None:
    w.say(error())
    w.go()
    with pytest.raises(UsageError):
        w.book.acknowledge(name, by=who, now=NOON)


def test_the_end_of_an_incident_is_told_and_closes_it(w: World) -> None:
    over = alert_of(Trigger.DIFFERENCE, "ledger", "They agree", title="Over", closes=True)
    w.say(error())
    w.go()
    w.say(over)
    w.go(10 * MINUTE)
    assert w.slack.taken[1]["thread_ts"] == w.slack.taken[0]["ts"]
    assert w.listing().incidents == ()
    w.say(error())
    w.go(MINUTE)
    assert len(w.slack.taken) == 3, "it is back: that is news within its window, too"


def test_warnings_wait_for_the_morning_and_errors_do_not(w: World) -> None:
    w.clock.moment = NOON.replace(hour=23)
    w.say(alert_of(Trigger.NEAR_LIMIT, "loss today"))
    w.say(error())
    w.go()
    assert w.slack.incidents() == [error().incident]
    (held,) = w.listing().waiting
    assert held.why == "quiet hours" and held.until == w.clock.now() + 8 * HOUR
    w.go(8 * HOUR)
    assert len(w.slack.taken) == 2


def test_an_outage_loses_nothing_and_the_second_channel_is_told(w: World) -> None:
    w.slack.instead = Answer(503, "down")
    w.say(error())
    w.go()
    assert (w.states("slack"), w.states("email")) == (["pending"], ["standby"])
    w.go(3 * MINUTE)
    w.go(3 * MINUTE)
    w.go(MINUTE)
    assert error().incident in w.mail.incidents()
    body = w.mail.mails[0].get_body(("plain",))
    assert body is not None and "since slack did not take it" in body.get_content()
    w.slack.instead = None
    w.go(20 * MINUTE)
    assert error().incident in w.slack.incidents()


def test_that_a_channel_fails_is_told_on_the_others_once_an_outage(w: World) -> None:
    w.slack.instead = Answer(503, "down")
    w.say(error())
    for _ in range(8):
        w.go(3 * MINUTE)
    failing = alert_of(Trigger.CHANNEL_FAILING, "slack").incident
    assert w.mail.incidents().count(failing) == 1
    w.slack.instead = None
    w.go(20 * MINUTE)
    assert failing not in w.slack.incidents()


def test_429_is_waited_for_as_long_as_asked(w: World) -> None:
    w.slack.instead = LIMITED
    w.say(error())
    w.go()
    w.slack.instead = None
    w.go(timedelta(seconds=119))
    assert w.slack.taken == []
    w.go(timedelta(seconds=2))
    assert len(w.slack.taken) == 1


def test_a_message_that_slack_never_takes_is_given_up_and_goes_to_the_next(w: World) -> None:
    w.slack.instead = Answer(200, '{"ok": false, "error": "invalid_blocks"}')
    w.say(error())
    w.go()
    w.go(MINUTE)
    assert w.states("slack") == ["failed"] and w.mail.incidents() == [error().incident]
    (given_up,) = w.listing().failed
    assert "invalid_blocks" in given_up.why


def test_a_slow_channel_holds_up_neither_the_others_nor_the_service(w: World) -> None:
    w.slack.slow.clear()
    w.say(KILL)
    service, started = w.start(), time.monotonic()
    service.turn()
    until(lambda: w.mail.incidents() == [KILL.incident])
    w.say(alert_of(Trigger.KILL_SWITCH, "again"))

    def turned() -> bool:
        service.turn()
        return len(w.mail.mails) == 2

    until(turned)
    assert time.monotonic() - started < 5
    assert w.states("slack")[0] == "sending"
    w.slack.slow.set()
    w.go()
    until(lambda: len(w.slack.taken) == 2)


def test_a_flood_is_sent_at_the_rate_that_is_allowed_the_worst_first(tmp_path: Path) -> None:
    with world(tmp_path, KASAUTI_ALERT_RATE="10") as w:
        for number in range(25):
            w.say(error(f"symbol {number}"))
        w.say(KILL)
        w.go()
        assert len(w.slack.taken) == 10 and w.slack.incidents()[0] == KILL.incident
        w.go(MINUTE)
        w.go(MINUTE)
        assert len(w.slack.taken) == 26


def test_a_channel_whose_settings_are_taken_away_gives_way_to_the_next(w: World) -> None:
    w.slack.instead = Answer(500, "down")
    w.say(error())
    w.go()
    w.environ = mail_environment(w.mail)
    w.start()
    w.go(MINUTE)
    assert w.mail.incidents() == [error().incident]


def test_a_setting_that_cannot_be_used_costs_its_channel_only_and_is_told(tmp_path: Path) -> None:
    bad = {"KASAUTI_SLACK_API_URL": "http://slack.example.org/", "KASAUTI_ALERT_RATE": "many"}
    with world(tmp_path, **bad) as w:
        w.say(error())
        w.go()
        subjects = [str(mail["Subject"]) for mail in w.mail.mails]
        assert any("slack" in subject for subject in subjects)
        assert error().incident in w.mail.incidents()
        assert len(w.listing().problems) == 2


def test_without_any_channel_the_incident_is_listed_all_the_same(tmp_path: Path) -> None:
    with world(tmp_path) as w:
        w.environ = {}
        w.say(error())
        w.go()
        assert [one.id for one in w.listing().incidents] == [error().incident]
        w.environ = slack_environment(w.slack)
        w.start()
        w.say(error())
        w.go(MINUTE)
        assert w.slack.incidents() == [error().incident], "nobody was told before"


# -- the ledger ----------------------------------------------------------------------------------


def ledger_in(home: Home) -> Ledger:
    return Ledger(home.ledger, scope=Scope.PAPER, market="nse", at=NOON)


def stop(ledger: Ledger, number: int, at: datetime = NOON) -> Alert:
    alert = alert_of(Trigger.KILL_SWITCH, "trading", f"stop {number}", key=str(number))
    ledger.append(LatchChanged(True, "test", str(number)), at=at, alert=alert)
    return alert


def test_what_the_ledger_says_arrives_with_the_time_of_its_event(w: World) -> None:
    with closing(ledger_in(w.home)) as ledger:
        alert = stop(ledger, 1, NOON + timedelta(seconds=3))
        w.go()
    assert w.slack.incidents() == [alert.incident]
    assert "20 Nov 2026 12:00:03" in json.dumps(w.slack.taken)


def test_an_alert_is_taken_from_the_ledger_once(w: World) -> None:
    with closing(ledger_in(w.home)) as ledger:
        stop(ledger, 1)
        w.go()
        w.go()
        w.start()
        stop(ledger, 2)
        w.go()
    assert len(w.slack.taken) == 2


def test_a_ledger_that_is_first_read_tells_of_its_last_day_only(w: World) -> None:
    w.clock.moment = NOON + 30 * HOUR
    with closing(ledger_in(w.home)) as ledger:
        for number in range(505):
            stop(ledger, number, NOON)
        news = stop(ledger, 1_000, NOON + 29 * HOUR)
        w.go()
    assert w.slack.incidents() == [news.incident]


def test_after_a_restore_the_alerts_of_the_older_ledger_go_on(w: World) -> None:
    """The restored ledger gives the same event numbers to other events."""
    with closing(ledger_in(w.home)) as ledger:
        stop(ledger, 1)
    kept = w.home.ledger.read_bytes()
    with closing(ledger_in(w.home)) as ledger:
        stop(ledger, 2)
        w.go()
    w.stop()
    for file in w.home.root.glob("ledger.sqlite*"):
        file.unlink()
    w.home.ledger.write_bytes(kept)
    with closing(ledger_in(w.home)) as ledger:
        other = stop(ledger, 3)
        w.go()
    assert len(w.slack.taken) == 3 and w.slack.incidents()[-1] == other.incident


def test_a_plain_sentence_of_an_old_ledger_arrives(w: World) -> None:
    with closing(ledger_in(w.home)) as ledger:
        ledger.append(LatchChanged(True, "test", "x"), at=NOON)
        with ledger._writer.begin() as connection:
            seq = ledger.seq()
            connection.exec_driver_sql("INSERT INTO outbox VALUES (?, ?)", (seq, "Old words"))
        w.go()
    assert "Old words" in json.dumps(w.slack.taken)


def test_a_ledger_that_cannot_be_read_keeps_no_other_alert_from_arriving(w: World) -> None:
    w.home.ledger.write_bytes(b"no database" * 100)
    w.say(error())
    w.go()
    assert w.slack.incidents() == [error().incident]
    found = pulse.read(w.home.pulse)
    assert found is not None and "cannot be read" in " ".join(found.problems)


def test_a_ledger_is_only_read(w: World) -> None:
    with closing(ledger_in(w.home)) as ledger:
        stop(ledger, 1)
        head = ledger.head()
        with ledger._writer.begin():  # somebody holds the write lock all the time
            w.go()
        assert len(w.slack.taken) == 1 and ledger.head() == head and ledger.verify().ok


# -- the service ---------------------------------------------------------------------------------


def test_a_delivery_that_was_interrupted_says_that_it_may_be_a_repeat(w: World) -> None:
    w.say(error())
    queue = Queue(w.book)
    w.start()
    w.book.admit(rules_of({}, ["slack"]), NOON)
    (delivery,) = queue.open_deliveries()
    assert queue.claim(delivery, NOON) is not None
    assert queue.claim(delivery, NOON) is None, "claimed once"
    w.go()
    assert "You may have this message already" in json.dumps(w.slack.taken)
    assert w.states("slack") == ["sent"]


def test_an_answer_that_came_too_late_makes_the_next_message_say_so(w: World) -> None:
    """The provider has it, we do not know: nothing but a word in the repeat can tell."""
    from kasauti.alerts.channels.slack import Slack, SlackSettings
    from kasauti.alerts.state import Answer as Said

    w.slack.slow.clear()
    hasty = Slack(SlackSettings.from_environment(w.environ), timeout=1)
    assert hasty.send(error(), Context()) == Said(
        Verdict.RETRY, "Slack could not be reached: TimeoutError: timed out", doubtful=True
    )
    w.slack.slow.set()
    w.say(error())
    w.book.admit(rules_of({}, ["slack"]), NOON)
    queue = Queue(w.book)
    (delivery,) = queue.open_deliveries()
    claimed = queue.claim(delivery, NOON)
    assert claimed is not None
    queue.record(claimed, Said(Verdict.RETRY, "late", doubtful=True), NOON, Random(1))
    w.go(MINUTE)
    assert "You may have this message already" in json.dumps(w.slack.taken[-1])


def test_a_second_service_refuses_to_start(tmp_path: Path) -> None:
    refused = pytest.raises(AlertError, match="another alerts service")
    with only_one(tmp_path / "alerts.sqlite3"), refused, only_one(tmp_path / "alerts.sqlite3"):
        pass
    with only_one(tmp_path / "alerts.sqlite3"):
        pass


def test_a_channel_that_raises_anything_ends_nothing_and_leaks_nothing(
    w: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from kasauti.alerts.channels.slack import Slack

    def explode(self: Slack, alert: Alert, context: object) -> None:
        raise RuntimeError("canary in a bug")

    monkeypatch.setattr(Slack, "send", explode)
    w.say(KILL)
    w.go()
    assert w.mail.incidents() == [KILL.incident] and w.states("slack") == ["pending"]
    assert "canary" not in caplog.text + w.home.alerts.read_bytes().decode("latin-1")


def test_the_pulse_says_what_is_red_what_waits_and_that_it_ended(w: World) -> None:
    w.slack.instead = Answer(500, "down")
    w.say(error())
    w.go()
    w.go(timedelta(seconds=6))
    found = pulse.read(w.home.pulse)
    assert found is not None and found.waiting == 1
    assert found.red == (error().title,)
    assert found.is_alive(w.clock.now()) and not found.is_alive(w.clock.now() + HOUR)
    w.stop()
    ended = pulse.read(w.home.pulse)
    assert ended is not None and ended.stopped and not ended.is_alive(w.clock.now())


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.01)
