"""Errors of our own: a sentence that says what was wrong, with which disk, and what to do; and what follows from it."""

import re
from enum import Enum, auto
from typing import ClassVar

# What is kept of a match is the name before the secret; a SAS may itself be percent-encoded, inside a URL.
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


class Then(Enum):
    """What follows from an error for the job whose step raised it; each job says what that means for it.

    Attributes:
        END: it can't be finished: nothing that is tried again mends it.
        BEGIN_ANEW_OR_END: asked the same way, it is refused again: what has begun is begun anew, the rest ends.
        BEGIN_ANEW: what was made is not as it was left.
        LOOK_AGAIN: somebody else was faster: what they have done is to be looked at.
        COME_BACK: it passes, or may.
        WAIT_FOR_OWNER: its owner has to mend it, and is told how; no step does anything about it.
    """

    END = auto()
    BEGIN_ANEW_OR_END = auto()
    BEGIN_ANEW = auto()
    LOOK_AGAIN = auto()
    COME_BACK = auto()
    WAIT_FOR_OWNER = auto()


class TidemarkError(Exception):
    """An error of our own. Its message is a sentence, fit for a log: without a secret, and with what to do.

    Attributes:
        then: what follows for the job whose step raised it.
    """

    then: ClassVar[Then] = Then.COME_BACK


class DiskError(TidemarkError):
    """One disk can't be backed up as it is; the message says why, and what to do."""

    then = Then.WAIT_FOR_OWNER


class OtherDiskError(DiskError):
    """What is there under a disk's name is another disk's, of a service of another URL; the message says whose."""


class StepFailedError(TidemarkError):
    """A step has failed, and its queue delivers its message again: in the place of an error that may tell a secret."""


class NotAsLeftError(TidemarkError):
    """A blob is not as it was found or left: what was to be done with it is not done."""

    then = Then.BEGIN_ANEW


class DiffRefusedError(TidemarkError):
    """The service does not give the diff from the base snapshot: the run must be a resync."""

    then = Then.BEGIN_ANEW


class ListingTimedOutError(TidemarkError):
    """The service gave up on listing page ranges: ask for a smaller window."""


class SourceGoneError(TidemarkError):
    """What is to be read is gone: a run's source snapshot, and the run can't be finished; or a recovery point."""

    then = Then.END


class SourceUnreachableError(TidemarkError):
    """The service can't copy from the source by itself: read and write through the function."""


class CopyRefusedError(TidemarkError):
    """The service does not read what Copy Blob is to copy."""

    then = Then.BEGIN_ANEW_OR_END


class TargetLeasedError(TidemarkError):
    """What is to be written over is under somebody else's lease; the message says what to do."""

    then = Then.END

    def __init__(self, url: str, code: str = "") -> None:
        told = f" ({code})" if code else ""
        super().__init__(
            f"{url} is under a lease, as a disk that is attached to a VM is{told}. What to do: stop the VM and detach"
            " the disk, or end the lease; then enqueue the request again"
        )


class LeaseLostError(NotAsLeftError):
    """A blob is not under the lease of the run or the restore: others may have written to it."""


class HeartbeatError(TidemarkError):
    """The heartbeat could not be called; the message does not tell its URL."""


class DiffersError(TidemarkError):
    """Two versions of what should be one disk do not hold the same; the message says where."""

    then = Then.BEGIN_ANEW


class UnreadableError(TidemarkError):
    """What somebody has written can't be read; the message says what is wrong with it."""

    then = Then.END


def gone(url: str, snapshot: str) -> str:
    """Say that a blob, or a snapshot of it, is gone."""
    return f"the snapshot {snapshot} of {url} is gone" if snapshot else f"{url} is gone"


def without_secrets(text: str) -> str:
    """Blot out whatever looks like a signature, a key or a token."""
    return _SECRET.sub(r"\1***", text)
