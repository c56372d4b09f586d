"""A run in full-copy mode: Copy Blob takes the place of its batches.

`plan_changes` starts the copy, `finish_backup` looks at it until it has succeeded; nothing waits for it.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from azure.core.exceptions import AzureError

from shared.azure.answers import is_passing
from shared.azure.blobs.reading import Version
from shared.azure.blobs.targets import CopyTarget
from shared.azure.services import Services
from shared.errors import DiskError
from shared.events import Event, log_event
from shared.model.catalogue import point_metadata
from shared.model.disk import DiskRecord, run_of
from shared.model.messages import FinishMessage, PlanMessage, RunMessage
from shared.model.names import COPY_METADATA, COPY_PENDING
from shared.model.run import COPY_BLOB, Kind, OpenRun
from shared.model.run_steps import copied
from shared.points import versions as points
from shared.points.dropping import drop
from shared.runs.failures import record_failure


async def start_copy(services: Services, message: PlanMessage, run: OpenRun) -> None:
    """Have the service copy the run's source snapshot to a blob of its own, unless it does so already.

    Where it is busy, or refuses what it may allow later, whoever looks at the copy has it started again.

    Raises:
        SourceGoneError: the source snapshot is gone.
    """
    disk = message.address
    copy = services.backups.full_copy_address(disk, message.run)
    found = await services.copies.look(copy)
    if found is None or not _is_under_way(message, found, run.size):
        await services.pages.properties(disk, message.run)
        metadata = {**point_metadata(message, Kind.FULL), COPY_METADATA: message.run_id}
        etag = found.etag if found else None
        try:
            await points.start_copy(services, Version(disk, message.run), copy, metadata, etag=etag)
        except AzureError as error:
            if not is_passing(error):
                raise
            await record_failure(services, disk, Event.FULL_COPY_FAILED, error, message.run)
        else:
            log_event(Event.FULL_COPY_STARTED, **message.about, copy=copy.url)

    def opened(record: DiskRecord) -> DiskRecord:
        if record.run_of(message.run) is None:
            return record
        return record.with_run(replace(run_of(record).opened_now(), kind=Kind.FULL, copying=COPY_BLOB))

    await services.records.update(disk, opened)


@dataclass(frozen=True, slots=True)
class CopyLook:
    """What came of looking at the copy of a run.

    Attributes:
        finished: the copy, where it has succeeded.
        is_under_way: whether there is one, and it goes well or waits.
        is_lost: whether it has failed or is gone, and must be started again.
        bytes_done: how far it is.
    """

    finished: CopyTarget | None = None
    is_under_way: bool = False
    is_lost: bool = False
    bytes_done: int = 0

    def on_record(self, record: DiskRecord, now: datetime) -> DiskRecord:
        """Put its progress on record; what is not under way keeps its trouble."""
        if not self.is_under_way:
            return record.with_run(replace(run_of(record), checked=now))
        return copied(record, self.bytes_done, now)


async def look_at_copy(services: Services, message: FinishMessage, run: OpenRun) -> CopyLook:
    """Look at the copy of a run; one that has failed or is gone is put on the disk's record."""
    disk = message.address
    found = await services.copies.look(services.backups.full_copy_address(disk, message.run))
    if found and _is_under_way(message, found, run.size):
        finished = found if found.has_succeeded(message.run_id, run.size) else None
        return CopyLook(finished, is_under_way=True, bytes_done=found.bytes_done)
    if run.opened and (found or not run.error_at):
        said = f"{found.copy_status or 'overwritten'} {found.copy_said}" if found else "gone"
        failure = DiskError(f"the full copy of {disk.url} did not succeed, and is started again: {said.strip()}")
        await record_failure(services, disk, Event.FULL_COPY_FAILED, failure, message.run)
    return CopyLook(is_lost=run.opened)


async def is_copying(services: Services, message: RunMessage, run: OpenRun) -> bool:
    """Tell whether the copy of a run is under way: the service may let it wait for hours."""
    found = await services.copies.look(services.backups.full_copy_address(message.address, message.run))
    return found is not None and _is_under_way(message, found, run.size)


async def drop_copy(services: Services, message: RunMessage, run: OpenRun) -> None:
    """Delete what a copy that did not succeed has left of a run that is given up."""
    copy = services.backups.full_copy_address(message.address, message.run)
    found = await services.copies.look(copy)
    if found and found.is_marked(message.run_id) and not _is_under_way(message, found, run.size):
        await drop(services, copy, found)
        log_event(Event.FULL_COPY_DROPPED, **message.about, copy=copy.url)


def _is_under_way(message: RunMessage, found: CopyTarget, size: int) -> bool:
    """Tell whether a copy is the run's own, and goes well or is done."""
    is_pending = found.copy_status == COPY_PENDING and found.is_marked(message.run_id)
    return is_pending or found.has_succeeded(message.run_id, size)
