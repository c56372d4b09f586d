"""What soft delete would keep, and bill: the pages of blobs and snapshots that are deleted or overwritten as a whole.

https://learn.microsoft.com/azure/storage/blobs/soft-delete-blob-overview, "Blob soft delete protection by operation".
Nothing is kept here, only counted.
"""

import re
from typing import NamedTuple
from urllib.parse import quote

from .upstream import Call, Upstream

_XML_RANGE = re.compile(rb"<Start>(\d+)</Start>\s*<End>(\d+)</End>")
_OK, _NO_PAGES = 200, 416  # of an empty blob, Azurite answers 416


class Kept(NamedTuple):
    """What soft delete would keep of a deletion.

    Attributes:
        operation: the operation that deletes or overwrites.
        path: the blob's decoded path.
        snapshot: the snapshot; empty for the blob itself.
        bytes: of its valid pages.
    """

    operation: str
    path: str
    snapshot: str
    bytes: int


class Deletions:
    """Records what is deleted or overwritten.

    Attributes:
        kept: what soft delete would keep of each, oldest first.
    """

    def __init__(self, upstream: Upstream) -> None:
        self.kept: list[Kept] = []
        self._upstream = upstream

    async def would_keep(self, call: Call) -> Kept | None:
        """Return what soft delete would keep of a page blob or snapshot; None if there is none."""
        snapshot = call.request.query.get("snapshot", "")
        query = f"comp=pagelist&snapshot={quote(snapshot)}" if snapshot else "comp=pagelist"
        answer = await self._upstream.as_owner("GET", call.raw_path, query=query)
        if answer.status not in (_OK, _NO_PAGES):
            return None
        held = sum(int(end) + 1 - int(start) for start, end in _XML_RANGE.findall(answer.body))
        return Kept(call.request.operation, call.request.path, snapshot, held)
