"""An inspection of a recovery point, that is, a verify or a drill: its row, and its progress. Pure functions."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, NamedTuple, Self

from shared.model.disk import Disk
from shared.model.job import Job, JobKind, Stage
from shared.model.messages import InspectionMessage
from shared.model.point import PointState, RecoveryPoint
from shared.model.requests import LATEST
from shared.model.run import Kind
from shared.model.texts import Text

INSPECTION_KINDS = (JobKind.VERIFY, JobKind.DRILL)

DOUBTFUL = "the disk may already have been unusable when it was backed up"
"""What begins the result of a drill whose copy matches the recovery point, but does not look like a disk."""

PARTS_AHEAD = 8
"""Parts of an inspection enqueued at a time, so that it leaves room for disks and backups."""

MAX_STALLS = 3
"""How often missing parts are enqueued again before an inspection fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection(Job):
    """The row of an inspection.

    Attributes:
        max_attempts: how often a drill is attempted, if its scratch blob is changed.
        inspection: its id: that of the queue message that requested it, or the time of the timer.
        task: whether it is a verify or a drill.
        on_request: whether a person requested it.
        parts_done, parts_total: how many parts of the disk are compared, and how many there are.
        parts_enqueued: how many parts have been enqueued, from the first.
        parts_counted, bytes_counted: how many parts, from the first, are all compared, and the bytes read of them;
            their rows are not read again.
        stalls: how often missing parts were enqueued again since it last made progress.
        scratch_etag: the scratch blob's ETag at the end of the copy.
        seen: what a finished drill found on the disk.
    """

    max_attempts: ClassVar[int] = 3

    inspection: str
    task: JobKind
    on_request: bool = False
    point: str = LATEST
    parts_done: int = 0
    parts_total: int = 0
    parts_enqueued: int = 0
    parts_counted: int = 0
    bytes_counted: int = 0
    stalls: int = 0
    scratch_etag: str = ""
    seen: Text = ""

    @classmethod
    def of(
        cls, inspection: str, task: JobKind, disk: Disk | None, point: str, now: datetime, *, on_request: bool = False
    ) -> Self:
        """Make the row of a new inspection."""
        return cls(
            inspection=inspection,
            task=task,
            disk=disk,
            point=point,
            on_request=on_request,
            requested=now,
            phase_began=now,
            progressed=now,
            checked=now,
        )

    @property
    def kind(self) -> JobKind:
        """Whether it is a verify or a drill."""
        return self.task

    @property
    def job(self) -> str:
        """Its id."""
        return self.inspection

    @property
    def message(self) -> InspectionMessage:
        """The message that steps it forward."""
        return InspectionMessage(disk=self.known_disk, task=self.task, inspection=self.inspection)

    @property
    def about(self) -> dict[str, str]:
        """The fields of every log event about it: the disk, if it is known, and the inspection."""
        return {**({"disk": self.disk.name} if self.disk else {}), "inspection": self.inspection}

    @property
    def log_fields(self) -> dict[str, object]:
        """The fields of the log event for its new state."""
        return {"recovery_point": self.recovery_point, "size": self.size, "bytes_done": self.bytes_done}

    @property
    def request_fields(self) -> dict[str, object]:
        """The fields of its request: two equal requests differ only in their ids."""
        return {"disk": str(self.disk or ""), "task": self.task, "point": self.point, "on_request": self.on_request}

    @property
    def can_restart(self) -> bool:
        """Whether it can start over: a drill can make its scratch blob again."""
        return self.task is JobKind.DRILL and self.state is not Stage.REQUESTED

    @property
    def mark(self) -> str:
        """The mark in the metadata of this attempt's copy."""
        return f"{self.known_disk.scratch_name(self.inspection)}/{self.attempt}"

    def at_stage(self, stage: Stage, now: datetime) -> Self:
        """Move it to another stage, with its progress reset."""
        begun = replace(Job.at_stage(self, stage, now), parts_done=0, parts_enqueued=0, stalls=0)
        return replace(begun, parts_counted=0, bytes_counted=0)

    def reset(self) -> Self:
        """Drop what a drill has copied, for another attempt."""
        return replace(self, scratch_etag="")


class Compared(NamedTuple):
    """The compared parts of an inspection that are not counted yet.

    Attributes:
        parts: the bytes that were read of each, on each side, by their numbers.
        differs: where the first part that differs does so; empty if none does.
    """

    parts: Mapping[int, int]
    differs: str


def built_upon(points: Sequence[RecoveryPoint], time: str) -> list[RecoveryPoint]:
    """Return the recovery points built incrementally on one, up to the next that is verified or was written in full.

    Args:
        points: a disk's recovery points, oldest first.
        time: the time of that one.
    """
    later = (point for point in points if point.time > time)
    return list(
        itertools.takewhile(
            lambda point: point.kind is Kind.INCREMENTAL and point.state is not PointState.VERIFIED, later
        )
    )


def with_comparison(inspection: Inspection, found: Compared, now: datetime) -> Inspection:
    """Record the progress of the comparison, and count the parts before the first that is missing."""
    counted = next(part for part in itertools.count(inspection.parts_counted) if part not in found.parts)
    read_before = sum(found.parts[part] for part in range(inspection.parts_counted, counted))
    read_after = {part: length for part, length in found.parts.items() if part >= counted}
    bytes_counted, done = inspection.bytes_counted + read_before, counted + len(read_after)
    moved = done != inspection.parts_done
    return replace(
        inspection,
        parts_counted=counted,
        bytes_counted=bytes_counted,
        parts_done=done,
        bytes_done=bytes_counted + sum(read_after.values()),
        checked=now,
        progressed=now if moved else inspection.progressed,
        stalls=0 if moved else inspection.stalls,
    )


def next_parts(inspection: Inspection) -> range:
    """Return the numbers of the parts to enqueue now, to keep a few under way."""
    last = min(inspection.parts_total, inspection.parts_done + PARTS_AHEAD)
    return range(inspection.parts_enqueued, max(inspection.parts_enqueued, last))


def parts_at_once(inspection: Inspection) -> int:
    """Say how many parts share the request limits of the compared blobs."""
    return max(1, min(inspection.parts_total, PARTS_AHEAD))


def missing_parts(inspection: Inspection, found: Compared) -> Iterable[int]:
    """Return the numbers of the parts that are enqueued but not compared yet."""
    return (part for part in range(inspection.parts_counted, inspection.parts_enqueued) if part not in found.parts)
