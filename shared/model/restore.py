"""A restore: its row, and how it changes. Pure functions."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, Self

from shared.errors import Remedy, TidemarkError
from shared.model.disk import ManagedDisk
from shared.model.expiry import EXPIRY_CHECK, expiry_of
from shared.model.fields import DiskNameOrNone
from shared.model.job import Job, JobKind, Stage, advised
from shared.model.messages import RestoreMessage
from shared.model.names import restore_lease_id
from shared.model.requests import RestoreRequest
from shared.model.run import SERVER_SIDE
from shared.model.targeted import Targeted
from shared.model.texts import Text


class RefusedError(TidemarkError):
    """A job that can't be done as requested; nothing was written. The message says what to do."""

    remedy = Remedy.FAIL


class RestoreFailedError(TidemarkError):
    """A restore that can't be finished; the message says why."""

    remedy = Remedy.FAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore(Targeted, Job):
    """The row of a restore.

    Attributes:
        max_attempts: how often its copies are attempted before it fails (REST: Copy Blob is best effort).
        restore: its id, that of the queue message that requested it.
        overwrite: whether the target may be an existing blob, which the request named.
        replace_other: whether that may be another disk, one that was never backed up, or one of another size.
        undo: whether an existing target is written over only once an undo point holds its state.
        adopt: whether the target is backed up from then on; if not, the restore is a trial.
        expires: when the disk of a trial is to be deleted, as requested; empty for never.
        allow_damaged: whether to restore even a damaged recovery point.
        asked_target: the target in the request; None for a new disk beside the one that was backed up.
        asked_as: what a managed disk is to be made as, in the request, as JSON; empty for as it was.
        target: the page blob or managed disk to restore to, once it is known; the latter has no unique ID until it is
            made.
        made_as: what the managed disk is made as (`DiskProfile.text`).
        left_over: the unique ID of the managed disk that an earlier attempt has made, until it is deleted.
        copied_from: the URL that the target is copied from, with its snapshot and without a signature.
        copying: how its bytes get to the target: server side, or through the function and why.
        target_is_new, backup_is_new: whether the target and its backup blob did not exist before.
        saving: whether the undo point is still to be taken, and nothing is written over yet.
        undo_run: the source snapshot of the target, as it was before, which the undo point is to hold.
        undo_point: that recovery point's time, once it is sealed: restoring it is the way back.
        saved_etag: the target's ETag at that snapshot, until the copy over it begins.
        lease: the id of the lease on the target and its backup blob, needed to abort a copy.
        backup_etag, target_etag: ETags of the two at the end of their copies; of a managed disk its unique ID.
        target_snapshot: the snapshot of the target that the next backup is incremental from.
        parts_proved, parts_total: the progress of the verification.
        seen, doubts: what the verification found on the restored disk, and what of it makes the disk doubtful.
        ranges_compared, samples_compared, bytes_compared: what the verification compared.
        proof: what was verified.
        expires_at: when the disk of a trial is to be deleted, UTC, once the disk is usable.
        deletes: whether that time has come, and the disk is being deleted.
    """

    max_attempts: ClassVar[int] = 5

    restore: str
    overwrite: bool = False
    replace_other: bool = False
    undo: bool = True
    adopt: bool = True
    expires: str = ""
    allow_damaged: bool = False
    asked_target: DiskNameOrNone = None
    asked_as: str = ""
    target: DiskNameOrNone = None
    made_as: str = ""
    left_over: str = ""
    copied_from: str = ""
    copying: Text = SERVER_SIDE
    target_is_new: bool = False
    backup_is_new: bool = False
    saving: bool = False
    undo_run: str = ""
    undo_point: str = ""
    saved_etag: str = ""
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
    expires_at: datetime | None = None
    deletes: bool = False

    @classmethod
    def of(cls, restore: str, request: RestoreRequest, now: datetime) -> Self:
        """Make the row of a readable request."""
        return replace(
            cls.unreadable(restore, now),
            disk=request.disk,
            point=request.point,
            asked_target=request.target,
            asked_as=request.asked_as,
            target=request.target,
            overwrite=request.overwrite is not False,
            replace_other=request.replace_other,
            undo=request.undo,
            adopt=request.adopt,
            expires=request.expires or "",
            allow_damaged=request.allow_damaged,
            lease=restore_lease_id(restore),
        )

    @classmethod
    def unreadable(cls, restore: str, now: datetime) -> Self:
        """Make the row of an unreadable request."""
        return cls(restore=restore, requested=now, phase_began=now, progressed=now, checked=now)

    @property
    def kind(self) -> JobKind:
        """The kind of job."""
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
        """The fields of every log event about it: the disk, if it is known, and the restore."""
        return {**({"disk": self.disk.name} if self.disk else {}), "restore": self.restore}

    @property
    def log_fields(self) -> dict[str, object]:
        """The fields of the log event for its new state."""
        return {
            "target": str(self.target or ""),
            "recovery_point": self.recovery_point,
            "point": self.target_snapshot,
            "undo_point": self.undo_point,
            "expires_at": self.expires_at or "",
            "size": self.size,
            "bytes_compared": self.bytes_compared,
            "proof": self.proof,
        }

    @property
    def request_fields(self) -> dict[str, object]:
        """The fields of its request: two equal requests differ only in their ids."""
        return {
            "disk": str(self.disk or ""),
            "point": self.point,
            "target": str(self.asked_target or ""),
            "managed_disk": self.asked_as,
            "overwrite": self.overwrite,
            "replace_other": self.replace_other,
            "undo": self.undo,
            "adopt": self.adopt,
            "expires": self.expires,
            "allow_damaged": self.allow_damaged,
        }

    @property
    def has_begun(self) -> bool:
        """Whether its copies have begun; before that nothing is written over."""
        return self.phase_began > self.requested and not self.saving

    @property
    def needs_undo_point(self) -> bool:
        """Whether the state of the target must be saved before it is written over."""
        return self.undo and not self.target_is_new

    @property
    def first_stage(self) -> Stage:
        """The stage at which an attempt starts: a trial needs no backup blob, so it promotes nothing.

        A managed disk is made before its backup blob, which is named after its unique ID.
        """
        if self.makes_managed_disk and not self.is_uploaded:
            return Stage.COPYING
        return Stage.PROMOTING if self.adopt else self.after_promotion

    @property
    def after_promotion(self) -> Stage:
        """The stage that follows the promotion; a trial begins with it."""
        return Stage.PROVING if self.makes_managed_disk else Stage.COPYING

    @property
    def is_copied_over(self) -> bool:
        """Whether the copy over the target may have begun, at any attempt."""
        is_before = self.state is Stage.PROMOTING and self.attempt == 1
        return self.has_begun and not self.saved_etag and not is_before

    @property
    def mark(self) -> str:
        """The mark in the metadata of this attempt's copies."""
        return f"{self.restore}/{self.attempt}"

    def failure(self, why: str) -> str:
        """Say why it failed, what that leaves behind, and what to do.

        The request to send again names the recovery point by its time: `latest` may by then be a backup of what is
        left.
        """
        if self.saving:
            return self._unsaved(why)
        if not self.has_begun:
            left = "Nothing was written"
        elif self.target_etag:
            left = f"{self.target} was copied but not verified, and is not being backed up. Inspect it, or delete it"
        elif self.target_is_new:
            left = "The incomplete copy is deleted"
        elif not self.is_copied_over:
            left = f"{self.target} was not written over"
        else:
            left = f"{self.target} is incomplete"
        if self.undo_point:
            left = f"{left}. Its state before is recovery point {self.undo_point} of {self.target}"
        what_to_do = f'send the request again, with "point": "{self.recovery_point or self.point}"'
        return f"{why.rstrip('.')}. {left}. What to do: {what_to_do}"

    def refuse(self, reason: str, now: datetime) -> Self:
        """Refuse it; if its undo point could not be taken, say how to do without."""
        return Job.refuse(self, self._unsaved(reason) if self.saving and not self.cancelled else reason, now)

    def _unsaved(self, why: str) -> str:
        """Say that the target was not written over, because its undo point could not be taken, and what to do."""
        why = advised(why.rstrip("."), "correct that, and send the request again").rstrip(".")
        return (
            f"{self.target} was not written over, because its undo point could not be taken: {why};"
            ' or set "undo": false to write over the disk without a way back'
        )

    @property
    def can_be_cancelled(self) -> bool:
        """Whether it still has an outcome to come; until its disk is being deleted, a trial can be made to keep it."""
        return not (self.has_ended or self.deletes or self.state is Stage.ENDING)

    def is_check_overdue(self, now: datetime, after: timedelta) -> bool:
        """Return whether the message that checks it is considered lost; one that expires is checked once a day."""
        return now - self.checked >= after + (EXPIRY_CHECK if self.state is Stage.EXPIRING else timedelta())

    def cleaned_up(self) -> Self:
        """Move it to its final state; a trial's disk that is to be deleted waits for that first."""
        if self.expires and self.outcome == Stage.DONE:
            return replace(self, state=Stage.EXPIRING, outcome="")
        return Job.cleaned_up(self)

    def expired(self, reason: str, now: datetime) -> Self:
        """End a trial whose disk's time has come, and say what became of the disk."""
        return replace(self, state=Stage.DONE, reason=reason, checked=now)

    def reset(self) -> Self:
        """Drop what an attempt has copied and verified, for another attempt; a managed disk is uploaded once."""
        target, left_over = self.target, self.left_over
        if isinstance(target, ManagedDisk) and not self.is_uploaded:
            target, left_over = ManagedDisk(target.id), target.unique_id or left_over
        return replace(
            self,
            target=target,
            left_over=left_over,
            copying=SERVER_SIDE,
            backup_etag="",
            target_etag=self.target_etag if self.is_uploaded else "",
            target_snapshot="",
            parts_proved=0,
            ranges_compared=0,
            samples_compared=0,
            bytes_compared=0,
            seen="",
            doubts="",
        )


def as_done(restore: Restore, proof: str, now: datetime) -> Restore:
    """End a restore whose target is usable, and say what was verified."""
    expires_at = expiry_of(restore.expires, now) if restore.expires else None
    return replace(restore.end(Stage.DONE, "", now), proof=proof, expires_at=expires_at)
