"""An inspection of a recovery point, be it a verify or a drill: the row that is kept of it. Pure functions."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Self

from shared.model.addresses import BlobAddress
from shared.model.job import Work
from shared.model.names import scratch_name
from shared.model.point import PointState, RecoveryPoint
from shared.model.requests import LATEST
from shared.model.run import Kind
from shared.model.texts import Text

MOST_ATTEMPTS = 3
"""How often a drill is begun anew, where its scratch blob is not as it was left."""

PARTS_AHEAD = 8
"""Parts of an inspection that are enqueued at once: the disks and the backups go on beside it."""

MOST_STALLS = 3
"""How often the parts that are missing are enqueued again, before an inspection fails."""


class Task(StrEnum):
    """What an inspection does with a recovery point: compare it with its source snapshot, or restore it for a trial."""

    VERIFY = "verify"
    DRILL = "drill"


class Stage(StrEnum):
    """How far an inspection is."""

    REQUESTED = "requested"
    PROMOTING = "promoting"
    COMPARING = "comparing"
    ENDING = "ending"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"


ENDS = frozenset({Stage.DONE, Stage.FAILED, Stage.REFUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection(Work):
    """The row of an inspection.

    Attributes:
        inspection: its id: that of the queue message that asked for it, or the time of the timer.
        task: what is done.
        on_request: whether a person has asked for it.
        state: how far it is.
        outcome: where it is ending, its state then.
        reason: why it was refused or has failed; what was found, where it is done.
        disk: the URL of the disk whose recovery point is inspected; empty where the request can't be read.
        point: the point that was asked for: `latest` or a time.
        recovery_point: the time of the recovery point that was found.
        size: its bytes.
        bytes_done, bytes_total: how much of it is promoted, or compared.
        parts_done, parts_total: the same in parts of the disk.
        parts_enqueued: of how many parts the messages were enqueued, from the first.
        stalls: how often they were enqueued again, since it made no progress.
        scratch_etag: the scratch blob's ETag at the end of the copy.
        seen: what a drill that is done has seen on the disk.
        attempt: which attempt this is, from 1.
        progressed: when it last progressed, UTC.
        duration_seconds: the time from the request to the end.
    """

    inspection: str
    task: Task
    on_request: bool = False
    state: Stage = Stage.REQUESTED
    outcome: str = ""
    reason: Text = ""
    disk: str = ""
    point: str = LATEST
    recovery_point: str = ""
    size: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    parts_done: int = 0
    parts_total: int = 0
    parts_enqueued: int = 0
    stalls: int = 0
    scratch_etag: str = ""
    seen: Text = ""
    attempt: int = 1
    progressed: datetime
    duration_seconds: float = 0.0

    @classmethod
    def of(cls, inspection: str, task: Task, disk: str, point: str, now: datetime, *, on_request: bool = False) -> Self:
        """Make the row of an inspection that is asked for."""
        return cls(
            inspection=inspection,
            task=task,
            disk=disk,
            point=point,
            on_request=on_request,
            requested=now,
            progressed=now,
            checked=now,
        )

    @property
    def row_key(self) -> str:
        """Its row."""
        return row_key(self.task, self.inspection)

    @property
    def about(self) -> dict[str, str]:
        """What each line of the log about it says: the disk, and the inspection."""
        return {"disk": self.disk, "inspection": self.inspection}

    @property
    def address(self) -> BlobAddress:
        """The address of the disk."""
        return BlobAddress.parse(self.disk)

    @property
    def asks_for(self) -> tuple[object, ...]:
        """What its request says: two requests that say the same can't be told apart but by their ids."""
        return self.disk, self.task, self.point, self.on_request

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is to be done."""
        return self.state in ENDS

    @property
    def mark(self) -> str:
        """What the metadata of this attempt's copy says."""
        return f"{scratch_name(self.address, self.inspection)}/{self.attempt}"


