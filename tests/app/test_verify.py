"""A recovery point is compared whole with its source snapshot, on demand and by the timer; what is damaged is told."""

import asyncio
import json

import pytest

from infra.local.gateway import Fault
from infra.local.local_azure import BACKUPS
from shared.azure.tables.job_rows import UNREADABLE_PARTITION
from shared.limits import PAGE
from shared.model.job import JobKind, Stage
from shared.model.names import BACKUPS_TABLE, PARTS_TABLE
from shared.model.point import PointState, RecoveryPoint
from shared.model.run import Kind
from tests.app.cloud import MIB, Cloud, Disk, pages, until
from tests.app.inspecting import Rot, ask_for, has_ended, inspected, inspections
from tests.app.restoring import ask, ended, request


async def _disk_with_pages(cloud: Cloud) -> Disk:
    disk = await cloud.disk(2 * MIB)
    await disk.write(0, pages(8))
    await disk.write(MIB, pages(8, seed=2))
    return disk


async def test_a_recovery_point_is_compared_byte_by_byte_with_its_source_snapshot(cloud: Cloud) -> None:
    disk = await _disk_with_pages(cloud)
    async with cloud.app(disk) as app:
        [point] = await app.back_up(disk)
        assert point.state is PointState.SEALED
        cloud.requests.clear()
        verify = await inspected(cloud, JobKind.VERIFY, disk)
        read = [found.bytes_out for found in cloud.requests if found.operation == "Get Blob"]
        [verified] = await disk.points()
        record = await disk.record()
    assert (verify.state, verify.recovery_point) == (Stage.DONE, point.time)
    assert verify.reason == "identical: all 2 MiB (8 KiB compared, the rest empty on both sides)"
    assert sum(read) == 2 * 16 * PAGE, "what is valid, of both sides, and no byte more"
    assert (verified.state, verified.damage, verified.verified is not None) == (PointState.VERIFIED, "", True)
    assert (record.last_verify_point, record.last_verify_result) == (point.time, f"done: {verify.reason}")
    assert [row async for row in cloud.tables.get_table_client(PARTS_TABLE).list_entities()] == []


async def test_a_recovery_point_that_rots_is_damaged_the_base_of_nothing_and_restored_by_an_explicit_word_only(
    cloud: Cloud,
) -> None:
    disk = await _disk_with_pages(cloud)
    async with cloud.app(disk) as app:
        rot = Rot(cloud)
        [point] = await app.back_up(disk)
        rot.strike(pages(3)[2 * PAGE :])
        rotten = await disk.content_of(point)
        assert rotten != disk.expected
        verify = await inspected(cloud, JobKind.VERIFY, disk)
        [damaged] = await disk.points()
        assert (verify.state, damaged.state, damaged.damage) == (Stage.FAILED, PointState.DAMAGED, verify.reason)
        assert "bytes 0-4095 of" in damaged.damage
        assert "is damaged: bytes 0-4095 of" in (await disk.record()).resync_reason
        assert '"point-damaged"' in cloud.log.read_text()
        refused = await ended(cloud, await ask(cloud, request(disk, target=f"{disk.url}-2")))
        assert (refused.state, "is damaged: bytes 0-" in refused.reason) == (Stage.REFUSED, True)
        assert '"allowDamaged": true' in refused.reason
        done = await ended(cloud, await ask(cloud, request(disk, target=f"{disk.url}-2", allowDamaged=True)))
        assert done.state is Stage.DONE
        new = await cloud.existing_disk(done.known_target.name, rotten)
        assert await cloud.read(new.blob, new.account) == rotten
        [point] = await app.back_up(disk)
        assert (point.kind, "is damaged" in point.reason) == (Kind.RESYNC, True)
        assert await disk.content_of(point) == disk.expected
        verify = await inspected(cloud, JobKind.VERIFY, disk)
    assert verify.state is Stage.DONE
    assert [found.state for found in await disk.points()] == [PointState.DAMAGED, PointState.VERIFIED]


@pytest.mark.nightly
async def test_an_open_incremental_run_on_a_damaged_base_becomes_a_resync(cloud: Cloud) -> None:
    disk = await _disk_with_pages(cloud)
    async with cloud.app(disk) as app:
        rot = Rot(cloud)
        await app.back_up(disk)
        rot.strike(pages(1))
        await disk.write(MIB, pages(1, seed=3))
        hold = asyncio.Event()
        held = cloud.azure.gateway.faults.add(Fault("Put Page From URL", disk.backup_path, times=1, delay_until=hold))
        await app.tick()
        await held.struck.wait()
        await inspected(cloud, JobKind.VERIFY, disk)
        hold.set()
        [point] = await app.next_points([disk], [1])
    assert (point.kind, "is damaged" in point.reason) == (Kind.RESYNC, True)
    assert await disk.content_of(point) == disk.expected


