"""The end of an inspection: what came of it is put on record, of the recovery point and of the disk."""

from dataclasses import replace

from shared.azure.services import Services
from shared.content.filesystems import Look, doubts_text
from shared.content.looking import look_at
from shared.events import Event, log_event
from shared.inspection.request import open_inspection
from shared.inspection.versions import scratch_of
from shared.model.inspection import Inspection, built_upon
from shared.model.job import JobKind, Next, Stage
from shared.model.record import DiskRecord
from shared.model.texts import human_size
from shared.model.version import BlobVersion
from shared.points.versions import mark_damaged, note_damaged
from shared.runs.begin_anew import distrust

BUILT_ON = "it was built on recovery point"


async def conclude_equal(services: Services, inspection: Inspection) -> Next[Inspection]:
    """End an inspection of which every byte is compared and equal."""
    result = identical(inspection.size, inspection.bytes_done)
    if inspection.task is JobKind.DRILL:
        return await _conclude_drill(services, inspection, result)
    now = services.now()
    await services.records.update_point(
        inspection.known_disk, inspection.recovery_point, lambda point: point.as_verified(now)
    )
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


async def _conclude_drill(services: Services, inspection: Inspection, equal: str) -> Next[Inspection]:
    """End a drill whose copy is equal. That it can be used is another matter: what speaks against it comes first."""
    found = await look_at(services, BlobVersion(scratch_of(services, inspection)), inspection.size)
    record = await services.records.get(inspection.known_disk)
    before = record[0].last_drill_seen if record else ""
    result = drilled(equal, found, before)
    if found.doubts:
        log_event(Event.DRILL_DOUBTFUL, **inspection.about, reason=result)
    over = inspection.end(Stage.DONE, result, services.now())
    return Next(replace(over, seen=found.described))


def drilled(equal: str, found: Look, before: str) -> str:
    """Say what came of a drill whose copy is equal to the recovery point.

    Args:
        equal: what was compared.
        found: what is seen on the disk.
        before: what was seen on it at the drill before; empty for the first.
    """
    previously = f"; found by the previous drill: {before}" if before and before != found.described else ""
    result = f"{equal}; {found.described}{previously}"
    return f"{doubts_text(', '.join(found.doubts))}; {result}" if found.doubts else result


async def conclude_differs(services: Services, inspection: Inspection, differs: str) -> Next[Inspection]:
    """End an inspection that has found a difference: a verify tells of the recovery point, a drill of the restore."""
    if inspection.task is JobKind.VERIFY:
        await mark_damaged(services, inspection.known_disk, inspection.recovery_point, differs)
        reason = f"recovery point {inspection.recovery_point} is damaged: {differs}"
        await distrust(services, inspection.known_disk, inspection.recovery_point, reason)
        await _doubt_later_ones(services, inspection, reason)
    return Next(inspection.fail(differs, services.now()))


async def conclude_lost(
    services: Services, inspection: Inspection, why: str, *, lost: bool = False
) -> Next[Inspection]:
    """End an inspection that has found the recovery point to be gone; what follows its disk is as good as it was."""
    await mark_damaged(services, inspection.known_disk, inspection.recovery_point, why, lost=lost)
    reason = why if lost else f"{why}. What to do: use another recovery point"
    return Next(inspection.fail(reason, services.now()))


async def _doubt_later_ones(services: Services, inspection: Inspection, reason: str) -> None:
    """Take for damaged what was built on a damaged recovery point meanwhile; the last is verified, and may be right."""
    disk, doubted = inspection.known_disk, set[str]()
    damage = f"{BUILT_ON} {inspection.recovery_point}, which is damaged"
    while later := [
        point.time
        for point in built_upon(await services.records.points(disk), inspection.recovery_point)
        if point.time not in doubted
    ]:
        for time in later:
            await mark_damaged(services, disk, time, damage)
            await distrust(services, disk, time, reason)
        doubted |= set(later)
    if doubted:
        await open_inspection(services, JobKind.VERIFY, disk, max(doubted), f"after-{inspection.inspection}")


async def note_outcome(services: Services, inspection: Inspection) -> None:
    """Put on record what came of an inspection, the disk's and its point's; a refused one has looked at nothing."""
    await note_damaged(services, inspection.known_disk)
    if inspection.state is Stage.REFUSED:
        return
    if inspection.task is JobKind.DRILL:
        await _note_drill(services, inspection)

    def change(record: DiskRecord) -> DiskRecord:
        told = _verified(record, inspection) if inspection.task is JobKind.VERIFY else _drilled(record, inspection)
        if inspection.state is not Stage.FAILED:
            return told
        why = f"{inspection.task} of recovery point {inspection.recovery_point}: {inspection.reason}"
        return replace(told, last_error=why, last_error_at=inspection.ended)

    await services.records.update(inspection.known_disk, change)


async def _note_drill(services: Services, inspection: Inspection) -> None:
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