class Next(NamedTuple):
    """What comes of a step.

    Attributes:
        inspection: the inspection as it is then.
        delay: when to go on.
    """

    inspection: Inspection
    delay: timedelta = timedelta()


class Compared(NamedTuple):
    """What is known of the parts of an inspection.

    Attributes:
        parts: the numbers of those that are compared.
        bytes_compared: bytes that were read of each side.
        differs: what the first of them that differs has said; empty where none does.
    """

    parts: frozenset[int]
    bytes_compared: int
    differs: str


def row_key(task: Task, inspection: str) -> str:
    """Name the row of an inspection."""
    return f"{task}-{inspection}"


def built_on(points: Sequence[RecoveryPoint], time: str) -> list[RecoveryPoint]:
    """Give the recovery points that were made by laying diffs over one, up to the next that is known to be right.

    Args:
        points: a disk's recovery points, oldest first.
        time: the time of the one.
    """
    later = (point for point in points if point.time > time)
    return list(
        itertools.takewhile(
            lambda point: point.kind is Kind.INCREMENTAL and point.state is not PointState.VERIFIED, later
        )
    )


def begun(inspection: Inspection, stage: Stage, now: datetime) -> Inspection:
    """Bring an inspection to another stage."""
    return replace(
        inspection,
        state=stage,
        bytes_done=0,
        bytes_total=inspection.size,
        parts_done=0,
        parts_enqueued=0,
        stalls=0,
        progressed=now,
        checked=now,
    )


def tried_again(inspection: Inspection, reason: str, now: datetime) -> Inspection:
    """Begin a drill anew, or end it where it was begun often enough."""
    if inspection.attempt >= MOST_ATTEMPTS:
        return ended(inspection, Stage.FAILED, f"{reason}. It was tried {inspection.attempt} times", now)
    again = begun(inspection, Stage.PROMOTING, now).in_trouble(reason, now)
    return replace(again, attempt=inspection.attempt + 1, scratch_etag="")


def failing(inspection: Inspection, why: str, now: datetime) -> Inspection:
    """Have an inspection fail: what it has made is cleaned up first, unless that is what goes wrong."""
    return inspection if inspection.state is Stage.ENDING else ending(ended(inspection, Stage.FAILED, why, now))


def ended(inspection: Inspection, stage: Stage, reason: str, now: datetime) -> Inspection:
    """End an inspection."""
    took = (now - inspection.requested).total_seconds()
    return replace(inspection, state=stage, reason=reason, checked=now, ended=now, duration_seconds=took)


def compared(inspection: Inspection, found: Compared, now: datetime) -> Inspection:
    """Put on its row how far the comparison is."""
    moved = len(found.parts) != inspection.parts_done
    return replace(
        inspection,
        parts_done=len(found.parts),
        bytes_done=found.bytes_compared,
        checked=now,
        progressed=now if moved else inspection.progressed,
        stalls=0 if moved else inspection.stalls,
    )


def next_parts(inspection: Inspection) -> range:
    """Give the numbers of the parts that are to be enqueued now: so many that a few are under way."""
    last = min(inspection.parts_total, inspection.parts_done + PARTS_AHEAD)
    return range(inspection.parts_enqueued, max(inspection.parts_enqueued, last))


def parts_at_once(inspection: Inspection) -> int:
    """Say how many parts share the limits of the blobs that are compared."""
    return max(1, min(inspection.parts_total, PARTS_AHEAD))


def missing(inspection: Inspection, found: Compared) -> Iterable[int]:
    """Give the numbers of the parts that are enqueued and not compared yet."""
    return (part for part in range(inspection.parts_enqueued) if part not in found.parts)


def ending(inspection: Inspection) -> Inspection:
    """Bring an inspection whose end is known to the stage in which it is cleaned up."""
    return replace(inspection, state=Stage.ENDING, outcome=str(inspection.state))


def at_its_end(inspection: Inspection) -> Inspection:
    """Give an inspection that is cleaned up, or about to be, as it is in the end."""
    return replace(inspection, state=Stage(inspection.outcome), outcome="")
