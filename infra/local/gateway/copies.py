"""Copies that stay apart from their source.

Azurite's Copy Blob gives the copy its source's own list of page ranges, not a copy of the list: a later write to the
copy shows in the source, even when that is a snapshot (LokiBlobMetadataStore.startCopyFromURL). Only Snapshot Blob
copies the list. So after a copy the gateway takes it round by a scratch blob: copy there, snapshot, copy back.
"""

import uuid

from multidict import CIMultiDict

from .answers import Answer
from .upstream import Call, Upstream

# No client's container can be named so.
_SCRATCH_CONTAINER = "$gateway"
_ACCEPTED, _CREATED, _CONFLICT, _OK = 202, 201, 409, 200
_KEPT_HEADERS = ("x-ms-lease-id", "x-ms-tags", "x-ms-version")


class Copies:
    """Parts copies from their sources, and hides how."""

    def __init__(self, upstream: Upstream, host: str) -> None:
        self._upstream = upstream
        self._host = host
        self._sources: dict[str, str] = {}

    async def part(self, call: Call, answer: Answer) -> None:
        """Part a page blob that a copy has just made from its source; the blob's lock is held alone.

        The answer then tells of the copy as it now is (its ETag, its copy id).
        """
        head = await self._upstream.as_owner("HEAD", call.raw_path)
        if head.headers.get("x-ms-blob-type") != "PageBlob":
            return
        container = f"/{call.account}/{_SCRATCH_CONTAINER}"
        await self._do("PUT", container, (_CREATED, _CONFLICT), query="restype=container")
        scratch = f"{container}/{uuid.uuid4()}"
        await self._do("PUT", scratch, (_ACCEPTED,), headers={"x-ms-copy-source": self._url(call.raw_path)})
        snapshot = (await self._do("PUT", scratch, (_CREATED,), query="comp=snapshot")).headers["x-ms-snapshot"]
        source = f"{self._url(scratch)}?snapshot={snapshot}"
        kept = {name: call.request.headers[name] for name in _KEPT_HEADERS if name in call.request.headers}
        copied = await self._do("PUT", call.raw_path, (_ACCEPTED,), headers={**kept, "x-ms-copy-source": source})
        await self._do("DELETE", scratch, (_ACCEPTED,), headers={"x-ms-delete-snapshots": "include"})
        self._sources[source] = call.request.headers["x-ms-copy-source"]
        for name in ("ETag", "Last-Modified", "x-ms-copy-id"):
            answer.headers[name] = copied.headers[name]

    def tell_sources(self, headers: CIMultiDict[str], body: bytes) -> bytes:
        """Name the client's own copy source where Azurite names a scratch blob; gives the body so changed."""
        if (told := self._sources.get(headers.get("x-ms-copy-source", ""))) is not None:
            headers["x-ms-copy-source"] = told
        if _SCRATCH_CONTAINER.encode() in body:
            for source, told in self._sources.items():
                body = body.replace(source.encode(), told.replace("&", "&amp;").encode())
        return body

    def _url(self, raw_path: str) -> str:
        return f"http://{self._host}{raw_path}"

    async def _do(
        self,
        method: str,
        raw_path: str,
        good: tuple[int, ...],
        *,
        query: str = "",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        answer = await self._upstream.as_owner(method, raw_path, query=query, headers=headers)
        if answer.status not in good:
            message = f"Azurite answered {answer.status} to {method} {raw_path} {query}: {answer.body.decode()}"
            raise RuntimeError(message)
        return answer
