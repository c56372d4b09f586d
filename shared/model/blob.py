"""The state of a page blob: its size, its lease, and the progress of a copy to it. Pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from shared.model.names import COPY_METADATA

# Values of `x-ms-copy-status`, besides `failed` (REST: Get Blob Properties).
COPY_PENDING, COPY_SUCCESS, COPY_ABORTED = "pending", "success", "aborted"


@dataclass(frozen=True, slots=True)
class BlobState:
    """The state of a blob, or of a snapshot of one.

    Attributes:
        size: bytes.
        etag: its ETag.
        is_page_blob: whether it is a page blob.
        leased: whether it is leased, by anyone; a lease that is being broken counts until it has ended.
        metadata: its metadata.
        copy_status: `pending`, `success`, `aborted` or `failed`; empty if it was never copied to.
        copy_said: the service's description of a copy that did not succeed.
        bytes_done, bytes_total: the progress of the copy.
    """

    size: int
    etag: str
    is_page_blob: bool = True
    leased: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    copy_status: str = ""
    copy_description: str = ""
    bytes_done: int = 0
    bytes_total: int = 0

    def is_marked(self, mark: str) -> bool:
        """Return whether the last copy to it, finished or not, is the one with this mark."""
        return self.metadata.get(COPY_METADATA) == mark

    def has_succeeded(self, mark: str, size: int) -> bool:
        """Return whether the copy with this mark succeeded; once its source is forgotten, it has no status any more."""
        return self.is_marked(mark) and self.copy_status in {COPY_SUCCESS, ""} and self.size == size


class CopyStage(Enum):
    """The stage of a copy.

    Attributes:
        NOT_STARTED: the blob does not exist, or the last copy to it was another one.
        UNDER_WAY: it is running, or queued by the service.
        SUCCEEDED: it succeeded.
        FAILED: it failed, or the blob was overwritten.
        ABORTED: it was aborted.
    """

    NOT_STARTED = auto()
    UNDER_WAY = auto()
    SUCCEEDED = auto()
    FAILED = auto()
    ABORTED = auto()


@dataclass(frozen=True, slots=True)
class CopyProgress:
    """The progress of a copy.

    Attributes:
        stage: its stage.
        found: the blob copied to; None if there is none.
    """

    stage: CopyStage
    found: BlobState | None

    @property
    def is_healthy(self) -> bool:
        """Whether it is under way, or has succeeded."""
        return self.stage in {CopyStage.UNDER_WAY, CopyStage.SUCCEEDED}

    @property
    def succeeded(self) -> BlobState | None:
        """The blob it made; None if it has not succeeded."""
        return self.found if self.stage is CopyStage.SUCCEEDED else None

    @property
    def bytes_done(self) -> int:
        """Bytes copied so far."""
        return self.found.bytes_done if self.found else 0

    @property
    def bytes_total(self) -> int:
        """Bytes to copy in all."""
        return self.found.bytes_total if self.found else 0

    @property
    def failure(self) -> str:
        """What is wrong with a copy that failed: in the service's words, if it has any."""
        if self.found is None:
            return "the blob no longer exists"
        if self.found.copy_description:
            return self.found.copy_description
        what = f"copy status {self.found.copy_status}" if self.found.copy_status else "the blob was overwritten"
        return f"{what}, size {self.found.size} bytes"


def copy_progress(found: BlobState | None, mark: str, size: int) -> CopyProgress:
    """Return the progress of the copy with this mark, of so many bytes, by the state of its target."""
    if found is None or not found.is_marked(mark):
        return CopyProgress(CopyStage.NOT_STARTED, found)
    if found.has_succeeded(mark, size):
        return CopyProgress(CopyStage.SUCCEEDED, found)
    stages = {COPY_PENDING: CopyStage.UNDER_WAY, COPY_ABORTED: CopyStage.ABORTED}
    return CopyProgress(stages.get(found.copy_status, CopyStage.FAILED), found)
