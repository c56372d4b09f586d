"""The third step of an inspection: compare every byte, one message per part. Parts are enqueued and counted here."""

from collections.abc import Iterable
from dataclasses import replace

from shared.azure.services import Services
from shared.inspection.conclude import conclude_differs, conclude_identical
from shared.inspection.versions import scratch_of, versions_on_record
from shared.model.inspection import MAX_STALLS, Compared, Inspection, missing_parts, next_parts, with_comparison
from shared.model.job import JobKind, Next
from shared.model.messages import PartMessage
from shared.model.retry_policy import check_delay, is_stalled
from shared.pages.at_once import AtOnce

_ENQUEUED_AT_ONCE = 8


async def compare(services: Services, inspection: Inspection) -> Next[Inspection]:
    """Count the compared parts; conclude, or enqueue the next parts.

    Raises:
        SourceGoneError: one of the two versions no longer exists.
    """
    compared = await services.parts.compared(inspection)
    if inspection.task is JobKind.DRILL and (problem := await _scratch_problem(services, inspection)):
        return inspection.retry(problem, services.now())
    updated = with_comparison(inspection, compared, services.now())
    if compared.differs:
        return await conclude_differs(services, updated, compared.differs)
    if updated.parts_done == updated.parts_total:
        return await conclude_identical(services, updated)
    for version in await versions_on_record(services, inspection):
        await services.pages.properties(version)
    return await _enqueue_parts(services, updated, compared)


async def _enqueue_parts(services: Services, inspection: Inspection, compared: Compared) -> Next[Inspection]:
    """Enqueue the next parts; without progress for too long, the missing ones again: their messages are lost."""
    now = services.now()
    if is_stalled(inspection.progressed, now, services.settings.stalled_after, inspection.stalls):
        if inspection.stalls >= MAX_STALLS:
            why = f"some parts could not be compared: {inspection.last_error or 'their messages were lost'}"
            return Next(inspection.fail(why, now))
        await _enqueue(services, inspection, missing_parts(inspection, compared))
        inspection = replace(inspection, progressed=now, stalls=inspection.stalls + 1)
    parts = next_parts(inspection)
    await _enqueue(services, inspection, parts)
    return Next(replace(inspection, parts_enqueued=parts.stop), check_delay(inspection.progressed, now))


async def _scratch_problem(services: Services, inspection: Inspection) -> str:
    """Say that the scratch blob has changed since it was copied; empty if it has not."""
    scratch = scratch_of(services, inspection)
    found = await services.pages.find(scratch)
    return "" if found and found.etag == inspection.scratch_etag else f"{scratch.url} was changed outside Tidemark"


async def _enqueue(services: Services, inspection: Inspection, parts: Iterable[int]) -> None:
    async with AtOnce(_ENQUEUED_AT_ONCE) as sending:
        for part in parts:
            message = PartMessage(
                disk=inspection.known_disk, task=inspection.task, inspection=inspection.inspection, part=part
            )
            await sending.start(services.queues.send(message))
