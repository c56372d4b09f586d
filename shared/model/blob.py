"""How a page blob stands: its size, its lease, and how far the copy to it is. Pure functions of values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from shared.model.names import COPY_METADATA

# What `x-ms-copy-status` says of a copy (REST: Get Blob Properties); `failed` beside these.
COPY_PENDING, COPY_SUCCESS, COPY_ABORTED = "pending", "success", "aborted"


@dataclass(frozen=True, slots=True)
class BlobState:
    """A blob, or a snapshot of one, as it stands.

    Attributes:
        size: bytes.
        etag: its ETag.
        is_page_blob: whether it is a page blob.
        leased: whether it is under a lease, whosever it is; one that is being broken counts until it has ended.
        metadata: its metadata.
        copy_status: `pending`, `success`, `aborted` or `failed`; empty where it was never copied to.
        copy_said: what the service says of a copy that did not succeed.
        bytes_done, bytes_total: how far the copy is.
    """

    size: int
    etag: str
    is_page_blob: bool = True
    leased: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    copy_status: str = ""
    copy_said: str = ""
    bytes_done: int = 0
    bytes_total: int = 0

    def is_marked(self, mark: str) -> bool:
        """Tell whether the copy to it, be it done or not, is the one with this mark."""
        return self.metadata.get(COPY_METADATA) == mark

    def has_succeeded(self, mark: str, size: int) -> bool:
        """Tell whether the copy with this mark has succeeded; once its source is forgotten, no status says so."""
        return self.is_marked(mark) and self.copy_status in {COPY_SUCCESS, ""} and self.size == size


class CopyStage(Enum):
    """How far a copy is.

    Attributes:
        NOT_STARTED: the blob is not there, or what was last copied to it is something else.
        UNDER_WAY: it goes on, or waits its turn.
        SUCCEEDED: it has come to a good end.
        FAILED: it has not, or somebody has written over it.
        ABORTED: somebody has aborted it.
    """

    NOT_STARTED = auto()
    UNDER_WAY = auto()
    SUCCEEDED = auto()
    FAILED = auto()
    ABORTED = auto()


@dataclass(frozen=True, slots=True)
class CopyProgress:
    """What came of looking at a copy.

    Attributes:
        stage: how far it is.
        found: the blob that is copied to; None where there is none.
    """

    stage: CopyStage
    found: BlobState | None

    @property
    def goes_well(self) -> bool:
        """Whether it is under way, or has succeeded."""
        return self.stage in {CopyStage.UNDER_WAY, CopyStage.SUCCEEDED}

    @property
    def succeeded(self) -> BlobState | None:
        """The blob that it has made; None where it has not succeeded."""
        return self.found if self.stage is CopyStage.SUCCEEDED else None

    @property
    def bytes_done(self) -> int:
        """Bytes that are copied."""
        return self.found.bytes_done if self.found else 0

    @property
    def bytes_total(self) -> int:
        """Bytes that there are to copy."""
        return self.found.bytes_total if self.found else 0

    @property
    def said(self) -> str:
        """What is to be said of one that does not go well: the service's words, where it has any."""
        if self.found is None:
            return "gone"
        return self.found.copy_said or f"{self.found.copy_status or 'overwritten'}, {self.found.size} bytes"


def copy_progress(found: BlobState | None, mark: str, size: int) -> CopyProgress:
    """Tell how far the copy with this mark is, of so many bytes, from the blob that it is made to."""
    if found is None or not found.is_marked(mark):
        return CopyProgress(CopyStage.NOT_STARTED, found)
    if found.has_succeeded(mark, size):
        return CopyProgress(CopyStage.SUCCEEDED, found)
    stages = {COPY_PENDING: CopyStage.UNDER_WAY, COPY_ABORTED: CopyStage.ABORTED}
    return CopyProgress(stages.get(found.copy_status, CopyStage.FAILED), found)
