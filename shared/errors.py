"""Tidemark's own errors: the message says what is wrong, with which disk, and what to do; the class says what next."""

import re
from enum import Enum, auto
from typing import ClassVar

# The name before the secret is kept. A SAS may itself be percent-encoded inside a URL.
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
    """What a job does about an error in one of its steps; each kind of job says how.

    Attributes:
        FAIL: no retry can help.
        RESTART_OR_FAIL: the same request would be refused again: start over if anything was made, else fail.
        RESTART: what the job made has changed.
        REREAD: another invocation was faster.
        RETRY: the error may pass.
        WAIT_FOR_OWNER: do nothing: only the owner can fix it, and the message says how.
    """

    FAIL = auto()
    RESTART_OR_FAIL = auto()
    RESTART = auto()
    REREAD = auto()
    RETRY = auto()
    WAIT_FOR_OWNER = auto()


class TidemarkError(Exception):
    """One of Tidemark's own errors. Its message is fit for a log: no secret, and it says what to do.

    Attributes:
        remedy: what the job does about it.
    """

    remedy: ClassVar[Remedy] = Remedy.RETRY


class DiskError(TidemarkError):
    """A disk can't be backed up as it is; the message says why, and what to do."""

    remedy = Remedy.WAIT_FOR_OWNER


class OtherDiskError(DiskError):
    """A disk's record or backup blob belongs to a disk of another service; the message says which."""


class StepFailedError(TidemarkError):
    """A step failed and its queue delivers the message again; raised in place of an error that may hold a secret."""


class BlobChangedError(TidemarkError):
    """A blob has changed since it was last seen, so nothing was done to it."""

    remedy = Remedy.RESTART


class DiffRefusedError(TidemarkError):
    """The service refuses the diff from the base snapshot: the run must be a resync."""

    remedy = Remedy.RESTART


class ListingTimedOutError(TidemarkError):
    """Listing page ranges timed out: ask for a smaller window."""


class SourceGoneError(TidemarkError):
    """What a job reads no longer exists: a source snapshot, or a recovery point."""

    remedy = Remedy.FAIL


class SourceUnreachableError(TidemarkError):
    """The service can't copy from the source itself: read and write through the function."""


class CopyRefusedError(TidemarkError):
    """The service can't read the source of a Copy Blob."""

    remedy = Remedy.RESTART_OR_FAIL


class TargetLeasedError(TidemarkError):
    """The blob to overwrite is under somebody else's lease; the message says what to do."""

    remedy = Remedy.FAIL

    def __init__(self, url: str, code: str = "") -> None:
        detail = f" ({code})" if code else ""
        super().__init__(
            f"{url} is leased{detail}, as a disk attached to a VM is. What to do: stop the VM and detach the disk, or"
            " break the lease; then send the request again"
        )


class LeaseLostError(BlobChangedError):
    """A blob is no longer under the lease of the run or restore, so others may have written to it."""


class HeartbeatError(TidemarkError):
    """The heartbeat call failed; the message does not contain its URL."""


class MismatchError(TidemarkError):
    """Two versions that should be identical are not; the message says where they differ."""

    remedy = Remedy.RESTART


class UnreadableError(TidemarkError):
    """Input from a person can't be read; the message says what is wrong with it."""

    remedy = Remedy.FAIL


def not_found(url: str, snapshot: str) -> str:
    """Say that a blob, or a snapshot of it, no longer exists."""
    return f"snapshot {snapshot} of {url} no longer exists" if snapshot else f"{url} no longer exists"


def without_secrets(text: str) -> str:
    """Mask whatever looks like a signature, a key or a token."""
    return _SECRET.sub(r"\1***", text)
