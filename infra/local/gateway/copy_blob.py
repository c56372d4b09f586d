"""Copy Blob and Abort Copy Blob, as the service does them.

A copy is done when it is answered, unless a test holds it. Azurite checks leases, conditions and the source's SAS; what
it does not check is checked here: the length of the source's URL, the blob type, and that the lease is infinite.
"""

from urllib.parse import parse_qs, quote, urlsplit

from multidict import CIMultiDict

from .answers import MAX_SOURCE_URL, Answer, ServiceError, invalid_header
from .copy_properties import CopyPropertyOverrides
from .operations import Request
from .pending_copies import HeldCopies, PendingCopy, kept_headers
from .scratch_blobs import ScratchBlobs
from .upstream import Call, Upstream
from .write_log import WriteLog

_CONFLICT = 409


class Copies:
    """The copies that clients make, including those held pending."""

    def __init__(self, upstream: Upstream, url: str) -> None:
        self._upstream = upstream
        self._scratch = ScratchBlobs(upstream, url)
        self._overrides = CopyPropertyOverrides()
        self._holds: list[HeldCopies] = []
        self._pending: dict[str, PendingCopy] = {}

    def hold(self, path: str, *, times: int | None = None) -> HeldCopies:
        """Hold copies to page blobs pending.

        Args:
            path: pattern (`fnmatch`) of the destinations' decoded path "/account/container/blob".
            times: the number of copies to hold; None for all.
        """
        held = HeldCopies(path, times)
        self._holds.append(held)
        return held

    def clear(self) -> None:
        """Hold no more copies; pending ones stay pending."""
        for held in self._holds:
            held.remove()
        self._holds.clear()

    def refuse_pending(self, request: Request) -> None:
        """Refuse to change or snapshot a blob with a pending copy.

        Raises:
            ServiceError: PendingCopyOperation.
        """
        if "snapshot" not in request.query and self._pending_at(request.path):
            raise ServiceError(409, "PendingCopyOperation", "There is currently a pending copy operation.")

    async def check(self, call: Call) -> None:
        """Refuse a copy that the service refuses and Azurite does not.

        Raises:
            ServiceError: InvalidHeaderValue, InfiniteLeaseDurationRequired, InvalidBlobType.
        """
        source = call.request.headers["x-ms-copy-source"]
        if len(source) > MAX_SOURCE_URL:
            raise invalid_header("x-ms-copy-source", source)
        lease = call.request.headers.get("x-ms-lease-id")
        given = {"x-ms-lease-id": lease} if lease else {}
        target = (await self._upstream.as_owner("HEAD", call.raw_path, headers=given)).headers
        # There is no type if there is no blob, or if the lease id is wrong, which Azurite refuses.
        if (blob_type := target.get("x-ms-blob-type")) is None:
            return
        if lease and target.get("x-ms-lease-duration") == "fixed":
            message = "The lease ID matched, but the specified lease must be an infinite-duration lease."
            raise ServiceError(412, "InfiniteLeaseDurationRequired", message)
        if await self._source_type(call) not in (None, blob_type):
            raise ServiceError(409, "InvalidBlobType", "The blob type is invalid for this operation.")

    async def settle(self, call: Call, answer: Answer, log: WriteLog) -> None:
        """Detach a page blob just copied from its source, and hold the copy pending if a test ordered that.

        The caller holds the blob's lock exclusively. Updates the answer to the copy's new ETag and copy id.
        """
        head = await self._upstream.as_owner("HEAD", call.raw_path)
        if head.headers.get("x-ms-blob-type") != "PageBlob":
            return
        detached = await self._scratch.bring(await self._scratch.keep(call.raw_path), call.raw_path, kept_headers(call))
        for name in ("ETag", "Last-Modified", "x-ms-copy-id"):
            answer.headers[name] = detached.headers[name]
        source = call.request.headers["x-ms-copy-source"]
        self._overrides.set(answer.headers["x-ms-copy-id"], {"x-ms-copy-source": source})
        held = next((held for held in self._holds if held.wants(call.request.path)), None)
        if held is not None and call.request.operation == "Copy Blob":
            copy = PendingCopy(self._upstream, self._scratch, self._overrides, call, log)
            self._pending[call.request.path] = copy
            await held.begin(copy, answer, int(head.headers["Content-Length"]))

    async def conclude(self, call: Call) -> None:
        """Hide the properties of an ended copy, because its blob's properties were set.

        Its earlier snapshots no longer show them either; those of the service do.
        """
        copy_id = (await self._upstream.as_owner("HEAD", call.raw_path)).headers.get("x-ms-copy-id")
        if copy_id and self._pending_at(call.request.path) is None:
            self._overrides.hide(copy_id)

    async def abort(self, call: Call, log: WriteLog) -> Answer:
        """Answer an Abort Copy Blob.

        Raises:
            ServiceError: NoPendingCopyOperation, CopyIdMismatch.
        """
        async with log.lock.exclusive():
            answer = await self._upstream.forward(call)
            if answer.status != _CONFLICT:
                return answer
            # Azurite has authorized the client, but knows no pending copy.
            pending = self._pending_at(call.request.path)
            if pending is None:
                raise ServiceError(409, "NoPendingCopyOperation", "There is currently no pending copy operation.")
            if call.request.query.get("copyid") != pending.id:
                message = "The specified copy ID did not match the copy ID for the pending copy operation."
                raise ServiceError(409, "CopyIdMismatch", message)
            return await pending.abort(kept_headers(call))

    def forget_container(self, path: str) -> None:
        """Note that a container ("/account/container") was deleted, with its pending copies."""
        for blob, copy in self._pending.items():
            if blob.startswith(f"{path}/"):
                copy.ended = True

    def rewrite_response(self, operation: str, headers: CIMultiDict[str], body: bytes = b"") -> bytes:
        """Replace the properties of copies in a response's headers; return the body with them replaced."""
        self._overrides.apply_to_headers(headers)
        return self._overrides.apply_to_list(body) if operation == "List Blobs" else body

    def _pending_at(self, path: str) -> PendingCopy | None:
        copy = self._pending.get(path)
        return None if copy is None or copy.ended else copy

    async def _source_type(self, call: Call) -> str | None:
        parts = urlsplit(call.request.headers["x-ms-copy-source"])
        if parts.netloc not in self._upstream.hosts:
            return None
        snapshot = parse_qs(parts.query).get("snapshot")
        query = f"snapshot={quote(snapshot[0])}" if snapshot else ""
        return (await self._upstream.as_owner("HEAD", parts.path, query=query)).headers.get("x-ms-blob-type")
