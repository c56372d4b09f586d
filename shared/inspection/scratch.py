"""Deleting the scratch blobs of drills that have ended."""

from pydantic import ValidationError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.errors import BlobChangedError
from shared.events import Event, log_event
from shared.inspection.versions import scratch_of
from shared.model.addresses import AddressError, BlobAddress
from shared.model.blob import COPY_PENDING, BlobState
from shared.model.disk import Disk
from shared.model.inspection import Inspection
from shared.model.job import JobKind, job_row
from shared.model.names import DISK_METADATA, DRILL_METADATA
from shared.model.schema import UnknownSchemaError
from shared.points.dropping import drop


async def drop_scratch(services: Services, inspection: Inspection) -> bool:
    """Delete the scratch blob; return False if that has to wait until a copy to it has ended."""
    scratch = scratch_of(services, inspection)
    found = await services.pages.find(scratch)
    if found is None or not found.is_marked(inspection.mark):
        return True
    return await _delete(services, scratch, found)


async def drop_orphans(services: Services) -> None:
    """Delete the scratch blobs of ended drills: a copy that starts late can create one again."""
    for stored in await services.backups.scratch():
        about = stored.metadata
        try:
            scratch, disk = stored.blob, Disk.parse(about[DISK_METADATA])
            drill = about[DRILL_METADATA]
        except (KeyError, AddressError):
            continue  # not Tidemark's
        try:
            row = await services.inspections.find(disk, job_row(JobKind.DRILL, drill))
        except (UnknownSchemaError, ValidationError):
            continue  # a newer release's, or edited: it may not have ended
        if (row is None or row[0].has_ended) and (found := await services.pages.find(scratch)):
            await _delete(services, scratch, found)


async def _delete(services: Services, scratch: BlobAddress, found: BlobState) -> bool:
    if found.copy_status == COPY_PENDING:
        return False
    try:
        await drop(services, scratch, found)
    except BlobChangedError as error:
        log_event(Event.SCRATCH_LEFT_OVER, blob=scratch.url, reason=explain(error))
    return True
