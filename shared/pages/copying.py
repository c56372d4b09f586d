"""A whole blob copied by the service: started, looked at until it has come to its end, and settled then.

Copy Blob is asynchronous, best effort, and may take days: nothing waits for it. Promoted recovery points, restored
disks, the scratch blobs of drills and full copies are all made by these steps, each repeated as often as need be.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http import HTTPStatus

from azure.core.exceptions import HttpResponseError

from shared.azure.answers import is_transient, refuses_source
from shared.azure.services import Services
from shared.azure.sources.source import COPY_URL_LIFETIME
from shared.errors import CopyRefusedError
from shared.model.addresses import BlobAddress
from shared.model.blob import COPY_SUCCESS, BlobState, CopyProgress, copy_progress
from shared.model.names import COPY_METADATA
from shared.model.version import Version
from shared.pages.paced import Paced

COPY_REFUSED_FOR = timedelta(minutes=1)
"""How long Copy Blob is refused for its source before that is taken to last, where the answer says that it may pass."""


@dataclass(frozen=True, slots=True)
class BlobCopy:
    """A copy that the service is to make.

    Attributes:
        target: the blob that is copied to.
        mark: tells it from other copies to the same blob: which attempt at what it is.
        size: bytes of what is copied.
        lease_id: the infinite lease that the target is under; None where it is under none.
    """

    target: BlobAddress
    mark: str
    size: int
    lease_id: str | None = None


async def look_at_copy(services: Services, copy: BlobCopy) -> CopyProgress:
    """Look how far a copy is.

    Raises:
        TargetLeasedError: the target is a premium disk that is attached to a VM.
    """
    return copy_progress(await services.pages.find(copy.target), copy.mark, copy.size)


async def settle_copy(services: Services, copy: BlobCopy, found: BlobState) -> str:
    """Have a copy that has succeeded say no more where it is from; give its ETag then. Repeating it is harmless.

    Args:
        services: the services.
        copy: the copy.
        found: its target, as it was looked at.

    Raises:
        LeaseLostError: it has not been under the lease all the time.
        BlobChangedError: somebody has written to it just now.
    """
    if copy.lease_id:
        await services.leases.require(copy.target, copy.lease_id)
    if found.copy_status != COPY_SUCCESS:
        return found.etag  # it says nothing any more
    return await services.copies.forget_source(copy.target, found.etag, copy.lease_id)


async def start_copy(
    services: Services, copy: BlobCopy, source: Version, metadata: Mapping[str, str], *, etag: str | None
) -> None:
    """Have the service copy a version to the target (REST: Copy Blob), as long as that has this ETag; None for no blob.

    Within an account the service needs no signature; where it refuses the source all the same, it is given one.

    Args:
        services: the services.
        copy: the copy.
        source: what is copied.
        metadata: what the target's metadata is to be, beside the copy's mark.
        etag: the target's ETag.

    Raises:
        CopyRefusedError: the service does not read the source.
        AzureError: among others, the source is busy, or it was refused for a minute though that may pass.
        LeaseLostError: the target is not under the copy's lease.
    """
    marked = {**metadata, COPY_METADATA: copy.mark}
    start = partial(services.copies.start, copy.target, metadata=marked, etag=etag, lease_id=copy.lease_id)
    if source.service_url == copy.target.service_url:
        try:
            await _start(services, copy.target, partial(start, source.name), refused_for=timedelta())
        except (CopyRefusedError, HttpResponseError) as error:
            if isinstance(error, HttpResponseError) and not _may_want_signature(error):
                raise
        else:
            return
    signed = await services.pages.signed_url(source, COPY_URL_LIFETIME)
    await _start(services, copy.target, partial(start, signed), refused_for=COPY_REFUSED_FOR)


async def _start(
    services: Services, target: BlobAddress, start: Callable[[], Awaitable[None]], *, refused_for: timedelta
) -> None:
    """Start a copy at the pace that the service takes it; the backup container is created if it is missing."""
    if target.parent == services.settings.container:
        start = partial(services.backups.ensured, start)
    await Paced(services, 1, refused_for=refused_for).call(start)


def _may_want_signature(error: HttpResponseError) -> bool:
    """Return whether a copy within an account may have been refused for want of a signature."""
    is_refused = error.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
    return refuses_source(error) or (is_refused and not is_transient(error))
