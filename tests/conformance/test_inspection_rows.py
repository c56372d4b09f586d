"""The rows of the parts of inspections are kept alike in memory and in Azurite's tables."""

from dataclasses import replace
from datetime import UTC, datetime

from shared.model.inspection import Compared, Inspection
from shared.model.job import JobKind
from shared.model.messages import PartMessage
from tests.conformance.clouds import Cloud

NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, UTC)


async def test_a_part_is_compared_once_it_is_noted_and_of_its_attempt_only(cloud: Cloud) -> None:
    disk, parts = cloud.named("disk.vhd"), cloud.services.parts
    drill = Inspection.of("d1", JobKind.DRILL, disk, "latest", NOON)
    part = PartMessage(disk=disk, task=JobKind.DRILL, inspection="d1", part=3)
    assert not await parts.is_compared(drill, 3)
    await parts.add(drill, part, 4096, "")
    assert await parts.is_compared(drill, 3)
    assert not await parts.is_compared(drill, 2)
    assert not await parts.is_compared(replace(drill, attempt=2), 3)
    assert await parts.compared(drill) == Compared({3: 4096}, "")
    assert await parts.compared(replace(drill, parts_counted=3)) == Compared({3: 4096}, "")
    assert await parts.compared(replace(drill, parts_counted=4)) == Compared({}, "")
    await parts.drop(drill)
    assert not await parts.is_compared(drill, 3)
