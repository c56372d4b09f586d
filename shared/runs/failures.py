"""Recording a failed step on its disk's record before the queue retries it."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from azure.core.exceptions import AzureError
from pydantic import ValidationError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.azure.tables.records import RecordConflictError
from shared.errors import StepFailedError, TidemarkError
from shared.events import Event, log_event
from shared.model.disk import Disk
from shared.model.failed_runs import with_error
from shared.model.messages import RunMessage
from shared.model.record import DiskRecord


@contextlib.asynccontextmanager
async def recording_failures(services: Services, message: RunMessage, failed: Event) -> AsyncIterator[None]:
    """Record any error of a step on its disk's record, and raise it so that the queue redelivers the message.

    Raises:
        StepFailedError: in place of an SDK error: the host logs everything an exception contains, and a response may
            repeat a signed URL.
    """
    try:
        yield
    except AzureError as error:
        await record_failure(services, message.disk, failed, error, run=message.run)
        raise StepFailedError(explain(error)) from None
    except Exception as error:
        await record_failure(services, message.disk, failed, error, run=message.run)
        raise


async def record_failure(services: Services, disk: Disk, event: Event, error: BaseException, run: str = "") -> None:
    """Log a failure and record it on the disk's record, which is created if missing."""
    reason = explain(error)
    log_event(event, disk=disk.name, run=run, reason=reason)

    def failed(record: DiskRecord) -> DiskRecord:
        now = services.now()
        return replace(with_error(record, run, now), last_error=reason, last_error_at=now)

    try:
        await update_or_create(services, disk, failed)
    except (AzureError, TidemarkError, ValidationError) as unwritten:
        # The failure is logged; a broken record must not affect other disks.
        log_event(Event.RECORD_FAILED, disk=disk.name, run=run, reason=explain(unwritten))


async def update_or_create(
    services: Services, disk: Disk, change: Callable[[DiskRecord], DiskRecord]
) -> DiskRecord | None:
    """Change a disk's record, or create it; return it, None if it was deleted just then.

    `change` may be called more than once, on its own result, too.

    Raises:
        AzureError: the table can't be reached.
        RecordConflictError: other invocations keep changing it.
    """
    record = await services.records.update(disk, change)
    if record is None:
        with contextlib.suppress(RecordConflictError):
            await services.records.put(disk, change(new_record(services, disk)), None)
        record = await services.records.update(disk, change)
    return record


def new_record(services: Services, disk: Disk) -> DiskRecord:
    """Return a new record for a disk that has none."""
    return DiskRecord(disk=disk, backup_blob=services.backups.address(disk))
