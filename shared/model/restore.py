"""A restore: the row that is kept of it, and what to do next with it. Pure functions of values."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Self

from shared.errors import Then, TidemarkError
from shared.model.addresses import BlobAddress
from shared.model.job import Work, check_delay
from shared.model.names import restore_lease_id
from shared.model.requests import RestoreRequest
from shared.model.run import SERVER_SIDE
from shared.model.texts import Text

RESTORE_ROW_PREFIX = "restore-"

UNREADABLE_PARTITION = "restore-requests"
"""Where the rows of requests are that name no disk: no disk's partition is named so, they all have a `|`."""

MOST_ATTEMPTS = 5
"""How often a copy is begun anew before a restore fails (REST: Copy Blob is best effort)."""

_SHORTEST_TRY_DELAY = timedelta(seconds=5)


class RefusedError(TidemarkError):
    """A request for a restore that can't be done as it is; nothing was written. The message says what to do."""

    then = Then.END


class RestoreFailedError(TidemarkError):
    """A restore that can't be finished; the message says why."""

    then = Then.END


class State(StrEnum):
    """How far a restore is."""

    REQUESTED = "requested"
    PROMOTING = "promoting"
    COPYING = "copying"
    PROVING = "proving"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


ENDS = frozenset({State.DONE, State.REFUSED, State.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore(Work):
    """The row of a restore.

    Attributes:
        restore: its id, that of the queue message that asked for it.
        state: how far it is.
        reason: why it was refused or failed, or what it waits for.
        disk: the URL of the disk whose recovery point is restored; empty where the request can't be read.
        point: the point that was asked for: `latest` or a time.
        overwrite: whether the target may be a blob that is there.
        allow_damaged: whether a recovery point that is damaged is restored all the same.
        asked_target: the target that the request names; empty for a new disk beside the one that was backed up.
        target: the URL of the blob that is restored to.
        recovery_point: the time of the recovery point that was found.
        copied_from: the URL that the target is copied from, with its snapshot and without a signature.
        copying: how its bytes travel to the target: on the server's side, or through the function and why.
        size: bytes of the recovery point.
        bytes_done, bytes_total: how far the copy is that is under way.
        target_is_new, backup_is_new: whether the target and its backup blob were not there before.
        lease: the id of the lease that the target and its backup blob are under; who wants to abort a copy needs it.
        attempt: which attempt this is, from 1.
        backup_etag, target_etag: ETags of the two at the end of their copies.
        target_snapshot: the snapshot of the target that the next backup is incremental from.
        parts_proved, parts_total: how much of the proof is done.
        seen, doubts: what the proof has seen on the restored disk, and what of it speaks against using the disk.
        ranges_compared, samples_compared, bytes_compared: what the proof has looked at.
        proof: what was proved.
        phase_began: when it came to its state, UTC.
    """

    restore: str
    state: State = State.REQUESTED
    reason: Text = ""
    disk: str = ""
    point: str = ""
    overwrite: bool = False
    allow_damaged: bool = False
    asked_target: str = ""
    target: str = ""
    recovery_point: str = ""
    copied_from: str = ""
    copying: Text = SERVER_SIDE
    size: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    target_is_new: bool = False
    backup_is_new: bool = False
    lease: str = ""
    attempt: int = 1
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
    phase_began: datetime

    @property
    def row_key(self) -> str:
        """Its row."""
        return row_key(self.restore)

    @property
    def about(self) -> dict[str, str]:
        """What each line of the log about it says: the disk, and the restore."""
        return {"disk": self.disk, "restore": self.restore}

    @property
    def address(self) -> BlobAddress:
        """The address of the disk whose recovery point is restored."""
        return BlobAddress.parse(self.disk)

    @property
    def target_address(self) -> BlobAddress:
        """The address of the blob that is restored to."""
        return BlobAddress.parse(self.target)

    @property
    def is_of_own_snapshot(self) -> bool:
        """Whether the target is copied from its own source snapshot, and its backup blob from the recovery point."""
        return bool(self.target) and self.copied_from.startswith(f"{self.target}?")

    @property
    def asks_for(self) -> tuple[object, ...]:
        """What its request says: two requests that say the same can't be told apart but by their ids."""
        return self.disk, self.point, self.asked_target, self.overwrite, self.allow_damaged

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is to be done."""
        return self.state in ENDS

    @property
    def has_begun(self) -> bool:
        """Whether its copies have begun: before that nothing is written."""
        return self.phase_began > self.requested

    @property
    def mark(self) -> str:
        """What the metadata of this attempt's copies says."""
        return f"{self.restore}/{self.attempt}"

    @classmethod
    def of(cls, restore: str, request: RestoreRequest, now: datetime) -> Self:
        """Make the row of a request that can be read."""
        return cls(
            restore=restore,
            disk=request.disk,
            point=request.point,
            asked_target=request.target or "",
            target=request.target or "",
            overwrite=request.overwrite,
            allow_damaged=request.allow_damaged,
            lease=restore_lease_id(restore),
            requested=now,
            checked=now,
            phase_began=now,
        )


class Next(NamedTuple):
    """What comes of a step.

    Attributes:
        restore: the restore as it is then.
        delay: when to go on.
    """

    restore: Restore
    delay: timedelta = timedelta()


def begun(restore: Restore, state: State, now: datetime) -> Restore:
    """Bring a restore to another state; with the states that copy, a copy begins."""
    then = replace(restore, state=state, reason="", phase_began=now, checked=now)
    copies = state in {State.PROMOTING, State.COPYING}
    return replace(then, bytes_done=0, bytes_total=restore.size) if copies else then


def row_key(restore: str) -> str:
    """Name the row of a restore."""
    return f"{RESTORE_ROW_PREFIX}{restore}"


def ended(restore: Restore, state: State, reason: str, now: datetime) -> Restore:
    """End a restore."""
    return replace(restore, state=state, reason=reason, checked=now, ended=now)


def failed(restore: Restore, why: str, now: datetime) -> Restore:
    """End a restore that can't be finished: say why, what is left of it, and what to do.

    The request is to be made again by the recovery point's time: by then `latest` may be a backup of what is left.
    """
    if not restore.has_begun:
        left = "nothing was written"
    elif restore.target_etag:
        left = f"{restore.target} was copied, but it is not proved and not backed up; look at it, or delete it"
    elif restore.target_is_new:
        left = "what was made of it is deleted"
    else:
        left = f"{restore.target} is not whole"
    what_to_do = f'enqueue the request again, with "point": "{restore.recovery_point or restore.point}"'
    return ended(restore, State.FAILED, f"{why}; {left}. What to do: {what_to_do}", now)


def tried_again(restore: Restore, reason: str, now: datetime) -> Restore:
    """Begin a restore's copies anew.

    Raises:
        RestoreFailedError: it was tried often enough.
    """
    if restore.attempt >= MOST_ATTEMPTS:
        raise RestoreFailedError(f"{reason}. It was tried {restore.attempt} times")
    again = begun(restore, State.PROMOTING, now).in_trouble(reason, now)
    return replace(
        again,
        attempt=restore.attempt + 1,
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


def next_try(restore: Restore) -> timedelta:
    """Say when to try again: after 5 seconds at first, after ten minutes at last."""
    delay: timedelta = _SHORTEST_TRY_DELAY * 5 ** max(0, restore.attempt - 2)
    return delay


def next_look(restore: Restore, now: datetime) -> timedelta:
    """Say when to look again at a restore that waits for a copy or a run."""
    return check_delay(restore.phase_began, now)
