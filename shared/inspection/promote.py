"""The second step of a drill: the recovery point is promoted to a scratch blob in the backup account."""

import contextlib
from dataclasses import replace

from shared.azure.blobs.targets import CopyTarget
from shared.azure.services import Services
from shared.errors import NotAsLeftError
from shared.inspection.versions import scratch_of, versions_on_record
from shared.model.addresses import BlobAddress
from shared.model.inspection import Inspection
from shared.model.job import Next, Stage
from shared.model.names import COPY_METADATA, COPY_PENDING, COPY_SUCCESS, DISK_METADATA, DRILL_METADATA
from shared.points.versions import start_copy


async def promote(services: Services, inspection: Inspection) -> Next[Inspection]:
    """Have the service copy the recovery point to the scratch blob, and look until it has.

    Raises:
        SourceGoneError: the recovery point is gone.
    """
    scratch = scratch_of(services, inspection)
    found = await services.copies.look(scratch)
    if found is None or not found.is_marked(inspection.mark):
        return await _start(services, inspection, scratch, found)
    now = services.now()
    if found.has_succeeded(inspection.mark, inspection.size):
        etag = await _without_source(services, scratch, found)
        return Next(replace(inspection.begun(Stage.COMPARING, now), scratch_etag=etag))
    if found.copy_status == COPY_PENDING:
        moved = inspection.moved(found.bytes_done, found.bytes_total, now)
        return Next(moved, inspection.next_look(now))
    said = found.copy_said or f"{found.copy_status}, {found.size} bytes"
    return inspection.try_again(f"the copy to {scratch.url} did not succeed: {said}", now)


async def _without_source(services: Services, scratch: BlobAddress, found: CopyTarget) -> str:
    """Have the scratch blob say no more by which signature it was copied, if there was one; give its ETag then."""
    return await services.copies.forget_source(scratch, found.etag) if found.copy_status == COPY_SUCCESS else found.etag


async def _start(
    services: Services, inspection: Inspection, scratch: BlobAddress, found: CopyTarget | None
) -> Next[Inspection]:
    """Start the copy, unless another invocation of this very step is faster."""
    point = (await versions_on_record(services, inspection)).original
    await services.pages.properties(point.blob, point.snapshot)
    about = {
        DISK_METADATA: inspection.disk,
        DRILL_METADATA: inspection.inspection,
        COPY_METADATA: inspection.mark,
    }
    with contextlib.suppress(NotAsLeftError):
        etag = await services.copies.empty(scratch, found) if found else None  # of an earlier attempt
        await start_copy(services, point, scratch, about, etag=etag)
    now = services.now()
    return Next(replace(inspection, checked=now), inspection.next_look(now))
