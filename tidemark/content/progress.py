"""How far an export or a comparison is, for people who wait for it."""

import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

_SECONDS = 10.0
_SAMPLES = 200


class Stage(StrEnum):
    """What is being done: download, read the file back and compare it, convert it; or list what has changed."""

    DOWNLOAD = "download"
    COMPARE = "compare"
    CONVERT = "convert"
    LIST = "list"


class Progress(NamedTuple):
    """How far a stage is.

    Attributes:
        stage: the stage.
        done: bytes done, in this call or an earlier one.
        total: bytes in all: valid ones while downloading, else those of the disk; 0 while converting.
        rate: bytes per second of late.
    """

    stage: Stage
    done: int
    total: int
    rate: float


type OnProgress = Callable[[Progress], None]


class Meter:
    """Counts what is done of a stage, and how fast of late."""

    def __init__(self, stage: Stage, done: int, total: int, tell: OnProgress) -> None:
        self._stage, self._done, self._total, self._tell = stage, done, total, tell
        self._samples = deque([(time.monotonic(), done)], _SAMPLES)
        self.add(0)

    def add(self, length: int) -> None:
        """Count bytes, and tell how far the stage is."""
        self._done += length
        now = time.monotonic()
        self._samples.append((now, self._done))
        while len(self._samples) > 2 and now - self._samples[0][0] > _SECONDS:  # noqa: PLR2004 - a rate is of two
            self._samples.popleft()
        at, before = self._samples[0]
        rate = (self._done - before) / (now - at) if now > at else 0.0
        self._tell(Progress(self._stage, self._done, self._total, rate))


def tell_nobody(_: Progress) -> None:
    """Keep how far a stage is to oneself."""
