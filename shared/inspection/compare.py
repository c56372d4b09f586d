"""The third step of an inspection: every byte is compared, a part a message; here they are enqueued and counted."""

from collections.abc import Iterable
from dataclasses import replace

from shared.azure.services import Services
from shared.inspection.conclude import conclude_differs, conclude_equal
from shared.inspection.versions import scratch_of, versions_on_record
from shared.model.inspection import MAX_STALLS, Compared, Inspection, missing_parts, next_parts, with_comparison
from shared.model.job import JobKind, Next
from shared.model.messages import PartMessage
from shared.model.retry_policy import check_delay, is_stalled
from shared.pages.at_once import AtOnce

_ENQUEUED_AT_ONCE = 8


async def compare(services: Services, inspection: Inspection) -> Next[Inspection]:
    """Count what is compared, and conclude; or enqueue the next parts.

    Raises:
        SourceGoneError: one of the two that are compared is gone.
    """
    found = await services.parts.compared(inspection)
    if inspection.task is JobKind.DRILL and (other := await _other_scratch(services, inspection)):
        return inspection.retry(other, services.now())
    then = with_comparison(inspection, found, services.now())
    if found.differs:
        return await conclude_differs(services, then, found.differs)
    if then.parts_done == then.parts_total:
        return await conclude_equal(services, then)
    for version in await versions_on_record(services, inspection):
        await services.pages.properties(version)
    return await _go_on(services, then, found)


async def _go_on(services: Services, then: Inspection, found: Compared) -> Next[Inspection]:
    """Enqueue the next parts; where nothing moves, the messages of those that are missing must be taken for lost."""
    now = services.now()
    if is_stalled(then.progressed, now, services.settings.stalled_after, then.stalls):
        if then.stalls >= MAX_STALLS:
            why = f"some parts could not be compared: {then.last_error or 'their messages were lost'}"
            return Next(then.fail(why, now))
        await _enqueue(services, then, missing_parts(then, found))
        then = replace(then, progressed=now, stalls=then.stalls + 1)
    parts = next_parts(then)
    await _enqueue(services, then, parts)
    return Next(replace(then, parts_enqueued=parts.stop), check_delay(then.progressed, now))


async def _other_scratch(services: Services, inspection: Inspection) -> str:
    """Say what has become of the scratch blob, where it is not as the copy has left it."""
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
