"""Tidemark's own errors. The message says what is wrong and what to do; the class says how a job reacts."""

import re
from enum import Enum, auto
from typing import ClassVar

# Keeps the name before the secret. A SAS may itself be percent-encoded inside a URL.
_SECRET = re.compile(
    r"""(?ix)
    (
        (?: \b | (?<=%3f) | (?<=%26) )
        (?: sig | accountkey | sharedaccesssignature ) ["']? \s* (?: = | : | %3d ) \s* ["']?
      | \b authorization ["']? \s* [:=] \s* ["']? (?: (?: bearer | sharedkey | sharedkeylite ) \s+ )?
      | \b bearer \s+
    )
    (?: (?! %26 ) [^\s&;,'"] )+
    """
)


class Remedy(Enum):
    """How a job reacts to an error in one of its steps.

    Attributes:
        FAIL: no retry can help.
        RESTART_OR_FAIL: the same request would be refused again: start over if anything was made, else fail.
        RESTART: what the job made was changed: start over.
        REREAD: another invocation changed the record first: read it again.
        RETRY: the error may be transient.
        WAIT_FOR_OWNER: do nothing: only the disk's owner can fix it, and the message says how.
    """

    FAIL = auto()
    RESTART_OR_FAIL = auto()
    RESTART = auto()
    REREAD = auto()
    RETRY = auto()
    WAIT_FOR_OWNER = auto()


class TidemarkError(Exception):
    """Base class of Tidemark's own errors. The message contains no secret and can be logged.

    Attributes:
        remedy: how the job reacts to it.
    """

    remedy: ClassVar[Remedy] = Remedy.RETRY


class DiskError(TidemarkError):
    """A disk can't be backed up; the message says why, and what to do."""

    remedy = Remedy.WAIT_FOR_OWNER


class OtherDiskError(DiskError):
    """The record or backup blob under a disk's name belongs to a disk on another service; the message says which."""


class NotOwnerError(TidemarkError):
    """The backup container belongs to another app; the message says which, and what to do."""

    remedy = Remedy.FAIL


class StepFailedError(TidemarkError):
    """A step failed, so its queue must redeliver the message; raised in place of an error that may contain a secret."""


class BlobChangedError(TidemarkError):
    """A blob was changed since it was last read, so it was left alone."""

    remedy = Remedy.RESTART


class DiffRefusedError(TidemarkError):
    """The service refused the diff from the base snapshot: the run must become a resync.

    Attributes:
        overwritten: whether that is because the blob was copied over between the two snapshots.
    """

    remedy = Remedy.RESTART

    def __init__(self, message: str, *, overwritten: bool = False) -> None:
        super().__init__(message)
        self.overwritten = overwritten


class ListingTimedOutError(TidemarkError):
    """Listing page ranges timed out: retry with a smaller window."""


class SourceGoneError(TidemarkError):
    """The source snapshot or recovery point that a job reads no longer exists."""

    remedy = Remedy.FAIL


class NoPointError(TidemarkError):
    """A disk has no recovery point such as is asked for; the message says what to do."""

    remedy = Remedy.FAIL


class PointDeletingError(TidemarkError):
    """A recovery point is being deleted, so nothing may rely on it any more; the message says what to do."""

    remedy = Remedy.FAIL


class SourceUnreachableError(TidemarkError):
    """The service can't read the source itself: copy through the function instead."""


class UploadLostError(TidemarkError):
    """The disk that a restore uploads into can no longer be written to: start over, with another disk."""

    remedy = Remedy.RESTART


class SnapshotUnreadableError(TidemarkError):
    """The snapshot that a restored disk is compared by can't be read: take another."""

    remedy = Remedy.RESTART


class CopyRefusedError(TidemarkError):
    """The service can't read the source of a Copy Blob."""

    remedy = Remedy.RESTART_OR_FAIL


class PrivateSourceError(CopyRefusedError):
    """The source of a Copy Blob is a snapshot whose network access is private, from which the service never copies."""

    remedy = Remedy.FAIL


class TargetLeasedError(TidemarkError):
    """The blob to overwrite is leased by someone else; the message says what to do."""

    remedy = Remedy.FAIL

    def __init__(self, url: str, code: str = "") -> None:
        detail = f" ({code})" if code else ""
        super().__init__(
            f"{url} is leased{detail}, probably because it is attached to a VM. What to do: stop the VM and detach the"
            " disk, or break the lease; then send the request again"
        )


class LeaseLostError(BlobChangedError):
    """A blob is no longer under the lease of its run or restore, so someone else may have written to it."""


class HeartbeatError(TidemarkError):
    """The heartbeat call failed; the message does not contain its URL."""


class MismatchError(TidemarkError):
    """Two versions that should be identical are not; the message says where they differ."""

    remedy = Remedy.RESTART


class UnreadableError(TidemarkError):
    """A person's input can't be parsed; the message says what is wrong with it."""

    remedy = Remedy.FAIL


def not_found(url: str, snapshot: str) -> str:
    """Return the message that a blob, or a snapshot of it, no longer exists."""
    return f"snapshot {snapshot} of {url} no longer exists" if snapshot else f"{url} no longer exists"


def without_secrets(text: str) -> str:
    """Mask anything in a text that looks like a signature, a key or a token."""
    return _SECRET.sub(r"\1***", text)
