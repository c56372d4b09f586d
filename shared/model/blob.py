"""How a page blob stands: its size, its lease, and the copy to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

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
