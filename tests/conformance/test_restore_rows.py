"""The rows of restores are kept alike in memory and in Azurite's tables."""

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.azure.tables.records import RecordConflictError
from shared.azure.tables.rows import from_row
from shared.model.job import Stage
from shared.model.restore import Restore
from tests.conformance.clouds import Cloud

NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, UTC)


def restore_of(cloud: Cloud, name: str = "disk.vhd", **values: object) -> Restore:
    disk = cloud.named(name)
    made: dict[str, object] = {"disk": disk.name, "point": "latest", "requested": NOON, "checked": NOON}
    return from_row(Restore, made | {"restore": f"{uuid.uuid4()}", "phase_began": NOON} | values)


async def opened(cloud: Cloud) -> set[str]:
    """List the restores that have not ended, of this cloud."""
    return {row.restore for row in await cloud.services.restores.open() if cloud.disks.url in str(row.disk)}


async def test_a_restore_is_added_once(cloud: Cloud) -> None:
    restore, restores = restore_of(cloud, size=2**42, reason="waits ünï", target_is_new=True), cloud.services.restores
    assert await restores.add(restore) is True
    assert await restores.add(replace(restore, point="other")) is False
    found = await restores.find(restore.known_disk, restore.row_key)
    assert found
    assert found[0] == restore


async def test_a_restore_that_was_not_added_is_not_there(cloud: Cloud) -> None:
    restore = restore_of(cloud)
    assert await cloud.services.restores.find(restore.known_disk, restore.row_key) is None


async def test_a_restore_is_in_the_partition_of_its_disk(cloud: Cloud) -> None:
    restore = restore_of(cloud)
    await cloud.services.restores.add(restore)
    assert await cloud.services.restores.find(cloud.named("disk2.vhd"), restore.row_key) is None
    assert await cloud.services.restores.add(replace(restore, disk=cloud.named("disk2.vhd")))


async def test_a_restore_is_put_as_it_was_read_only(cloud: Cloud) -> None:
    restore, restores = restore_of(cloud), cloud.services.restores
    await restores.add(restore)
    first = await restores.find(restore.known_disk, restore.row_key)
    assert first
    after = replace(restore, state=Stage.PROMOTING, last_error="x", last_error_at=NOON)
    await restores.put(after, first[1])
    second = await restores.find(restore.known_disk, restore.row_key)
    assert second
    assert second[0] == after
    assert second[1] != first[1]
    with pytest.raises(RecordConflictError):
        await restores.put(restore, first[1])
    assert await restores.find(restore.known_disk, restore.row_key) == second


async def test_a_restore_that_is_not_there_is_not_put(cloud: Cloud) -> None:
    restore, other = restore_of(cloud), restore_of(cloud)
    await cloud.services.restores.add(other)
    found = await cloud.services.restores.find(other.known_disk, other.row_key)
    assert found
    with pytest.raises(RecordConflictError):
        await cloud.services.restores.put(restore, found[1])
    assert await cloud.services.restores.find(restore.known_disk, restore.row_key) is None


async def test_the_restores_that_have_not_ended_are_open(cloud: Cloud) -> None:
    restores = {state: restore_of(cloud, f"disk{number}.vhd") for number, state in enumerate(Stage)}
    for state, restore in restores.items():
        await cloud.services.restores.add(restore)
        found = await cloud.services.restores.find(restore.known_disk, restore.row_key)
        assert found
        if state is not Stage.DONE:
            await cloud.services.restores.put(replace(restore, state=state), found[1])
    ended = {restores[state].restore for state in (Stage.REFUSED, Stage.FAILED)}
    assert await opened(cloud) == {restore.restore for restore in restores.values()} - ended


async def test_a_request_that_names_no_disk_has_a_row_that_is_not_open(cloud: Cloud) -> None:
    restore = restore_of(cloud, disk="", state=Stage.REFUSED, ended=NOON)
    assert await cloud.services.restores.add(restore) is True
    assert await cloud.services.restores.add(restore) is False
    assert restore.restore not in {row.restore for row in await cloud.services.restores.open()}


async def test_the_open_restores_of_one_disk_can_be_listed(cloud: Cloud) -> None:
    one, other = restore_of(cloud, "disk1.vhd"), restore_of(cloud, "disk2.vhd")
    for restore in (one, other):
        await cloud.services.restores.add(restore)
    assert [row.restore for row in await cloud.services.restores.open(one.known_disk)] == [one.restore]


async def test_a_restore_is_changed_though_others_change_it_too_until_it_has_ended(cloud: Cloud) -> None:
    restore, restores = restore_of(cloud), cloud.services.restores
    await restores.add(restore)

    async def note(error: str) -> Restore | None:
        return await restores.update(
            restore.known_disk,
            restore.row_key,
            lambda found: replace(found, last_error=f"{found.last_error}{error}"),
        )

    await asyncio.gather(*(note(error) for error in "abcd"))
    found = await restores.find(restore.known_disk, restore.row_key)
    assert found
    assert sorted(found[0].last_error) == ["a", "b", "c", "d"]
    await restores.put(replace(found[0], state=Stage.FAILED), found[1])
    assert await note("e") is None
    assert await restores.update(restore.known_disk, "restore-no-such", lambda found: found) is None
