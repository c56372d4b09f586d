"""Waiting for the end of what was asked for: a look each second or less often, for as long as somebody has said."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self

from tidemark import screen, words
from tidemark.outcome import Exit, Problem
from tidemark.times import TimeError, read_length

SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 10.0
_SLOWER = 1.2
_ENDS = frozenset({"done", "refused", "failed", "expiring"})

type Look = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]


async def wait_for(look: Look, patience: str, *, quiet: bool, expected: int = 1) -> Sequence[Mapping[str, Any]]:
    """Look until all jobs have ended, and tell meanwhile how far they are.

    Args:
        look: reads the jobs; those that the app has not read yet are left out.
        patience: how long to wait: `24h`.
        quiet: whether to tell nothing meanwhile.
        expected: how many jobs there are to be.

    Raises:
        Problem: they have not ended in time.
    """
    end, pause = time.monotonic() + seconds_of(patience), SHORTEST_PAUSE
    teller = _Teller(quiet=quiet)
    with teller:
        while True:
            found = await look()
            teller.tell(found)
            if len(found) >= expected and all(job["state"] in _ENDS for job in found):
                return found
            left = end - time.monotonic()
            if left <= 0:
                ids = ", ".join(str(job["id"]) for job in found if job["state"] not in _ENDS) or "what was asked for"
                raise Problem(
                    f"{ids} has not ended within {patience}; it goes on. What to do: see it with `tidemark job ID`",
                    Exit.ATTENTION,
                )
            await asyncio.sleep(max(SHORTEST_PAUSE, min(pause, left)))
            pause = min(pause * _SLOWER, LONGEST_PAUSE)


def seconds_of(patience: str) -> float:
    """Read how long to wait.

    Raises:
        Problem: it is no length of time.
    """
    try:
        return read_length(patience).total_seconds()
    except TimeError as error:
        raise Problem(str(error)) from None


class _Teller:
    """Tells how far jobs are: on a terminal in one line that changes, elsewhere in a line for each stage."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = screen.err()
        self._quiet, self._began = quiet, time.monotonic()
        self._stages: dict[str, str] = {}
        self._line = self._console.status("waiting for the app") if self._console.is_terminal and not quiet else None

    def __enter__(self) -> Self:
        if self._line:
            self._line.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._line:
            self._line.stop()

    def tell(self, jobs: Sequence[Mapping[str, Any]]) -> None:
        """Tell where the jobs are by now."""
        if self._quiet:
            return
        for job in jobs:
            if self._stages.get(job["row"] + job["disk"]) != job["state"]:
                self._stages[job["row"] + job["disk"]] = job["state"]
                self._console.print(f"{job['kind']} {job['id']}: {job['state']}", soft_wrap=True)
        if self._line:
            took = words.length(time.monotonic() - self._began)
            said = "; ".join(_said(job) for job in jobs if job["state"] not in _ENDS)
            self._line.update(f"{said or 'waiting for the app'} ({took})")


def _said(job: Mapping[str, Any]) -> str:
    waits = f": {job['reason']}" if job["reason"] else ""
    return f"{job['kind']} {job['shown']}{waits}"
