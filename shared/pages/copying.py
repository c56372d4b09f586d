"""Copying a whole blob within the service: start the copy, check it until it has ended, then settle it.

Copy Blob is asynchronous, best effort, and may take days: nothing waits for it. Promoted recovery points, restored
disks, scratch blobs of drills and full copies are all made by these steps. Each step can be repeated.
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
from shared.model.blob import COPY_SUCCESS, BlobState, CopyProgress, CopyStage, copy_progress
from shared.model.names import COPY_METADATA
from shared.model.version import Version
from shared.pages.paced import Paced

COPY_REFUSED_FOR = timedelta(minutes=1)
"""How long a transient refusal of a Copy Blob's source may last before it counts as permanent."""


@dataclass(frozen=True, slots=True)
class BlobCopy:
    """A copy to be made by the service.

    Attributes:
        target: the blob to copy to.
        mark: identifies the job and attempt, to tell this copy from others to the same blob.
        size: bytes of the source.
        lease_id: the infinite lease on the target; None if it has none.
    """

    target: BlobAddress
    mark: str
    size: int
    lease_id: str | None = None


async def check_copy(services: Services, copy: BlobCopy) -> CopyProgress:
    """Return the progress of a copy.

    Raises:
        TargetLeasedError: the target is a premium disk that is attached to a VM.
    """
    return copy_progress(await services.pages.find(copy.target), copy.mark, copy.size)


async def abort_copy(services: Services, copy: BlobCopy) -> None:
    """Abort a copy that is under way; that leaves its target empty.

    Raises:
        TargetLeasedError: the target is a premium disk that is attached to a VM.
        LeaseLostError: the target is under another lease.
    """
    if (await check_copy(services, copy)).stage is CopyStage.UNDER_WAY:
        await services.copies.abort(copy.target, copy.lease_id)


async def settle_copy(services: Services, copy: BlobCopy, found: BlobState) -> str:
    """Erase the source URL from the properties of a finished copy, and return its ETag. It can be repeated.

    Args:
        services: the services.
        copy: the copy.
        found: its target, as it was last read.

    Raises:
        LeaseLostError: the target is no longer under the lease.
        BlobChangedError: the target was changed since it was read.
    """
    if copy.lease_id:
        await services.leases.require(copy.target, copy.lease_id)
    if found.copy_status != COPY_SUCCESS:
        return found.etag  # already erased
    return await services.copies.forget_source(copy.target, found.etag, copy.lease_id)


async def start_copy(
    services: Services, copy: BlobCopy, source: Version, metadata: Mapping[str, str], *, etag: str | None
) -> None:
    """Start copying a version to the target (REST: Copy Blob), if the target still has this ETag.

    Within an account the service needs no SAS; if it refuses the source without one, it is retried with one, and if
    it refuses that, with one of a new key.

    Args:
        services: the services.
        copy: the copy.
        source: the version to copy.
        metadata: the target's metadata, beside the copy's mark.
        etag: the target's ETag; None if it must not exist.

    Raises:
        CopyRefusedError: the service can't read the source.
        AzureError: among others, the source was busy, or refused with a transient error for a minute.
        LeaseLostError: the target is no longer under the copy's lease.
    """
    marked = {**metadata, COPY_METADATA: copy.mark}
    start = partial(services.copies.start, copy.target, metadata=marked, etag=etag, lease_id=copy.lease_id)
    if source.service_url == copy.target.service_url:
        try:
            await _start(services, copy.target, partial(start, source.name), refused_for=timedelta())
        except (CopyRefusedError, HttpResponseError) as error:
            if isinstance(error, HttpResponseError) and not _may_need_sas(error):
                raise
        else:
            return
    signed = await services.pages.signed_url(source, COPY_URL_LIFETIME)
    try:
        await _start(services, copy.target, partial(start, signed), refused_for=COPY_REFUSED_FOR)
    except CopyRefusedError:  # what the URL was signed by may have been ended before its time
        signed = await services.pages.signed_url(source, COPY_URL_LIFETIME, fresh_key=True)
        await _start(services, copy.target, partial(start, signed), refused_for=COPY_REFUSED_FOR)


async def _start(
    services: Services, target: BlobAddress, start: Callable[[], Awaitable[None]], *, refused_for: timedelta
) -> None:
    """Start a copy, retrying while the service is busy; create the backup container if it is missing."""
    if target.parent == services.settings.container:
        start = partial(services.backups.ensured, start)
    await Paced(services, 1, refused_for=refused_for).call(start)


def _may_need_sas(error: HttpResponseError) -> bool:
    """Return whether a copy within an account may have been refused for lack of a SAS."""
    is_refused = error.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
    return refuses_source(error) or (is_refused and not is_transient(error))
