"""What is read of page blobs and their snapshots, as the workflows see it, on top of the world."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from shared.azure.answers import diff_refused, is_timeout, refuses_diff
from shared.azure.sources.source import READ_URL_LIFETIME, Reader
from shared.changes.ranges import Change, Window
from shared.errors import ListingTimedOutError, SourceGoneError, not_found
from shared.limits import PAGE
from shared.model.addresses import BlobAddress
from shared.model.blob import BlobState
from shared.model.version import Version, blob_version
from tests.simulation import limits
from tests.simulation.blobs import FAILED, Blob
from tests.simulation.calls import Calls
from tests.simulation.lies import without_a_change
from tests.simulation.world import World


@contextlib.contextmanager
def reading(blob: BlobAddress, snapshot: str, previous: str | None) -> Iterator[None]:
    """Tell apart what reading is refused for, as `shared.azure.blobs.reading` does."""
    try:
        yield
    except ResourceNotFoundError as error:
        raise SourceGoneError(not_found(blob.url, snapshot)) from error
    except AzureError as error:
        if isinstance(error, HttpResponseError) and previous and refuses_diff(error):
            raise diff_refused(error) from error
        if is_timeout(error):
            raise ListingTimedOutError(str(error)) from error
        raise


class SimulatedReader(Reader):
    """What is read of page blobs and their snapshots."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._world, self._calls = world, calls

    async def find(self, blob: BlobAddress) -> BlobState | None:
        def effect() -> BlobState | None:
            self._world.require_allowed(blob)
            limits.require_blob_name(blob.blob)
            return state_of(self._world.blobs.get(blob))

        return await self._calls.read(effect)

    async def properties(self, version: Version) -> BlobState:
        asked = blob_version(version)
        try:
            taken = await self._calls.read(lambda: self._world.blob(asked.blob).at(asked.snapshot))
        except ResourceNotFoundError as error:
            raise SourceGoneError(not_found(asked.blob.url, asked.snapshot)) from error
        return BlobState(len(taken.pages) * PAGE, taken.etag)

    async def changes(self, version: Version, since: Version | None, window: Window) -> AsyncIterator[Change]:
        asked, previous = blob_version(version), blob_version(since).snapshot if since else None
        blob, snapshot = asked.blob, asked.snapshot

        def effect() -> list[Change]:
            if self._world.is_too_early(blob, snapshot):
                self._world.violations.append(f"{snapshot} of {blob.blob} is read before it can be")
            found = self._world.blob(blob)
            return found.diff(snapshot, previous, window) if previous else found.valid(snapshot, window)

        with reading(blob, snapshot, previous):
            listed = await self._calls.read(effect)
            if previous and self._world.lies:
                listed = self._lied(blob, (snapshot, previous), window, listed)
        for change in listed:
            if self._calls.gives_up():
                raise ListingTimedOutError("OperationTimedOut")
            yield change

    def _lied(
        self, blob: BlobAddress, snapshots: tuple[str, str], window: Window, listed: list[Change]
    ) -> list[Change]:
        now, before = (self._world.blob(blob).at(snapshot).pages for snapshot in snapshots)
        told = without_a_change(now, before, window, listed)
        if len(told) < len(listed):
            self._world.meddle(blob)
        return told

    async def signed_url(
        self,
        version: Version,
        lifetime: timedelta = READ_URL_LIFETIME,  # noqa: ARG002
        *,
        fresh_key: bool = False,  # noqa: ARG002
    ) -> str:
        asked = blob_version(version)
        return await self._calls.read(lambda: f"{asked.name}{'&' if asked.snapshot else '?'}sig=secret")

    async def read(self, signed_url: str, piece: Change) -> bytes:
        try:
            taken = await self._calls.read(lambda: self._world.source(signed_url))
        except ResourceNotFoundError as error:
            raise SourceGoneError("what is to be read no longer exists") from error
        found = taken.pages[piece.start // PAGE : piece.end // PAGE]
        if len(found) * PAGE != piece.length:
            raise HttpResponseError(f"{len(found) * PAGE} bytes for {piece.length}")
        return b"".join((page or 0).to_bytes(PAGE, "big") for page in found)


def state_of(blob: Blob | None) -> BlobState | None:
    """Tell how a blob stands; None where there is none."""
    if blob is None:
        return None
    copy = blob.copy
    return BlobState(
        size=len(blob.pages) * PAGE,
        etag=blob.etag,
        leased=bool(blob.lease),
        metadata=blob.metadata,
        copy_status=copy.status if copy else "",
        copy_description='500 InternalServerError "Copy failed."' if copy and copy.status == FAILED else "",
        bytes_done=copy.done * PAGE if copy else 0,
        bytes_total=len(copy.content) * PAGE if copy else 0,
    )
