"""A backup of a disk: the first, the next, and the one of a disk that did not change."""

import random

import pytest

from infra.local.local_azure import BACKUPS, MORE_DISKS
from shared.limits import MAX_WRITE, PAGE
from shared.model.names import PARTS_TABLE
from shared.model.run import Kind
from tests.app.cloud import KIB, MIB, Cloud, Disk, pages, valid_ranges

WRITES = ("Put Page", "Put Page From URL", "Clear Pages")


async def test_the_first_recovery_point_is_the_disk_stays_sparse_and_says_what_it_is_in_its_metadata(
    cloud: Cloud,
) -> None:
    disk = await cloud.disk(64 * MIB)
    await disk.write(0, pages(3))
    await disk.write(10 * MIB + PAGE, pages(MAX_WRITE // PAGE))
    await disk.write(14 * MIB + PAGE, pages(1))
    await disk.write(64 * MIB - PAGE, b"conectix".ljust(PAGE, b"\0"))
    cloud.requests.clear()
    async with cloud.app(disk) as app:
        [point] = await app.back_up(disk)
    assert await disk.content_of(point) == disk.expected
    assert point.kind is Kind.FULL
    ranges = [(0, 3 * PAGE), (10 * MIB + PAGE, 14 * MIB + 2 * PAGE), (64 * MIB - PAGE, 64 * MIB)]
    assert await valid_ranges(cloud.services[BACKUPS], disk.backup_blob, point.backup_snapshot) == ranges
    assert (point.bytes_written, point.bytes_cleared) == (MAX_WRITE + 5 * PAGE, 0)
    assert cloud.count("Put Page From URL", disk.backup_path, 201) == point.write_calls == 4
    assert sum(cloud.count(operation) for operation in WRITES) == 4
    assert sum(request.bytes_in for request in cloud.requests if request.operation != "Lease Blob") == 0
    properties = await disk.backup_blob.get_blob_properties()
    assert properties.metadata["tidemark_disk"] == disk.url
    service = cloud.services[BACKUPS]
    snapshot = service.get_blob_client(
        disk.backup_blob.container_name, disk.backup_blob.blob_name, snapshot=point.backup_snapshot
    )
    metadata = (await snapshot.get_blob_properties()).metadata
    assert metadata["tidemark_disk"] == disk.url
    assert metadata["tidemark_source_snapshot"] == point.source_snapshot
    assert metadata["tidemark_kind"] == "full"
    assert point.source_snapshot in metadata["tidemark_run"]


async def test_the_next_backup_moves_what_changed_and_no_more(cloud: Cloud) -> None:
    disk = await cloud.disk(32 * MIB)
    await disk.write(MIB, pages(8 * KIB))
    await disk.write(20 * MIB, pages(2))
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        await disk.write(3 * MIB + 5 * PAGE, pages(7, seed=2))
        await disk.clear(2 * MIB, 3 * PAGE)
        await disk.clear(30 * MIB, MIB)
        await disk.write(20 * MIB, pages(2))
        cloud.requests.clear()
        [point] = await app.back_up(disk)
    assert await disk.content_of(point) == disk.expected
    assert point.kind is Kind.INCREMENTAL
    written = {r.headers["x-ms-range"] for r in cloud.requests if r.operation == "Put Page From URL"}
    assert written == {
        f"bytes={3 * MIB + 5 * PAGE}-{3 * MIB + 12 * PAGE - 1}",
        f"bytes={20 * MIB}-{20 * MIB + 2 * PAGE - 1}",
    }
    cleared = {r.headers["x-ms-range"] for r in cloud.requests if r.operation == "Clear Pages"}
    assert cleared == {f"bytes={2 * MIB}-{2 * MIB + 3 * PAGE - 1}", f"bytes={30 * MIB}-{31 * MIB - 1}"}
    assert (point.write_calls, point.clear_calls) == (2, 2)
    assert (point.bytes_written, point.bytes_cleared) == (9 * PAGE, MIB + 3 * PAGE)


async def test_an_empty_disk_is_backed_up_too(cloud: Cloud) -> None:
    disk = await cloud.disk()
    nothing = await cloud.disk(0)
    async with cloud.app(disk, nothing) as app:
        point, _ = await app.back_up(disk, nothing)
    assert await disk.content_of(point) == bytes(MIB)


@pytest.mark.nightly
async def test_after_a_seal_only_the_base_snapshot_is_left_of_tidemarks_and_all_of_the_users_own(cloud: Cloud) -> None:
    disk = await cloud.disk()
    theirs = [str((await disk.blob.create_snapshot())["snapshot"])]
    async with cloud.app(disk) as app:
        for _ in range(2):
            [point] = await app.back_up(disk)
        assert await disk.own_snapshots() == [*theirs, point.source_snapshot]
        service = cloud.services[disk.account]
        base = service.get_blob_client(disk.address.container, disk.address.blob, snapshot=point.source_snapshot)
        metadata = (await base.get_blob_properties()).metadata
        assert metadata["tidemark_taken"]
        # As on a disk that was made of a source snapshot, the day after: a snapshot of it inherits this.
        await disk.blob.set_blob_metadata(metadata | {"tidemark_taken": "2026-01-01T00:00:00+00:00"})
        theirs.append(str((await disk.blob.create_snapshot())["snapshot"]))
        [point] = await app.back_up(disk)
    assert await disk.own_snapshots() == [*theirs, point.source_snapshot]
    record = await disk.record()
    assert (record.base_snapshot, record.run, record.last_error) == (point.source_snapshot, None, "")
    assert not any("x-ms-delete-snapshots" in request.headers for request in cloud.requests)
    assert (await disk.backup_blob.get_blob_properties()).lease.state == "available"
    assert not [row async for row in cloud.tables.get_table_client(PARTS_TABLE).list_entities()]


@pytest.mark.nightly
async def test_many_random_rounds_each_recovery_point_is_the_disk_as_it_was(cloud: Cloud) -> None:
    rng = random.Random(20260331)
    disks = [await cloud.disk(2 * MIB), await cloud.disk(MIB, account=MORE_DISKS), await cloud.disk(6 * MIB)]
    kept: list[tuple[int, bytes]] = []
    async with cloud.app(*disks) as app:
        # Some 130 changes, each kind in each disk and in most rounds; another round costs more than all its changes.
        for _ in range(4):
            for disk in disks:
                for _ in range(rng.randrange(24)):
                    await _change(rng, disk)
            states = [bytes(disk.expected) for disk in disks]
            points = await app.back_up(*disks)
            for number, (disk, state, point) in enumerate(zip(disks, states, points, strict=True)):
                assert await disk.content_of(point) == state, (disk.url, point)
                kept.append((number, state))
    for number, disk in enumerate(disks):
        mine = [state for owner, state in kept if owner == number]
        for state, point in zip(mine, await disk.points(), strict=True):
            assert await disk.content_of(point) == state, (disk.url, point)


async def _change(rng: random.Random, disk: Disk) -> None:
    size = len(disk.expected)
    start = rng.randrange(size // PAGE) * PAGE
    length = min(rng.choice((1, 1, 2, 7, 64, 512)) * PAGE, size - start)
    match rng.randrange(6):
        case 0 | 1:
            await disk.write(start, rng.randbytes(length))
        case 2:
            await disk.clear(start, length)
        case 3:
            await disk.write(start, bytes(length))
        case 4:
            await disk.write(start, bytes(disk.expected[start : start + length]))
        case _:
            await disk.resize(max(PAGE, size + rng.choice((-3, -1, 1, 5)) * PAGE * rng.randrange(1, 20)))


@pytest.mark.nightly
async def test_names_with_spaces_signs_and_other_alphabets_are_backed_up(cloud: Cloud) -> None:
    disks = [
        await cloud.disk(name=name)
        for name in ("folder/of disks/OS disk #1 (50%).vhd", "diskå/磁盘.vhd", "a|b.vhd", "it's~fine+&=.vhd")
    ]
    for number, disk in enumerate(disks):
        await disk.write(0, pages(2, seed=number))
    async with cloud.app(*disks) as app:
        for _ in range(2):
            points = await app.back_up(*disks)
            for disk, point in zip(disks, points, strict=True):
                assert await disk.content_of(point) == disk.expected
                await disk.write(PAGE, pages(2, seed=9))


async def test_a_disk_without_a_change_is_only_snapshotted_and_gets_its_recovery_point(cloud: Cloud) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(4))
    lease = await disk.blob.acquire_lease()
    cloud.requests.clear()
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        first = len(cloud.requests)
        [point] = await app.back_up(disk)
        requests = list(cloud.requests)
    assert not [request for request in requests[first:] if request.operation in WRITES], "no page is written"
    assert (point.bytes_written, point.bytes_cleared, point.ranges, point.batches) == (0, 0, 0, 1)
    touched = {r.operation for r in requests if r.path == disk.path and "snapshot" not in r.query}
    assert touched == {"Snapshot Blob"}, "the disk itself is never read or written"
    assert {request.headers["x-ms-version"] for request in requests} == {"2025-11-05"}, "the one that is pinned"
    assert await disk.content_of(point) == disk.expected
    assert len(await disk.backup_snapshots()) == 2
    await lease.release()
