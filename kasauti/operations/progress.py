"""What long work shows: a live bar on a terminal, plain lines elsewhere, a table of seconds.

Everything goes to the stream that is passed in, standard error by default: standard output belongs
to the result.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress as Bar
    from rich.progress import TaskID

LINE_EVERY = 1.0  # seconds between two plain lines of one stage


@dataclass(frozen=True)
class StageTime:
    """How long one stage took, and whether it finished."""

    name: str
    seconds: float
    finished: bool = True
    note: str = ""


class Stage:
    """One piece of work in progress; made by `Progress.stage`."""

    def __init__(self, name: str, total: int | None, show: "Callable[[Stage], None]") -> None:
        self.name = name
        self.total = total
        self.done = 0
        self.note = ""
        self._show = show

    def update(self, done: int, note: str | None = None) -> None:
        """Say that `done` of the total is done, and what is worth knowing about it."""
        self.done = done
        if note is not None:
            self.note = note
        self._show(self)

    def advance(self, by: int = 1, note: str | None = None) -> None:
        """Say that `by` more is done."""
        self.update(self.done + by, note)

    def say(self, note: str) -> None:
        """Say something without progress; the last note stands in the final table."""
        self.update(self.done, note)

    def __str__(self) -> str:
        share = f"{self.done:,} of {self.total:,}" if self.total else f"{self.done:,}"
        parts = [share if self.done else "", self.note]
        return "  ".join([self.name, *(part for part in parts if part)])


@contextmanager
def brief(name: str, total: int | None = None) -> "Iterator[Stage]":
    """Show one stage of seconds or minutes to whoever watches; without a terminal nothing.

    For work that is too short to leave lines in a log; longer work has a `Progress` of its own.
    """
    with Progress(quiet=not sys.stderr.isatty()).stage(name, total) as stage:
        yield stage


class Progress:
    """Shows the stages of one command and keeps their seconds; a context manager.

    Parameters
    ----------
    stream : text stream, optional
        Standard error where it is not given.
    clock : callable, optional
        Seconds that never go back.
    quiet : bool
        Measure only, show nothing.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        quiet: bool = False,
    ) -> None:
        from rich.console import Console

        # NO_COLOR and TERM=dumb are rich's to respect; highlighting would colour our numbers.
        self._console = Console(
            file=stream or sys.stderr, highlight=False, markup=False, emoji=False, quiet=quiet
        )
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._clock = clock
        self._times: list[StageTime] = []
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._last_line = 0.0

    @property
    def times(self) -> tuple[StageTime, ...]:
        """The stages so far, in order."""
        return tuple(self._times)

    @property
    def seconds(self) -> Mapping[str, float]:
        """Seconds of each stage by name; stages of one name are summed."""
        sums: dict[str, float] = {}
        for stage in self._times:
            sums[stage.name] = sums.get(stage.name, 0.0) + stage.seconds
        return sums

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> None:
        self.summary()

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Stage]:
        """Run one stage; stages do not nest.

        Parameters
        ----------
        total : int, optional
            How many pieces there are, where that is known.
        """
        stage = Stage(name, total, self._show)
        started = self._clock()
        self._last_line = started
        self._open(stage)
        finished = False
        try:
            yield stage
            finished = True
        finally:
            self._close()
            taken = StageTime(name, self._clock() - started, finished, stage.note)
            self._times.append(taken)
            mark = "✓" if finished else "✗"
            note = f"  {stage.note}" if stage.note else ""
            self._line(f"{mark} {name}  {taken.seconds:.1f} s{note}", "" if finished else "red")

    def summary(self) -> None:
        """Show the seconds of every stage; nothing where there was none."""
        from rich import box
        from rich.table import Table

        if not self._times:
            return
        table = Table(box=box.SIMPLE_HEAD, show_footer=True, pad_edge=False)
        table.add_column("stage", "in all")
        total = sum(stage.seconds for stage in self._times)
        table.add_column("seconds", f"{total:.1f}", justify="right")
        for stage in self._times:
            name = stage.name if stage.finished else f"{stage.name} (not finished)"
            table.add_row(name, f"{stage.seconds:.1f}")
        self._console.print(table)

    def _open(self, stage: Stage) -> None:
        if not self._live:
            self._line(f"· {stage.name} …")
            return
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task(str(stage), total=stage.total)
        self._bar.start()

    def _show(self, stage: Stage) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=stage.done, description=str(stage))
            return
        now = self._clock()
        if now - self._last_line >= LINE_EVERY:
            self._last_line = now
            self._line(f"  {stage}")

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = None

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(text, style=style, soft_wrap=True)
