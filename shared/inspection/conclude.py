"""The outcome of an inspection, recorded on the recovery point and on the disk."""

from dataclasses import replace

from shared.azure.services import Services
from shared.content.filesystems import DiskContent, doubts_text
from shared.content.reading import read_content
from shared.events import Event, log_event
from shared.inspection.request import open_inspection
from shared.inspection.versions import scratch_of
from shared.model.inspection import Inspection, built_upon
from shared.model.job import JobKind, Next, Stage
from shared.model.point import PointState
from shared.model.record import DiskRecord
from shared.model.texts import human_size
from shared.model.version import BlobVersion
from shared.points.versions import mark_damaged, update_damaged_points
from shared.runs.restart import force_resync

BUILT_ON = "it was built on recovery point"


async def conclude_identical(services: Services, inspection: Inspection) -> Next[Inspection]:
    """End an inspection that has compared every byte and found no difference."""
    result = identical(inspection.size, inspection.bytes_done)
    if inspection.task is JobKind.DRILL:
        return await _conclude_drill(services, inspection, result)
    now = services.now()
    point = await services.records.update_point(
        inspection.known_disk, inspection.recovery_point, lambda point: point.as_verified(inspection.requested, now)
    )
    if point and point.state is PointState.DAMAGED:
        return Next(inspection.fail(f"it was found damaged while it was being compared: {point.damage}", now))
    return Next(inspection.end(Stage.DONE, result, services.now()))


def identical(size: int, compared: int) -> str:
    """Say that two versions are identical.

    Args:
        size: bytes of each.
        compared: bytes that were read on both sides; the rest is empty on both.
    """
    if compared == size:
        return f"identical: all {human_size(size)}"
    return f"identical: all {human_size(size)} ({human_size(compared)} compared, the rest empty on both sides)"


async def _conclude_drill(services: Services, inspection: Inspection, comparison: str) -> Next[Inspection]:
    """End a drill whose copy is identical; its result begins with any doubts that the disk is usable."""
    found = await read_content(services, BlobVersion(scratch_of(services, inspection)), inspection.size)
    record = await services.records.get(inspection.known_disk)
    before = record[0].last_drill_seen if record else ""
    result = drill_result(comparison, found, before)
    if found.doubts:
        log_event(Event.DRILL_DOUBTFUL, **inspection.about, reason=result)
    ended = inspection.end(Stage.DONE, result, services.now())
    return Next(replace(ended, seen=found.described))


def drill_result(comparison: str, found: DiskContent, before: str) -> str:
    """Describe the result of a drill whose copy is identical to the recovery point.

    Args:
        comparison: what was compared.
        found: what was found on the disk.
        before: what the previous drill found on it; empty for the first.
    """
    previously = f"; found by the previous drill: {before}" if before and before != found.described else ""
    result = f"{comparison}; {found.described}{previously}"
    return f"{doubts_text(', '.join(found.doubts))}; {result}" if found.doubts else result


async def conclude_differs(services: Services, inspection: Inspection, differs: str) -> Next[Inspection]:
    """End an inspection that has found a difference; after a verify, mark the recovery point as damaged."""
    if inspection.task is JobKind.VERIFY:
        await mark_damaged(services, inspection.known_disk, inspection.recovery_point, differs)
        reason = f"recovery point {inspection.recovery_point} is damaged: {differs}"
        await force_resync(services, inspection.known_disk, inspection.recovery_point, reason)
        await _mark_dependents(services, inspection, reason)
    return Next(inspection.fail(differs, services.now()))


async def conclude_damaged(
    services: Services, inspection: Inspection, why: str, *, lost: bool = False
) -> Next[Inspection]:
    """End an inspection of a recovery point that was deleted or resized; the disk's backup blob is not affected."""
    await mark_damaged(services, inspection.known_disk, inspection.recovery_point, why, lost=lost)
    reason = why if lost else f"{why}. What to do: use another recovery point"
    return Next(inspection.fail(reason, services.now()))


async def _mark_dependents(services: Services, inspection: Inspection, reason: str) -> None:
    """Mark the recovery points built on a damaged one as damaged; verify the newest of them, which may be good."""
    disk, marked = inspection.known_disk, set[str]()
    damage = f"{BUILT_ON} {inspection.recovery_point}, which is damaged"
    while later := [
        point.time
        for point in built_upon(await services.records.points(disk), inspection.recovery_point)
        if point.time not in marked
    ]:
        for time in later:
            await mark_damaged(services, disk, time, damage)
            await force_resync(services, disk, time, reason)
        marked |= set(later)
    if marked:
        await open_inspection(services, JobKind.VERIFY, disk, max(marked), f"after-{inspection.inspection}")


async def record_outcome(services: Services, inspection: Inspection) -> None:
    """Record the outcome of an inspection on its disk and recovery point; one that was refused has none."""
    await update_damaged_points(services, inspection.known_disk)
    if inspection.state is Stage.REFUSED:
        return
    if inspection.task is JobKind.DRILL:
        await _record_drill(services, inspection)

    def change(record: DiskRecord) -> DiskRecord:
        updated = _verified(record, inspection) if inspection.task is JobKind.VERIFY else _drilled(record, inspection)
        if inspection.state is not Stage.FAILED:
            return updated
        why = f"{inspection.task} of recovery point {inspection.recovery_point}: {inspection.reason}"
        return replace(updated, last_error=why, last_error_at=inspection.ended)

    await services.records.update(inspection.known_disk, change)


async def _record_drill(services: Services, inspection: Inspection) -> None:
    result = f"{inspection.state}: {inspection.reason}"
    await services.records.update_point(
        inspection.known_disk,
        inspection.recovery_point,
        lambda point: point.as_drilled(inspection.ended, inspection.duration_seconds, result),
    )


def _verified(record: DiskRecord, inspection: Inspection) -> DiskRecord:
    return replace(
        record,
        last_verify=inspection.ended,
        last_verify_point=inspection.recovery_point,
        last_verify_result=f"{inspection.state}: {inspection.reason}",
    )


def _drilled(record: DiskRecord, inspection: Inspection) -> DiskRecord:
    return replace(
        record,
        last_drill=inspection.ended,
        last_drill_point=inspection.recovery_point,
        last_drill_seconds=inspection.duration_seconds,
        last_drill_result=f"{inspection.state}: {inspection.reason}",
        last_drill_seen=inspection.seen or record.last_drill_seen,
    )
