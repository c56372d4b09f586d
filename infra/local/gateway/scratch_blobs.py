"""Copies that are independent of their source.

Azurite's Copy Blob gives the copy its source's own list of page ranges, not a copy of the list: a later write to the
copy changes the source too, even a snapshot (LokiBlobMetadataStore.startCopyFromURL). Only Snapshot Blob copies the
list. So the content is copied to a scratch blob, snapshotted there, and copied from that snapshot.
"""

import uuid
from collections.abc import Mapping
from urllib.parse import urlsplit

from .answers import Answer
from .upstream import Upstream

# Not a name that a client's container can have.
_CONTAINER = "$gateway"
_OK, _CREATED, _ACCEPTED, _CONFLICT = 200, 201, 202, 409


class ScratchBlobs:
    """The gateway's own blobs, each in the account of the blob whose content it holds."""

    def __init__(self, upstream: Upstream, url: str) -> None:
        self._upstream = upstream
        self._url = url

    async def keep(self, raw_path: str) -> str:
        """Keep the current state of a page blob, with its metadata; return the URL of the scratch snapshot."""
        return await self._make(raw_path, {"x-ms-copy-source": f"{self._url}{raw_path}"}, _ACCEPTED)

    async def keep_empty(self, raw_path: str) -> str:
        """Keep an empty page blob with a blob's metadata; return the URL of the scratch snapshot."""
        head = await self._upstream.insist("HEAD", raw_path, (_OK,))
        metadata = {name: value for name, value in head.headers.items() if name.lower().startswith("x-ms-meta-")}
        empty = {"x-ms-blob-type": "PageBlob", "x-ms-blob-content-length": "0"}
        return await self._make(raw_path, {**metadata, **empty}, _CREATED)

    async def bring(
        self, kept: str, raw_path: str, headers: Mapping[str, str], good: tuple[int, ...] = (_ACCEPTED,)
    ) -> Answer:
        """Copy a scratch snapshot over a blob, and delete the scratch blob.

        Raises:
            RuntimeError: the copy's status is not in `good`.
        """
        source = {**headers, "x-ms-copy-source": kept}
        answer = await self._upstream.insist("PUT", raw_path, good, headers=source)
        await self.drop(kept)
        return answer

    async def drop(self, kept: str) -> None:
        """Delete a scratch blob."""
        all_of_it = {"x-ms-delete-snapshots": "include"}
        await self._upstream.insist("DELETE", urlsplit(kept).path, (_ACCEPTED,), headers=all_of_it)

    async def _make(self, raw_path: str, headers: Mapping[str, str], good: int) -> str:
        container = f"/{raw_path.split('/')[1]}/{_CONTAINER}"
        await self._upstream.insist("PUT", container, (_CREATED, _CONFLICT), query="restype=container")
        scratch = f"{container}/{uuid.uuid4()}"
        await self._upstream.insist("PUT", scratch, (good,), headers=headers)
        taken = await self._upstream.insist("PUT", scratch, (_CREATED,), query="comp=snapshot")
        return f"{self._url}{scratch}?snapshot={taken.headers['x-ms-snapshot']}"
