"""The second step of a drill: promote the recovery point to a scratch blob in the backup account."""

import contextlib
from dataclasses import replace

from shared.azure.services import Services
from shared.errors import BlobChangedError
from shared.inspection.versions import scratch_of, versions_on_record
from shared.model.blob import BlobState, CopyStage
from shared.model.inspection import Inspection
from shared.model.job import Next, Stage
from shared.model.names import DISK_METADATA, DRILL_METADATA
from shared.model.retry_policy import MIN_CHECK_DELAY
from shared.pages.copying import BlobCopy, check_copy, settle_copy, start_copy


async def promote_to_scratch(services: Services, inspection: Inspection) -> Next[Inspection]:
    """Copy the recovery point to the scratch blob on the service side, and check until the copy has ended.

    Raises:
        SourceGoneError: the recovery point no longer exists.
    """
    copy = BlobCopy(scratch_of(services, inspection), inspection.mark, inspection.size)
    progress = await check_copy(services, copy)
    if progress.stage is CopyStage.NOT_STARTED:
        return await _start(services, inspection, copy, progress.found)
    now = services.now()
    if copied := progress.succeeded:
        try:
            etag = await settle_copy(services, copy, copied)
        except BlobChangedError:  # the request may have been sent twice; any other change fails the comparison
            return Next(replace(inspection, checked=now), MIN_CHECK_DELAY)
        return Next(replace(inspection.at_stage(Stage.COMPARING, now), scratch_etag=etag))
    if progress.stage is CopyStage.UNDER_WAY:
        updated = inspection.with_progress(progress.bytes_done, progress.bytes_total, now)
        return Next(updated, inspection.next_check(now))
    return inspection.retry(f"the copy to {copy.target.url} failed: {progress.failure}", now)


async def _start(
    services: Services, inspection: Inspection, copy: BlobCopy, found: BlobState | None
) -> Next[Inspection]:
    """Start the copy, unless another invocation of this step was faster."""
    point = (await versions_on_record(services, inspection)).original
    await services.pages.properties(point)
    about = {DISK_METADATA: inspection.known_disk.name, DRILL_METADATA: inspection.inspection}
    with contextlib.suppress(BlobChangedError):
        etag = await services.blobs.empty(copy.target, found) if found else None  # of an earlier attempt
        await start_copy(services, copy, point, about, etag=etag)
    now = services.now()
    return Next(replace(inspection, checked=now), inspection.next_check(now))
