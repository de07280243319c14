import io
import os
import pty
import re
import threading

import pytest

from kasauti.operations.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def lines(stream: io.StringIO) -> list[str]:
    return [line.rstrip() for line in stream.getvalue().splitlines() if line.strip()]


def test_without_a_terminal_each_stage_is_plain_lines_and_a_table_ends_it() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, clock) as progress:
        with progress.stage("load bars") as stage:
            clock.now += 1.5
            stage.say("6 symbols")
        with progress.stage("evolve", total=20_000) as stage:
            clock.now += 2.0
            stage.update(10_000, "best 0.61")
            clock.now += 2.0
    shown = lines(stream)
    assert shown[:6] == [
        "· load bars …",
        "  load bars  6 symbols",
        "✓ load bars  1.5 s  6 symbols",
        "· evolve …",
        "  evolve  10,000 of 20,000  best 0.61",
        "✓ evolve  4.0 s  best 0.61",
    ]
    table = [line.split() for line in shown[6:]]
    assert ["load", "bars", "1.5"] in table
    assert ["evolve", "4.0"] in table
    assert table[-1] == ["in", "all", "5.5"]
    assert "\x1b" not in stream.getvalue()
    assert progress.seconds == {"load bars": 1.5, "evolve": 4.0}


def test_at_most_one_plain_line_a_second() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, clock)
    with progress.stage("evolve", total=100) as stage:
        for _ in range(100):
            clock.now += 0.1
            stage.advance()
    shown = [line for line in lines(stream) if "of 100" in line]
    assert 9 <= len(shown) <= 10


def test_a_stage_that_raises_is_shown_as_not_finished_and_the_error_goes_on() -> None:
    stream, clock = io.StringIO(), Clock()
    with (
        pytest.raises(ValueError, match="boom"),
        Progress(stream, clock) as progress,
        progress.stage("judge"),
    ):
        clock.now += 1.0
        raise ValueError("boom")
    assert [stage.finished for stage in progress.times] == [False]
    assert "✗ judge  1.0 s" in stream.getvalue()
    assert "judge (not finished)" in stream.getvalue()


def test_quiet_measures_and_shows_nothing() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, clock, quiet=True) as progress, progress.stage("evolve"):
        clock.now += 3.0
    assert stream.getvalue() == ""
    assert progress.seconds == {"evolve": 3.0}


def test_stages_of_one_name_are_summed() -> None:
    clock = Clock()
    progress = Progress(io.StringIO(), clock)
    for _ in range(3):
        with progress.stage("walk-forward"):
            clock.now += 2.0
    assert progress.seconds == {"walk-forward": 6.0}


def test_names_from_outside_are_not_markup() -> None:
    stream = io.StringIO()
    with Progress(stream, Clock()) as progress, progress.stage("[red]x[/red] :smile:"):
        pass
    assert "[red]x[/red] :smile:" in stream.getvalue()


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    main, other = pty.openpty()
    pieces: list[bytes] = []
    reader = threading.Thread(target=read_all, args=(main, pieces))
    reader.start()
    with (
        os.fdopen(other, "w", encoding="utf-8") as stream,
        Progress(stream) as progress,
        progress.stage("evolve", total=10) as stage,
    ):
        stage.update(5, "half way")
    reader.join()
    os.close(main)
    return b"".join(pieces).decode()


def read_all(descriptor: int, pieces: list[bytes]) -> None:
    while True:
        try:
            piece = os.read(descriptor, 65_536)
        except OSError:  # Linux answers EIO when the other side is closed
            return
        if not piece:
            return
        pieces.append(piece)


def test_on_a_terminal_a_bar_moves_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    text = on_a_terminal(monkeypatch)
    assert "━" in text
    assert "half way" in text
    assert "\x1b[2K" in text  # the bar's line is erased, not left behind
    assert "✓ evolve" in text


def test_no_color_is_respected_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = r"\x1b\[[0-9;]*3[0-9][0-9;]*m"
    assert re.search(coloured, on_a_terminal(monkeypatch))
    assert not re.search(coloured, on_a_terminal(monkeypatch, NO_COLOR="1"))


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    text = on_a_terminal(monkeypatch, TERM="dumb")
    assert "· evolve …" in text
    assert "\x1b" not in text