@pytest.mark.nightly
async def test_a_source_snapshot_outlives_the_next_seal_while_it_is_compared(cloud: Cloud) -> None:
    disk = await _disk_with_pages(cloud)
    async with cloud.app(disk) as app:
        [first] = await app.back_up(disk)
        hold = asyncio.Event()
        held = cloud.azure.gateway.faults.add(Fault("Get Blob", disk.path, times=1, delay_until=hold))
        asked = await ask_for(cloud, JobKind.VERIFY, json.dumps({"disk": disk.url}))
        await held.struck.wait()
        await disk.write(0, pages(2, seed=3))
        before = await disk.points()
        await app.tick()
        await until(lambda: _more_points(disk, before), "the next recovery point")
        await until(lambda: app.rests("finish_backup"), "its clean-up")
        assert first.source_snapshot in await disk.own_snapshots()
        hold.set()
        verify = await has_ended(cloud, JobKind.VERIFY, asked)
        [old, new] = await disk.points()
        assert await disk.own_snapshots() == [new.source_snapshot]
    assert (verify.state, verify.recovery_point, old.state) == (Stage.DONE, first.time, PointState.VERIFIED)


@pytest.mark.nightly
async def test_a_recovery_point_whose_source_snapshot_is_gone_is_not_verified_and_one_that_is_deleted_is_damaged(
    cloud: Cloud,
) -> None:
    disk = await _disk_with_pages(cloud)
    async with cloud.app(disk) as app:
        [first] = await app.back_up(disk)
        [second] = await app.back_up(disk)
        verify = await inspected(cloud, JobKind.VERIFY, disk, point=first.time)
        assert (verify.state, "so there is nothing to compare it with" in verify.reason) == (Stage.REFUSED, True)
        assert [found.state for found in await disk.points()] == [PointState.SEALED] * 2
        backup = disk.backup_blob
        await (
            cloud.services[BACKUPS]
            .get_blob_client(backup.container_name, backup.blob_name, snapshot=second.backup_snapshot)
            .delete_blob()
        )
        await app.back_up(disk)
        [_, lost, point] = await disk.points()
        assert (lost.state, "was deleted outside Tidemark" in lost.damage) == (PointState.DAMAGED, True)
        assert (point.kind, point.state) == (Kind.INCREMENTAL, PointState.SEALED)
        refused = await ended(cloud, await ask(cloud, request(disk, lost.time)))
    assert (refused.state, "was deleted outside Tidemark" in refused.reason) == (Stage.REFUSED, True)
    assert "az storage blob undelete" in refused.reason
    assert ("send the request again" in refused.reason, "send the request again" in lost.damage) == (True, False)


@pytest.mark.nightly
async def test_the_timer_verifies_the_newest_recovery_point_of_every_disk_where_a_setting_says_so(
    cloud: Cloud,
) -> None:
    disks = [await _disk_with_pages(cloud), await _disk_with_pages(cloud)]
    async with cloud.app(*disks) as app:
        assert {"verify_disks", "drill_disks"} & (await app.host.functions()).keys() == set()
    async with cloud.app(*disks, VERIFY_SCHEDULE="0 0 3 * * 0") as app:
        await app.back_up(*disks)
        await app.host.start("verify_disks")
        await until(lambda: _all_verified(disks), "all verified")
        assert "drill_disks" not in await app.host.functions()


async def test_a_message_that_can_not_be_read_is_refused_on_record(cloud: Cloud) -> None:
    disk = await cloud.disk()
    async with cloud.app(disk):
        asked = await ask_for(cloud, JobKind.VERIFY, '{"disk": "no URL"}')
        await until(lambda: _all_ended(cloud, JobKind.VERIFY, 1), "the refusal")
        table = cloud.tables.get_table_client(BACKUPS_TABLE)
        row = await table.get_entity(UNREADABLE_PARTITION, f"verify-{asked}")
    assert (row["state"], "disk: " in row["reason"]) == ("refused", True)


async def _more_points(disk: Disk, before: list[RecoveryPoint]) -> bool:
    return len(await disk.points()) > len(before)


async def _all_verified(disks: list[Disk]) -> bool:
    points = [point for disk in disks for point in await disk.points()]
    return all(point.state is PointState.VERIFIED for point in points)


async def _all_ended(cloud: Cloud, task: JobKind, count: int) -> bool:
    rows = await inspections(cloud, task)
    return len(rows) == count and all(row.has_ended for row in rows)
