"""The rows of the parts of inspections are kept alike in memory and in Azurite's tables."""

from dataclasses import replace
from datetime import UTC, datetime

from shared.model.inspection import Compared, Inspection, Task
from shared.model.messages import PartMessage
from tests.conformance.clouds import Cloud

NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, UTC)


async def test_a_part_is_compared_once_it_is_noted_and_of_its_attempt_only(cloud: Cloud) -> None:
    disk, rows = cloud.disks.blob("disk.vhd"), cloud.services.inspections
    drill = Inspection.of("d1", Task.DRILL, disk.url, "latest", NOON)
    part = PartMessage(disk=disk.url, task=Task.DRILL, inspection="d1", part=3)
    assert not await rows.is_part_compared(drill, 3)
    await rows.part_compared(drill, part, 4096, "")
    assert await rows.is_part_compared(drill, 3)
    assert not await rows.is_part_compared(drill, 2)
    assert not await rows.is_part_compared(replace(drill, attempt=2), 3)
    assert await rows.compared(drill) == Compared(frozenset({3}), 4096, "")
    await rows.drop_parts(drill)
    assert not await rows.is_part_compared(drill, 3)
