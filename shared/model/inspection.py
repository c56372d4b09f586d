"""An inspection of a recovery point, be it a verify or a drill: the row that is kept of it. Pure functions."""

import itertools
from collections.abc import Iterable, Sequence
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

PARTS_AHEAD = 8
"""Parts of an inspection that are enqueued at once: the disks and the backups go on beside it."""

MOST_STALLS = 3
"""How often the parts that are missing are enqueued again, before an inspection fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection(Job):
    """The row of an inspection.

    Attributes:
        most_attempts: how often a drill is begun, where its scratch blob is not as it was left.
        inspection: its id: that of the queue message that asked for it, or the time of the timer.
        task: what is done.
        on_request: whether a person has asked for it.
        parts_done, parts_total: how much is compared, in parts of the disk.
        parts_enqueued: of how many parts the messages were enqueued, from the first.
        stalls: how often they were enqueued again, since it made no progress.
        scratch_etag: the scratch blob's ETag at the end of the copy.
        seen: what a drill that is done has seen on the disk.
    """

    most_attempts: ClassVar[int] = 3

    inspection: str
    task: JobKind
    on_request: bool = False
    point: str = LATEST
    parts_done: int = 0
    parts_total: int = 0
    parts_enqueued: int = 0
    stalls: int = 0
    scratch_etag: str = ""
    seen: Text = ""

    @classmethod
    def of(
        cls, inspection: str, task: JobKind, disk: Disk | None, point: str, now: datetime, *, on_request: bool = False
    ) -> Self:
        """Make the row of an inspection that is asked for."""
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
        """What is done."""
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
        """What each line of the log about it says: the disk, if it is known, and the inspection."""
        return {**({"disk": self.disk.name} if self.disk else {}), "inspection": self.inspection}

    @property
    def told(self) -> dict[str, object]:
        """What the log says of it when it comes to another state."""
        return {"recovery_point": self.recovery_point, "size": self.size, "bytes_done": self.bytes_done}

    @property
    def asks_for(self) -> dict[str, object]:
        """What its request says: two requests that say the same can't be told apart but by their ids."""
        return {"disk": str(self.disk or ""), "task": self.task, "point": self.point, "on_request": self.on_request}

    @property
    def can_begin_anew(self) -> bool:
        """Whether it makes something that can be made anew: a drill its scratch blob."""
        return self.task is JobKind.DRILL and self.state is not Stage.REQUESTED

    @property
    def mark(self) -> str:
        """What the metadata of this attempt's copy says."""
        return f"{self.known_disk.scratch_name(self.inspection)}/{self.attempt}"

    def begun(self, stage: Stage, now: datetime) -> Self:
        """Bring it to another stage, which begins from nothing."""
        return replace(Job.begun(self, stage, now), parts_done=0, parts_enqueued=0, stalls=0)

    def forgotten(self) -> Self:
        """Forget what a drill has copied: another attempt begins."""
        return replace(self, scratch_etag="")


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
