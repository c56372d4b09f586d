"""One part of an inspection: compare every byte of it and record the result."""

from datetime import timedelta

from azure.core.exceptions import AzureError

from shared.azure.answers import explain, is_transient
from shared.azure.services import Services
from shared.azure.tables.records import RecordConflictError
from shared.changes.ranges import windows
from shared.errors import ListingTimedOutError, MismatchError, SourceGoneError, StepFailedError
from shared.events import Event, Stopwatch, log_event
from shared.inspection import begin
from shared.inspection.versions import versions_on_record
from shared.model.inspection import Inspection, parts_at_once
from shared.model.job import Stage
from shared.model.messages import PartMessage
from shared.pages.comparing import Comparison


async def compare_part(services: Services, message: PartMessage) -> None:
    """Compare a part. It can be repeated; a part of an inspection that has ended is dropped.

    Raises:
        StepFailedError: the part could not be compared; the queue delivers the message again.
    """
    try:
        await _compare(services, message)
    except (AzureError, ListingTimedOutError) as error:
        reason = explain(error)
        log_event(Event.COMPARE_PART_FAILED, **message.about, reason=reason)
        await note_failure(services, message, reason)
        if isinstance(error, AzureError) and not is_transient(error):
            raise StepFailedError(reason) from None
        await services.queues.send(message, timedelta(seconds=30 + message.part * 7 % 60))


async def _compare(services: Services, message: PartMessage) -> None:
    watch = Stopwatch()
    inspection = await _open(services, message)
    if inspection is None:
        log_event(Event.MESSAGE_DROPPED, **message.about, step="compare-part")
        return
    if await services.parts.is_compared(inspection, message.part):
        return
    differs = ""
    try:
        original, copy = await versions_on_record(services, inspection)
        comparison = await Comparison.begin(services, original, copy, at_once=parts_at_once(inspection))
        await comparison.whole(windows(inspection.size, begin.INSPECTED_PART)[message.part])
    except MismatchError as error:
        differs = str(error)
    except SourceGoneError as error:
        # The inspection's own message finds out which of the two no longer exists.
        log_event(Event.MESSAGE_DROPPED, **message.about, reason=str(error))
        return
    await services.parts.add(inspection, message, comparison.bytes_compared, differs)
    if await _open(services, message) is None:
        await services.parts.drop(inspection)  # it ended during the comparison
    log_event(
        Event.PART_COMPARED,
        **message.about,
        part=message.part,
        bytes_compared=comparison.bytes_compared,
        duration_seconds=watch.seconds,
        differs=differs,
    )
    if differs:
        log_event(Event.PART_DIFFERS, **message.about, part=message.part, reason=differs)


async def note_failure(services: Services, message: PartMessage, reason: str) -> None:
    """Record an error on the inspection's row."""
    try:
        now = services.now()
        await services.inspections.update(
            message.disk, message.row_key, lambda found: found.with_failed_step(reason, now)
        )
    except (AzureError, RecordConflictError) as error:
        log_event(Event.RECORD_FAILED, disk=message.disk, reason=explain(error))


async def _open(services: Services, message: PartMessage) -> Inspection | None:
    """Return the part's inspection if it is at the comparison; else None."""
    found = await services.inspections.find(message.disk, message.row_key)
    inspection = found[0] if found else None
    is_open = inspection and inspection.state is Stage.COMPARING and message.part < inspection.parts_total
    return inspection if is_open else None
