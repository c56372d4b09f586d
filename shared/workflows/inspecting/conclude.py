"""The end of an inspection: what came of it is put on record, of the recovery point and of the disk."""

from datetime import datetime

from shared.addresses import BlobAddress
from shared.disk_signatures import HEAD_BYTES, VOLUME_BYTES, described, filesystem, has_vhd_footer, partition_table
from shared.inspections import Inspection, Next, Stage, built_on, ended
from shared.names import PAGE
from shared.ranges import Change
from shared.record import DiskRecord, Task
from shared.storage.services import Services
from shared.workflows.begin_anew import distrust
from shared.workflows.inspecting.versions import scratch_of
from shared.workflows.paced import Paced
from shared.workflows.points import mark_damaged
from shared.workflows.request_inspection import open_inspection

BUILT_ON = "it was built on the recovery point"


async def conclude_equal(services: Services, inspection: Inspection) -> Next:
    """End an inspection of which every byte is compared and equal."""
    said = f"all {inspection.size} bytes equal, {inspection.bytes_done} of them read on both sides"
    if inspection.task is Task.VERIFY:
        point = await services.records.point(inspection.address, inspection.recovery_point)
        if point:
            await services.records.mark(inspection.address, point.as_verified(services.now()))
    else:
        said = f"{said}; {await _looked_at(services, inspection)}"
    return Next(ended(inspection, Stage.DONE, said, services.now()))


async def conclude_differs(services: Services, inspection: Inspection, differs: str) -> Next:
    """End an inspection that has found a difference: a verify tells of the recovery point, a drill of the restore."""
    if inspection.task is Task.VERIFY:
        await _mark_damaged(services, inspection.address, inspection.recovery_point, differs)
        reason = f"the recovery point {inspection.recovery_point} is damaged: {differs}"
        await distrust(services, inspection.address, inspection.recovery_point, reason)
        await _doubt_later_ones(services, inspection, reason)
    return Next(ended(inspection, Stage.FAILED, differs, services.now()))


async def conclude_lost(services: Services, inspection: Inspection, why: str) -> Next:
    """End an inspection that has found the recovery point to be gone; what follows its disk is as good as it was."""
    await _mark_damaged(services, inspection.address, inspection.recovery_point, why)
    return Next(ended(inspection, Stage.FAILED, why, services.now()))


async def _doubt_later_ones(services: Services, inspection: Inspection, reason: str) -> None:
    """Take for damaged what was built on a damaged recovery point meanwhile; the last is verified, and may be right."""
    disk, doubted = inspection.address, set[str]()
    damage = f"{BUILT_ON} {inspection.recovery_point}, which is damaged"
    while later := [
        point.time
        for point in built_on(await services.records.points(disk), inspection.recovery_point)
        if point.time not in doubted
    ]:
        for time in later:
            await _mark_damaged(services, disk, time, damage)
            await distrust(services, disk, time, reason)
        doubted |= set(later)
    if doubted:
        await open_inspection(services, Task.VERIFY, disk, max(doubted), f"after-{inspection.inspection}")


async def _mark_damaged(services: Services, disk: BlobAddress, time: str, damage: str) -> None:
    if point := await services.records.point(disk, time):
        await mark_damaged(services, disk, point, damage)


async def put_on_record(services: Services, inspection: Inspection) -> None:
    """Put on the disk's record what came of an inspection; one that was refused has looked at nothing."""
    if inspection.state is Stage.REFUSED:
        return
    at: datetime | None = inspection.ended
    result = f"{inspection.state}: {inspection.reason}"
    changes: dict[str, object] = {
        "last_verify": at,
        "last_verify_point": inspection.recovery_point,
        "last_verify_result": result,
    }
    if inspection.task is Task.DRILL:
        changes = {
            "last_drill": at,
            "last_drill_point": inspection.recovery_point,
            "last_drill_seconds": inspection.duration_seconds,
            "last_drill_result": result,
        }

    if inspection.state is Stage.FAILED:
        why = f"the {inspection.task} of the recovery point {inspection.recovery_point}: {inspection.reason}"
        changes |= {"last_error": why, "last_error_at": at}

    def change(record: DiskRecord) -> DiskRecord:
        return record.model_copy(update=changes)

    await services.records.update(inspection.address, change)


async def _looked_at(services: Services, inspection: Inspection) -> str:
    """Look at what was restored, as whoever starts a VM from it would: footer, partitions, filesystems."""
    url = await services.pages.signed_url(scratch_of(services, inspection), "")
    size, pace = inspection.size, Paced(services, 1)

    async def read(start: int, length: int) -> bytes:
        piece = Change(start, min(start + length, size), clear=False)
        return await pace.call(lambda: services.pages.read(url, piece)) if piece.length > 0 else b""

    table = partition_table(await read(0, HEAD_BYTES), size)
    starts = [partition.start for partition in table.partitions] or [0]
    filesystems = [filesystem(await read(start, VOLUME_BYTES)) for start in starts if start % PAGE == 0]
    return described(has_vhd_footer(await read(max(0, size - PAGE), PAGE)), table, filesystems)
