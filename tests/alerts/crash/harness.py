"""The side that lives: it raises alerts, kills the service, takes providers down, and counts."""

import json
import os
import random
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

from kasauti.alerts.book import AlertBook
from kasauti.alerts.state import State
from kasauti.alerts.triggers import Trigger, alert_of
from kasauti.execution import failpoints
from kasauti.execution.events import LatchChanged
from kasauti.execution.ledger import Ledger
from kasauti.execution.model import Scope
from kasauti.home import Home
from tests.alerts.crash.worker import START, FastClock
from tests.alerts.providers import MailServer, SlackServer, mail_environment, slack_environment
from tests.alerts.stand_in import Answer

SPEED = 240.0
CHANNELS = ("slack", "email")
DOUBT = "You may have this message already"
BY_TIME = "at any moment"
STEPS = tuple(failpoints.ALERT_STEPS)
ONCE = ("alerts.before_relay", "alerts.relayed")  # that often a service comes by with new alerts
REACH = 1.5  # seconds until a service that does not come by its step is killed where it is
TROUBLES = ("down", "503", "429", "slow", "up", "up")


@dataclass(frozen=True)
class Copy:
    """One message as it arrived."""

    incident: str
    doubtful: bool


@dataclass
class Report:
    """What came of it.

    Attributes
    ----------
    raised : tuple of str
        Incidents, each raised once.
    own : frozenset of str
        Incidents that the service raised by itself: of a provider that failed.
    arrived : dict of str to list of Copy
        By channel.
    kills : Counter
        By step.
    troubles : Counter
        Of the providers.
    unfinished : int
        Deliveries that still waited when the harness lost patience.
    """

    raised: tuple[str, ...]
    own: frozenset[str]
    arrived: dict[str, list[Copy]]
    kills: Counter[str]
    troubles: Counter[str]
    unfinished: int
    seconds: float

    def lost(self, channel: str) -> list[str]:
        """Return the incidents that never arrived."""
        return sorted(set(self.raised) - {copy.incident for copy in self.arrived[channel]})

    def foreign(self, channel: str) -> list[str]:
        """Return what arrived and was never raised."""
        known = self.own | set(self.raised)
        return sorted({copy.incident for copy in self.arrived[channel]} - known)

    def repeats(self, channel: str) -> list[Copy]:
        """Return every copy after the first one of a raised incident."""
        seen: set[str] = set()
        found = []
        for copy in self.arrived[channel]:
            if copy.incident in self.own:
                continue
            if copy.incident in seen:
                found.append(copy)
            seen.add(copy.incident)
        return found

    def unexplained(self, channel: str) -> list[Copy]:
        """Return repeats that do not say so: they came in another way than by a kill."""
        return [copy for copy in self.repeats(channel) if not copy.doubtful]

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, and every repeat is one that a kill explains."""
        repeats = sum(len(self.repeats(channel)) for channel in CHANNELS)
        return (
            repeats <= len(CHANNELS) * self.kills.total()
            and not self.unfinished
            and not any(
                self.lost(channel) or self.foreign(channel) or self.unexplained(channel)
                for channel in CHANNELS
            )
        )


@dataclass
class Providers:
    """Slack's and the mail's servers, which can be taken down and put up again on their ports."""

    slack: SlackServer = field(default_factory=SlackServer)
    mail: MailServer = field(default_factory=MailServer)
    up: dict[str, ExitStack] = field(default_factory=dict)

    def start(self, name: str) -> None:
        if name in self.up:
            return
        stack = ExitStack()
        if name == "slack":
            taken, port = self.slack.taken, int(self.slack.url.rpartition(":")[2])
            if self.slack.closed:
                self.slack = SlackServer(port=port)
                self.slack.taken = taken
            stack.enter_context(self.slack.running())
        else:
            stack.enter_context(self.mail.running())
        self.up[name] = stack

    def stop(self, name: str) -> None:
        if name in self.up:
            self.up.pop(name).close()

    def heal(self) -> None:
        for name in CHANNELS:
            self.start(name)
        self.slack.instead, self.mail.refuse = None, ""
        self.slack.slow.set()

    def trouble(self, name: str, kind: str) -> None:
        """Make one provider fail in one way, the others as they were."""
        if kind == "down":
            self.stop(name)
            return
        self.start(name)
        if name == "slack":
            answers = {
                "503": Answer(503, "down"),
                "429": Answer(429, '{"ok": false, "error": "ratelimited"}', {"Retry-After": "30"}),
            }
            self.slack.instead = answers.get(kind)
            self.slack.delay = 0.3 if kind == "slow" else 0.0
        else:
            self.mail.refuse = {"503": "451 down", "429": "450 too many"}.get(kind, "")
            self.mail.delay = 0.3 if kind == "slow" else 0.0

    def arrived(self) -> dict[str, list[Copy]]:
        slack = [
            Copy(incident, DOUBT in json.dumps(body))
            for incident, body in zip(self.slack.incidents(), self.slack.taken, strict=True)
        ]
        mails = [
            Copy(incident, DOUBT in str(mail.get_body(("plain",))))
            for incident, mail in zip(self.mail.incidents(), self.mail.mails, strict=True)
        ]
        return {"slack": slack, "email": mails}


@dataclass
class Worker:
    """The process that forks services."""

    process: "subprocess.Popen[str]"
    told: int

    @property
    def _in(self) -> IO[str]:
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def _out(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def _number(self, word: str) -> int:
        said, number = self._out.readline().split()
        assert said == word, "a number that is no pid must never be killed"
        return int(number)

    def fork(self, step: str, count: int) -> int:
        self._in.write(f"{step} {count}\n")
        self._in.flush()
        return self._number("pid")

    def kill(self, pid: int, seconds: float) -> str:
        """Kill the service when it has come by its step or the time is over; return the step."""
        ready, _, _ = select.select([self.told], [], [], seconds)
        os.kill(pid, signal.SIGKILL)
        status = self._number("end")
        assert os.WIFSIGNALED(status), f"the service ended by itself: {status}"
        return os.read(self.told, 100).decode() if ready else BY_TIME

    def end(self, pid: int) -> None:
        os.kill(pid, signal.SIGTERM)
        assert self._number("end") == 0


@contextmanager
def worker(home: Home, environ: Mapping[str, str], began: float) -> Iterator[Worker]:
    told, tell = os.pipe()
    wake, woken = os.pipe()
    command = [sys.executable, "-m", "tests.alerts.crash.worker"]
    command += [str(home.root), repr(began), repr(SPEED), str(tell), str(wake)]
    process = subprocess.Popen(
        command,
        env={**os.environ, **environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        pass_fds=(tell, wake),
    )
    try:
        yield Worker(process, told)
    finally:
        process.kill()
        process.wait()
        for handle in (told, tell, wake, woken):
            os.close(handle)


def run(folder: Path, *, alerts: int, kills: int, seed: int, progress: bool = False) -> Report:
    """Raise `alerts` while the service is killed `kills` times, then let it come to rest."""
    rng, home, begun = random.Random(seed), Home(folder), time.monotonic()
    began = time.time()
    providers, clock = Providers(), FastClock(began, SPEED)
    providers.heal()
    environ = {
        **slack_environment(providers.slack),
        **mail_environment(providers.mail),
        "KASAUTI_ALERT_ROUTE": "error: slack + email; critical: slack + email",
        "KASAUTI_ALERT_QUIET": "off",
        "KASAUTI_ALERT_RATE": "100000",
        "SSL_CERT_FILE": os.devnull,  # reading the machine's certificates is most of a mail's time
    }
    raised: list[str] = []
    counted: Counter[str] = Counter()
    troubles: Counter[str] = Counter()
    with (
        closing(Ledger(home.ledger, scope=Scope.PAPER, market="nse", at=START)) as ledger,
        closing(AlertBook(home.alerts)) as book,
        worker(home, environ, began) as services,
    ):
        for number in range(kills):
            while len(raised) < alerts * (number + 1) // kills:
                raised.append(_raise(ledger, book, len(raised), clock.now()))
            first = number < len(STEPS)  # each step once, with everything up
            if not first and rng.random() < 0.2:
                name, kind = rng.choice(CHANNELS), rng.choice(TROUBLES)
                providers.trouble(name, kind)
                troubles[f"{name} {kind}"] += kind != "up"
            if first:
                step = services.kill(services.fork(STEPS[number], 1), 10 * REACH)
            elif rng.random() < 0.7:
                wanted = rng.choice(STEPS)
                pid = services.fork(wanted, 1 if wanted in ONCE else rng.randint(1, 4))
                step = services.kill(pid, REACH)
            else:
                pid = services.fork("-", 0)
                step = services.kill(pid, rng.uniform(0.0, 0.25))
            counted[step] += 1
            if progress and number % 20 == 19:
                sys.stderr.write(f"{number + 1} kills, {len(raised)} alerts\n")
        providers.heal()
        for name in CHANNELS:
            providers.trouble(name, "up")
        pid = services.fork("-", 0)
        left = _rest(home, len(raised))
        services.end(pid)
    arrived = providers.arrived()
    for name in CHANNELS:
        providers.stop(name)
    return Report(
        tuple(raised),
        _own(home) - set(raised),
        arrived,
        counted,
        troubles,
        left,
        time.monotonic() - begun,
    )


def _raise(ledger: Ledger, book: AlertBook, number: int, now: datetime) -> str:
    """Raise one alert, every other one by an event of the ledger; return its incident."""
    if number % 2:
        alert = alert_of(Trigger.RUN_FAILED, f"job {number}", key=str(number))
        assert book.raise_alert(alert, f"run:{number}", now)
    else:
        alert = alert_of(Trigger.KILL_SWITCH, f"trading {number}", key=str(number))
        at = START + timedelta(seconds=number)
        ledger.append(LatchChanged(True, "test", str(number)), at=at, alert=alert)
    return alert.incident


def _own(home: Home) -> frozenset[str]:
    """Return every incident in the book."""
    with closing(sqlite3.connect(home.alerts)) as driver:
        return frozenset(name for (name,) in driver.execute("SELECT incident FROM alerts"))


def _rest(home: Home, alerts: int, seconds: float = 600.0) -> int:
    """Wait until every alert is told and nothing waits; return what still does.

    Where nothing waits and yet alerts are missing, they are lost: five seconds tell.
    """
    ends, left, idle = time.monotonic() + seconds, -1, 0
    open_states = (State.PENDING.value, State.SENDING.value, State.STANDBY.value)
    while left and idle < 100 and time.monotonic() < ends:
        time.sleep(0.05)
        with suppress(sqlite3.Error), closing(sqlite3.connect(home.alerts)) as driver:
            query = "SELECT count(*) FROM deliveries WHERE state IN (?, ?, ?)"
            (waiting,) = driver.execute(query, open_states).fetchone()
            ours = "key LIKE 'run:%' OR key LIKE 'paper:%'"
            own = f"SELECT count(*) FROM alerts WHERE outcome = 'told' AND ({ours})"
            (told,) = driver.execute(own).fetchone()
            left = waiting + alerts - told
            idle = 0 if waiting else idle + 1
    return left
