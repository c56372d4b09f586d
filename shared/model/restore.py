"""A restore: the row that is kept of it, and what to do next with it. Pure functions of values."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Self

from shared.errors import Then, TidemarkError
from shared.model.disk import PageBlobDisk
from shared.model.fields import TargetNameOrNone
from shared.model.job import Job, JobKind, Stage
from shared.model.messages import RestoreMessage
from shared.model.names import restore_lease_id
from shared.model.requests import RestoreRequest
from shared.model.run import SERVER_SIDE
from shared.model.texts import Text


class RefusedError(TidemarkError):
    """A request for a restore that can't be done as it is; nothing was written. The message says what to do."""

    then = Then.END


class RestoreFailedError(TidemarkError):
    """A restore that can't be finished; the message says why."""

    then = Then.END


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore(Job):
    """The row of a restore.

    Attributes:
        most_attempts: how often its copies are begun before it fails (REST: Copy Blob is best effort).
        restore: its id, that of the queue message that asked for it.
        overwrite: whether the target may be a blob that is there.
        allow_damaged: whether a recovery point that is damaged is restored all the same.
        asked_target: the target that the request names; None for a new disk beside the one that was backed up.
        target: the page blob that is restored to, once it is known.
        copied_from: the URL that the target is copied from, with its snapshot and without a signature.
        copying: how its bytes travel to the target: on the server's side, or through the function and why.
        target_is_new, backup_is_new: whether the target and its backup blob were not there before.
        lease: the id of the lease that the target and its backup blob are under; who wants to abort a copy needs it.
        backup_etag, target_etag: ETags of the two at the end of their copies.
        target_snapshot: the snapshot of the target that the next backup is incremental from.
        parts_proved, parts_total: how much of the proof is done.
        seen, doubts: what the proof has seen on the restored disk, and what of it speaks against using the disk.
        ranges_compared, samples_compared, bytes_compared: what the proof has looked at.
        proof: what was proved.
    """

    most_attempts: ClassVar[int] = 5

    restore: str
    overwrite: bool = False
    allow_damaged: bool = False
    asked_target: TargetNameOrNone = None
    target: TargetNameOrNone = None
    copied_from: str = ""
    copying: Text = SERVER_SIDE
    target_is_new: bool = False
    backup_is_new: bool = False
    lease: str = ""
    backup_etag: str = ""
    target_etag: str = ""
    target_snapshot: str = ""
    parts_proved: int = 0
    parts_total: int = 0
    ranges_compared: int = 0
    samples_compared: int = 0
    bytes_compared: int = 0
    seen: Text = ""
    doubts: Text = ""
    proof: Text = ""

    @classmethod
    def of(cls, restore: str, request: RestoreRequest, now: datetime) -> Self:
        """Make the row of a request that can be read."""
        return replace(
            cls.unreadable(restore, now),
            disk=request.disk,
            point=request.point,
            asked_target=request.target,
            target=request.target,
            overwrite=request.overwrite,
            allow_damaged=request.allow_damaged,
            lease=restore_lease_id(restore),
        )

    @classmethod
    def unreadable(cls, restore: str, now: datetime) -> Self:
        """Make the row of a request that can't be read."""
        return cls(restore=restore, requested=now, phase_began=now, progressed=now, checked=now)

    @property
    def kind(self) -> JobKind:
        """What is done."""
        return JobKind.RESTORE

    @property
    def job(self) -> str:
        """Its id."""
        return self.restore

    @property
    def message(self) -> RestoreMessage:
        """The message that steps it forward."""
        return RestoreMessage(disk=self.known_disk, restore=self.restore)

    @property
    def about(self) -> dict[str, str]:
        """What each line of the log about it says: the disk, if it is known, and the restore."""
        return {**({"disk": self.disk.name} if self.disk else {}), "restore": self.restore}

    @property
    def told(self) -> dict[str, object]:
        """What the log says of it when it comes to another state."""
        return {
            "target": str(self.target or ""),
            "recovery_point": self.recovery_point,
            "point": self.target_snapshot,
            "size": self.size,
            "bytes_compared": self.bytes_compared,
            "proof": self.proof,
        }

    @property
    def asks_for(self) -> dict[str, object]:
        """What its request says: two requests that say the same can't be told apart but by their ids."""
        return {
            "disk": str(self.disk or ""),
            "point": self.point,
            "target": str(self.asked_target or ""),
            "overwrite": self.overwrite,
            "allow_damaged": self.allow_damaged,
        }

    @property
    def known_target(self) -> PageBlobDisk:
        """The page blob that is restored to, of a restore that has found its recovery point.

        Raises:
            ValueError: it has not.
        """
        if self.target is None:
            raise ValueError(f"{self.row_key} has no target yet")
        return self.target

    @property
    def is_of_own_snapshot(self) -> bool:
        """Whether the target is copied from its own source snapshot, and its backup blob from the recovery point."""
        return self.target is not None and self.copied_from.startswith(f"{self.target}?")

    @property
    def has_begun(self) -> bool:
        """Whether its copies have begun: before that nothing is written."""
        return self.phase_began > self.requested

    @property
    def mark(self) -> str:
        """What the metadata of this attempt's copies says."""
        return f"{self.restore}/{self.attempt}"

    def failure(self, why: str) -> str:
        """Say what a failure leaves behind, and what to do.

        The request is to be made again by the recovery point's time: by then `latest` may be a backup of what is left.
        """
        if not self.has_begun:
            left = "nothing was written"
        elif self.target_etag:
            left = f"{self.target} was copied, but it is not proved and not backed up; look at it, or delete it"
        elif self.target_is_new:
            left = "what was made of it is deleted"
        else:
            left = f"{self.target} is not whole"
        what_to_do = f'enqueue the request again, with "point": "{self.recovery_point or self.point}"'
        return f"{why}; {left}. What to do: {what_to_do}"

    def forgotten(self) -> Self:
        """Forget what an attempt has copied and proved: another begins."""
        return replace(
            self,
            copying=SERVER_SIDE,
            backup_etag="",
            target_etag="",
            target_snapshot="",
            parts_proved=0,
            ranges_compared=0,
            samples_compared=0,
            bytes_compared=0,
            seen="",
            doubts="",
        )


def as_done(restore: Restore, proof: str, now: datetime) -> Restore:
    """End a restore that has adopted its target, and say what was proved."""
    return replace(restore.end(Stage.DONE, "", now), proof=proof)
