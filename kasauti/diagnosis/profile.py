"""Runs a block under pyinstrument and says where its time went; commands stand elsewhere."""

import resource
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kasauti.diagnosis.stages import OTHER, Place, stage_of

if TYPE_CHECKING:
    from pyinstrument import Profiler
    from pyinstrument.frame import Frame

INTERVAL = 0.005
"""Seconds between two looks: a minute is 12,000 stacks."""

ENOUGH = 20_000
"""Looks that are evaluated: 500,000 at a compiler's depth took minutes, and told no more."""

HERE = "diagnosis"
"""The part of Kasauti that looks; it is nobody's stage."""

WORTH_SAYING = 0.1  # seconds; less than that unseen changes no conclusion


@dataclass(frozen=True)
class Function:
    """One function of Kasauti.

    Attributes
    ----------
    name : str
        ``file:function``.
    own : float
        Seconds in it and in the libraries that it calls.
    total : float
        Seconds with every function of Kasauti that it calls.
    """

    name: str
    own: float
    total: float


@dataclass(frozen=True)
class Unseen:
    """What ran beside the threads that were looked at, in seconds of a processor.

    Attributes
    ----------
    before : float
        Until the profile began: Python's start and the command line.
    children : float
        In processes that were started and have ended.
    """

    before: float
    children: float


@dataclass
class Sums:
    """What is added up over one or more threads."""

    stages: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    own: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    total: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, frame: "Frame", stage: str, owner: str, above: frozenset[str]) -> None:
        """Add a function and whatever it called.

        Parameters
        ----------
        frame : Frame
        stage : str
            Of the caller.
        owner : str
            The nearest function of Kasauti above, empty where there is none.
        above : frozenset of str
            All of them: a recursion is counted once.
        """
        place = Place(frame.function, frame.file_path or "")
        stage = stage_of(place, stage)
        own = place.own
        if own is not None and not own.startswith(HERE):
            owner = f"{own}:{place.function}"
            if owner not in above:
                self.total[owner] += frame.time
                above |= {owner}
        called = [child for child in frame.children if not child.is_synthetic]
        alone = frame.time - sum(child.time for child in called)
        self.stages[stage] += alone
        if owner:
            self.own[owner] += alone
        for child in called:
            self.add(child, stage, owner, above)


@dataclass(frozen=True)
class Profile:
    """Where the time went.

    Attributes
    ----------
    seconds : float
        From the start to the end of the command.
    stages, threads : dict of str to float
        Seconds of each stage in the command's main thread, and in its other threads together.
    functions : tuple of Function
        Of Kasauti, the longest first, all threads together.
    unseen : Unseen
    """

    seconds: float
    stages: dict[str, float]
    threads: dict[str, float]
    functions: tuple[Function, ...]
    unseen: Unseen


class Recorder:
    """Looks at a piece of work, its threads included; a context manager, to be used once."""

    def __init__(self) -> None:
        from pyinstrument import Profiler

        self._main = Profiler(interval=INTERVAL)
        self._others: list[Profiler] = []
        self._seconds = self._before = self._children = 0.0

    @contextmanager
    def record(self) -> Iterator[None]:
        """Look at whatever runs inside the block, however that ends."""
        self._before, self._children = time.process_time(), _children()
        begun = time.perf_counter()
        with _every_thread(self._others):
            self._main.start()
            try:
                yield
            finally:
                self._main.stop()
                self._seconds = time.perf_counter() - begun

    def profile(self) -> Profile:
        """Return what was seen."""
        main, others = Sums(), Sums()
        apart = max(INTERVAL, self._seconds / ENOUGH)
        _add(main, self._main, apart)
        for one in list(self._others):
            _add(others, one, apart)
        functions = [
            Function(
                name,
                main.own.get(name, 0.0) + others.own.get(name, 0.0),
                main.total.get(name, 0.0) + others.total.get(name, 0.0),
            )
            for name in {**main.own, **others.own}
        ]
        functions.sort(key=lambda one: -one.own)
        unseen = Unseen(self._before, _children() - self._children)
        stages, threads = dict(main.stages), dict(others.stages)
        return Profile(self._seconds, stages, threads, tuple(functions), unseen)

    def html(self) -> str:
        """Return the whole tree of the main thread as one page."""
        return self._main.output_html()


def _add(sums: Sums, profiler: "Profiler", apart: float) -> None:
    session = profiler.last_session
    if session is None:
        return
    # Untrimmed: the functions at the root decide the stage of what they call.
    root = session.resample(apart).root_frame(trim_stem=False)
    if root is not None:
        sums.add(root, OTHER, "", frozenset())


@contextmanager
def _every_thread(profilers: "list[Profiler]") -> Iterator[None]:
    """Have each thread that starts within look at itself: pyinstrument knows one thread only."""
    from pyinstrument import Profiler

    plain: Callable[[threading.Thread], None] = threading.Thread.run

    def run(thread: threading.Thread) -> None:
        profiler = Profiler(interval=INTERVAL)
        profiler.start()
        try:
            plain(thread)
        finally:
            profiler.stop()
            profilers.append(profiler)

    threading.Thread.run = run  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        threading.Thread.run = plain  # type: ignore[method-assign,assignment]


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def limits_of(profile: Profile, arguments: Sequence[str]) -> tuple[str, ...]:
    """Return in words what the profile of the command `arguments` does not show."""
    unseen, notes = profile.unseen, []
    if unseen.before >= WORTH_SAYING:
        notes.append(
            f"{unseen.before:.1f} s of computing before it began: Python and the command line."
        )
    if unseen.children >= WORTH_SAYING:
        inside = ""
        if arguments[0] in IN_PROCESSES and not _has_one_worker(arguments):
            inside = " With --workers 1 the command does all by itself, and it can be seen."
        notes.append(
            f"{unseen.children:.1f} s of computing in other processes: they are not looked "
            f"into.{inside}"
        )
    notes.append(
        "What a compiled kernel does inside is the time of the function that calls it; "
        f"looks are {1000 * INTERVAL:.0f} ms apart, so shorter calls are seen by chance."
    )
    return tuple(notes)


IN_PROCESSES = ("noise", "calibrate")
"""Commands whose --workers are processes; those of a search are threads, which are looked at."""


def _has_one_worker(arguments: Sequence[str]) -> bool:
    text = " ".join(arguments).replace("=", " ") + " "
    return "--workers 1 " in text
