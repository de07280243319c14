"""Checks of processes: what `kasauti up` keeps running, the desk and the alerts service.

What was not started is absent; what should run and does not is red.
"""

from datetime import datetime, timedelta

import psutil

from kasauti.alerts import pulse
from kasauti.execution import heartbeat
from kasauti.execution.heartbeat import Mode
from kasauti.health.model import Check, Figure, Health
from kasauti.health.supervision import Supervised
from kasauti.health.surroundings import Surroundings

DESK, ALERTS = "desk", "alerts"
STARTING = timedelta(seconds=60)  # Dagster's processes need up to 20 s on a loaded machine
KEEPS_ENDING = timedelta(seconds=10)  # one that ran shorter at its third start cannot start at all
START = "`kasauti up` starts it"
RESTARTED = "`kasauti up` starts it again, its terminal says why it ended"


def supervisor(around: Surroundings) -> list[Check]:
    """Look whether `kasauti up` runs."""
    name, word = "supervisor", around.supervisor
    if word is None:
        return [Check(name, Health.ABSENT, "not started: run `kasauti up`")]
    if word.stopped:
        return [
            Check(name, Health.ABSENT, f"stopped at {word.at:%Y-%m-%d %H:%M}: run `kasauti up`")
        ]
    if not around.is_up:
        gone = f"gone since {word.at:%Y-%m-%d %H:%M:%S} without being stopped: run `kasauti up`"
        return [Check(name, Health.RED, gone, {"pid": word.pid})]
    return [
        Check(name, Health.OK, f"keeps {len(word.services)} processes running", _size(word.pid))
    ]


def services(around: Surroundings) -> list[Check]:
    """Look at what `kasauti up` keeps running and what gives no sign of life itself."""
    word = around.supervisor
    if word is None or not around.is_up:
        names = ("web page", "daemon", "code server")
        return [Check(name, Health.ABSENT, f"not started: {START}") for name in names]
    own = [one for one in word.services if one.name not in (DESK, ALERTS)]
    return [*(_service(one, around.now) for one in own), _code_server(around, word.pid)]


def _service(one: Supervised, now: datetime) -> Check:
    if one.pid is None or not _runs(one.pid):
        ended = f"does not run, after {one.starts} starts: {RESTARTED}"
        return Check(one.name, Health.RED, ended, {"starts": one.starts})
    if one.starts > 2 and _young(one, now, KEEPS_ENDING):
        ended = f"ends again and again, {one.starts} starts: {RESTARTED}"
        return Check(one.name, Health.RED, ended, {"starts": one.starts})
    said = f"runs since {one.since:%Y-%m-%d %H:%M:%S}" if one.since else "runs"
    return Check(one.name, Health.OK, said, {"starts": one.starts, **_size(one.pid)})


def _young(one: Supervised | None, now: datetime, limit: timedelta) -> bool:
    return one is not None and one.since is not None and now - one.since < limit


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _size(pid: int) -> dict[str, Figure]:
    try:
        return {"pid": pid, "megabytes": round(psutil.Process(pid).memory_info().rss / 2**20)}
    except psutil.Error:
        return {"pid": pid}


def _code_server(around: Surroundings, pid: int) -> Check:
    """Web page and daemon each start one of their own, which loads the project's code."""
    found = 0
    for child in psutil.Process(pid).children(recursive=True):
        try:
            line = child.cmdline()
        except psutil.Error:
            continue  # it has just ended
        found += "api" in line and "grpc" in line
    word = around.supervisor
    young = word is not None and any(_young(one, around.now, STARTING) for one in word.services)
    if found:
        return Check("code server", Health.OK, f"{found} loaded the project", {"servers": found})
    if young:
        return Check("code server", Health.OK, "starting")
    lost = "none runs: Dagster cannot load the project, see the terminal of `kasauti up`"
    return Check("code server", Health.RED, lost)


def desk(around: Surroundings) -> list[Check]:
    """Look at the desk's sign of life."""
    one = around.supervisor.find(DESK) if around.supervisor and around.is_up else None
    return [_desk(around, one)]


def _desk(around: Surroundings, one: Supervised | None) -> Check:
    beat = heartbeat.read(around.home.heartbeat)
    if beat is not None and beat.is_alive(around.now):
        figures: dict[str, Figure] = {"mode": beat.mode.value, "lines refused": beat.refused}
        figures |= _size(beat.pid)
        if beat.problem:
            return Check(DESK, Health.RED, f"{beat.problem}: mend it, the desk goes on", figures)
        return Check(DESK, Health.OK, beat.doing, figures)
    if _young(one, around.now, STARTING):
        return Check(DESK, Health.OK, "starting")
    if one is not None:
        return Check(
            DESK, Health.RED, f"gives no sign of life: {RESTARTED}", {"starts": one.starts}
        )
    if beat is None or beat.mode is Mode.STOPPED:
        return Check(DESK, Health.ABSENT, f"not started: {START}")
    silent = f"silent since {beat.at:%Y-%m-%d %H:%M:%S} without being stopped: run `kasauti up`"
    return Check(DESK, Health.RED, silent)


def alerts(around: Surroundings) -> list[Check]:
    """Look at the sign of life of the service that sends alerts."""
    one = around.supervisor.find(ALERTS) if around.supervisor and around.is_up else None
    return [_alerts(around, one, pulse.read(around.home.pulse))]


def _alerts(around: Surroundings, one: Supervised | None, beat: pulse.Pulse | None) -> Check:
    if beat is not None and beat.is_alive(around.now):
        figures: dict[str, Figure] = {"waiting": beat.waiting, **_size(beat.pid)}
        if beat.problems:
            wrong = f"{'; '.join(beat.problems)}: mend it, alerts may not arrive"
            return Check(ALERTS, Health.RED, wrong, figures)
        return Check(ALERTS, Health.OK, f"sends, {beat.waiting} alerts wait", figures)
    if _young(one, around.now, STARTING):
        return Check(ALERTS, Health.OK, "starting")
    if one is not None:
        return Check(ALERTS, Health.RED, f"gives no sign of life: {RESTARTED}")
    if beat is None or beat.stopped:
        return Check(ALERTS, Health.ABSENT, f"not started: {START}")
    silent = f"silent since {beat.at:%Y-%m-%d %H:%M:%S} without being stopped: run `kasauti up`"
    return Check(ALERTS, Health.RED, silent)
