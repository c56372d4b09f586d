"""Progress on the terminal: one line per step, refreshed in place on a TTY."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from typing import TextIO

from infra.local.disks.vhd import MIB
from shared.model.texts import human_size

_REFRESH_SECONDS = 0.1


class Step:
    """A step in progress.

    Attributes:
        result: printed when it ends.
    """

    def __init__(self, title: str, stream: TextIO) -> None:
        self.result = ""
        self._title = title
        self._stream = stream
        self._shown_at = 0.0

    def show(self, progress: str) -> None:
        """Show progress on a TTY; files and pipes get only the final line."""
        now = time.monotonic()
        if self._stream.isatty() and now - self._shown_at >= _REFRESH_SECONDS:
            self._shown_at = now
            columns = shutil.get_terminal_size().columns
            print(f"\r\033[K{f'{self._title}: {progress}'[: columns - 1]}", end="", file=self._stream, flush=True)

    def show_bytes(self, done: int, total: int) -> None:
        """Show how many bytes are done out of the total."""
        self.show(f"{done // MIB} of {human_size(total)}")


class Terminal:
    """The demo's output.

    Attributes:
        lines: what has been printed.
    """

    def __init__(self, stream: TextIO) -> None:
        self.lines: list[str] = []
        self._stream = stream

    def say(self, line: str = "") -> None:
        """Print a line at once. If the reader has closed the pipe, go on: the exit code still counts."""
        self.lines += line.split("\n")
        try:
            print(line, file=self._stream, flush=True)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def say_apart(self, line: str) -> None:
        """Print a line after an empty one."""
        if self.lines[-1:] != [""]:
            self.say()
        self.say(line)

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Run a step; at its end print its result and duration."""
        step, started = Step(title, self._stream), time.monotonic()
        step.show("...")
        try:
            yield step
        except BaseException:
            self._end(f"{title}: not finished")
            raise
        self._end(f"{title}: {step.result} ({time.monotonic() - started:.1f} s)")

    def _end(self, line: str) -> None:
        if self._stream.isatty():
            print("\r\033[K", end="", file=self._stream)
        self.say(line)
