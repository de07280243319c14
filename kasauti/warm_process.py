"""Keeps a forked child running: the imports are done, so that one that is killed is back at once.

Only for a process without threads and open connections.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

BRIEF = 1.0  # seconds; a child that was killed sooner is not followed in a tight loop


def fork_and_keep() -> Callable[[], bool]:
    """Fork; return in the child only, with what tells it to stop.

    The parent waits. A child that a signal killed is followed by another; the exit code of one that
    ended by itself becomes the parent's. SIGINT and SIGTERM are passed on, and a child whose parent
    is gone is told to stop as well.
    """
    asked: list[int] = []
    child = 0

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        asked.append(number)
        if child:
            os.kill(child, signal.SIGTERM)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, note)
    parent = os.getpid()
    while not asked:
        begun = time.monotonic()
        child = os.fork()
        if child == 0:
            return lambda: bool(asked) or os.getppid() != parent
        if asked:  # between the loop's look and the fork: nobody has told the child
            os.kill(child, signal.SIGTERM)
        status = os.waitpid(child, 0)[1]
        child = 0
        if os.WIFEXITED(status):
            sys.exit(os.WEXITSTATUS(status))
        time.sleep(max(BRIEF - (time.monotonic() - begun), 0.0))
    sys.exit(0)
