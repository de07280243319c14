import subprocess
import sys
import threading
import time

import pytest
from pyinstrument.frame import Frame

from kasauti.diagnosis.profile import Profile, Recorder, Sums, Unseen, limits_of
from kasauti.diagnosis.stages import OTHER, PACKAGE

SPIN = 0.15  # seconds


def frame(file: str, function: str, seconds: float, *called: Frame) -> Frame:
    return Frame(f"{function}\x00{file}\x001", time=seconds, children=list(called))


def spin(seconds: float = SPIN) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        abs(-1)


def test_each_second_is_counted_once_and_belongs_to_the_innermost_stage() -> None:
    engine, search = str(PACKAGE / "backtest/engine.py"), str(PACKAGE / "evolution/search.py")
    numba = "/lib/site-packages/numba/core/compiler.py"
    compiling = frame(numba, "compile", 3.0)
    scored = frame(engine, "score", 4.0, compiling, frame(engine, "score", 0.5))
    tree = frame("/bin/kasauti", "main", 6.0, frame(search, "evolve", 5.5, scored))
    sums = Sums()
    sums.add(tree, OTHER, "", frozenset())
    assert dict(sums.stages) == {
        OTHER: 0.5,
        "ranking and selecting": 1.5,
        "evaluating strategies": 1.0,
        "compiling and loading kernels": 3.0,
    }
    assert sums.own["backtest/engine.py:score"] == 4.0  # with the compiling that it causes
    assert sums.total["backtest/engine.py:score"] == 4.0  # a recursion is no second time
    assert sums.total["evolution/search.py:evolve"] == 5.5


def test_threads_are_looked_into_and_the_thread_class_is_itself_again() -> None:
    before, recorder = threading.Thread.run, Recorder()
    with recorder.record():
        spin()
        thread = threading.Thread(target=spin)
        thread.start()
        thread.join()
    found = recorder.profile()
    assert threading.Thread.run is before
    assert sum(found.stages.values()) == pytest.approx(found.seconds, rel=0.2)
    assert sum(found.threads.values()) >= 0.8 * SPIN
    assert found.stages["waiting for threads, processes or the disk"] >= 0.5 * SPIN
    assert "spin" in recorder.html()


def test_what_ends_in_an_error_is_profiled_too() -> None:
    recorder = Recorder()
    with pytest.raises(ZeroDivisionError), recorder.record():
        spin()
        raise ZeroDivisionError
    assert recorder.profile().seconds >= SPIN


def test_computing_in_other_processes_is_counted_and_said_to_be_unseen() -> None:
    recorder = Recorder()
    text = "import time\nwhile time.process_time() < 0.3: pass"
    with recorder.record():
        subprocess.run([sys.executable, "-c", text], check=True)
    found = recorder.profile()
    assert found.unseen.children >= 0.3
    assert "in other processes" in " ".join(limits_of(found, ["noise"]))


@pytest.mark.parametrize(
    ("arguments", "advised"),
    [
        (["noise"], True),
        (["noise", "--workers", "1"], False),
        (["noise", "--workers=1"], False),
        (["noise", "--workers", "12"], True),
        (["demo"], False),
    ],
    ids=["noise", "one worker", "one worker with =", "twelve", "demo"],
)
def test_one_worker_is_advised_where_it_helps(arguments: list[str], advised: bool) -> None:
    profile = Profile(1.0, {}, {}, (), Unseen(before=0.0, children=5.0))
    told = " ".join(limits_of(profile, arguments))
    assert "5.0 s of computing in other processes" in told
    assert ("--workers 1" in told) == advised
