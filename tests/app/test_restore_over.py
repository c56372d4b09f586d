"""A recovery point goes back over the disk itself; the old recovery points stay, and backups go on."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.storage.blob import BlobSasPermissions, generate_blob_sas
from azure.storage.blob.aio import BlobLeaseClient

from infra.local.gateway import Fault
from infra.local.local_azure import BLOB_API_VERSION
from shared.limits import PAGE
from shared.model.job import Stage
from shared.model.point import PointState
from shared.model.restore import Restore
from shared.model.run import Kind
from tests.app.cloud import MIB, App, Cloud, Disk, pages, until
from tests.app.restoring import ask, ended, over, request, restore_of

WRITES = frozenset({"Put Blob", "Copy Blob", "Put Page", "Clear Pages", "Put Page From URL", "Set Blob Properties"})


async def some_points(app: App, disk: Disk, count: int = 1) -> list[bytes]:
    """Make some recovery points of a disk; give what they hold."""
    held = []
    await disk.write(MIB, pages(8))
    for seed in range(1, count + 1):
        await disk.write(seed * PAGE, pages(2 * seed, seed))
        await disk.clear(MIB + seed * PAGE, PAGE)
        await app.back_up(disk)
        held.append(bytes(disk.expected))
    return held


async def restored_over(cloud: Cloud, disk: Disk, point: str, expected: bytes, **more: Any) -> Restore:
    """Restore over the disk itself, and see that it is what it should be."""
    restore = await ended(cloud, await ask(cloud, request(disk, point, **over(disk, **more))))
    assert (restore.state, restore.reason) == (Stage.DONE, "")
    disk.expected[:] = expected
    assert await cloud.read(disk.blob, disk.account) == expected
    return restore


def copied_to(cloud: Cloud, path: str) -> list[str]:
    """Give the sources of the copies to a blob."""
    copies = [request for request in cloud.requests if (request.operation, request.path) == ("Copy Blob", path)]
    return [request.headers["x-ms-copy-source"] for request in copies]


async def test_over_the_original_the_old_points_stay_restorable_and_the_next_backup_is_incremental(
    cloud: Cloud,
) -> None:
    disk = await cloud.disk(2 * MIB)
    async with cloud.app(disk) as app:
        held = await some_points(app, disk, 3)
        old = await disk.points()
        users_own = (await disk.blob.create_snapshot())["snapshot"]
        cloud.requests.clear()
        restore = await restored_over(cloud, disk, old[0].time, held[0])
        [source] = copied_to(cloud, disk.path)
        assert "/backups/" in source, "its source snapshot is gone, so it comes from the backup"
        assert restore.copied_from == source.partition("&")[0]
        assert await disk.own_snapshots() == sorted([users_own, restore.target_snapshot])
        await disk.write(5 * PAGE, pages(1, seed=9))
        [after] = await app.back_up(disk)
        assert (after.kind, after.bytes_written) == (Kind.INCREMENTAL, PAGE)
        assert await disk.content_of(after) == disk.expected
        points = await disk.points()
        assert [point.kind for point in points[3:]] == [Kind.RESTORE, Kind.INCREMENTAL]
        for point, content in zip(points, [*held, held[0]], strict=False):
            assert await disk.content_of(point) == content
        elsewhere = await ended(cloud, await ask(cloud, request(disk, old[1].time)))
        new = await cloud.existing_disk(elsewhere.known_target.name, held[1])
        assert await cloud.read(new.blob, new.account) == held[1]


@pytest.mark.nightly
async def test_512_bytes_written_after_the_last_backup_come_back_from_the_undo_point(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    async with cloud.app(disk) as app:
        held = await some_points(app, disk)
        await disk.write(3 * PAGE, pages(1, seed=7))
        written = bytes(disk.expected)
        restore = await restored_over(cloud, disk, "latest", held[0], undo=True)
        assert restore.copied_from.startswith(f"{disk.url}?snapshot="), "its source snapshot is kept as long as that"
        await restored_over(cloud, disk, restore.undo_point, written)
        assert [point.kind for point in await disk.points()] == [Kind.FULL, Kind.INCREMENTAL, *[Kind.RESTORE] * 2]
        [after] = await app.back_up(disk)
    assert (after.kind, after.bytes_written) == (Kind.INCREMENTAL, 0)
    assert await disk.content_of(after) == written


@pytest.mark.nightly
async def test_a_disk_whose_metadata_could_not_be_kept_is_refused_before_anything_is_written(cloud: Cloud) -> None:
    disk = await cloud.disk(MIB)
    await disk.write(0, pages(4))
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        for metadata, why in (
            ({"a": "x" * 8150}, "Azure allows 8192"),
            ({"owner": "J\xfcrgen"}, "owner is not plain ASCII"),
        ):
            await _set_metadata(cloud, disk, metadata)
            cloud.requests.clear()
            found = await ended(cloud, await ask(cloud, request(disk, **over(disk))))
            assert (found.state, why in found.reason) == (Stage.REFUSED, True), found.reason
            assert not [sent for sent in cloud.requests if sent.operation in WRITES and (sent.status or 500) < 300]
        [point] = await app.back_up(disk)
        assert await disk.content_of(point) == disk.expected
        await _set_metadata(cloud, disk, {"for": "the-user"})
        await restored_over(cloud, disk, point.time, bytes(disk.expected))
    assert (await disk.blob.get_blob_properties()).metadata["for"] == "the-user"


async def _set_metadata(cloud: Cloud, disk: Disk, metadata: dict[str, str]) -> None:
    """Set a blob's metadata as other tools do, with whatever is in it (REST: Set Blob Metadata)."""
    may = BlobSasPermissions(write=True)
    expiry = datetime.now(UTC) + timedelta(hours=1)
    names = (disk.account.name, disk.address.container, disk.address.blob)
    sas = generate_blob_sas(*names, account_key=disk.account.key, permission=may, expiry=expiry)
    headers = {f"x-ms-meta-{name}": value for name, value in metadata.items()} | {"x-ms-version": BLOB_API_VERSION}
    async with cloud.http.put(f"{disk.url}?comp=metadata&{sas}", headers=headers) as answer:
        assert answer.status == 200, await answer.text()


@pytest.mark.nightly
async def test_a_state_that_is_still_a_source_snapshot_is_promoted_and_no_bytes_cross_accounts(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    async with cloud.app(disk) as app:
        held = await some_points(app, disk)
        base = (await disk.record()).base_snapshot
        await disk.write(0, pages(16, seed=7))
        cloud.requests.clear()
        await restored_over(cloud, disk, "latest", held[0])
        [to_disk], [to_backup] = copied_to(cloud, disk.path), copied_to(cloud, disk.backup_path)
        assert to_disk == f"{disk.url}?snapshot={base.replace(':', '%3A')}"
        assert to_backup.startswith(disk.backup_blob.url.partition("?")[0])

        async def is_verified() -> bool:
            return (await disk.points())[-1].state is PointState.VERIFIED

        await until(is_verified, "the comparison of the two that were copied from two places")
        [after] = await app.back_up(disk)
    assert (after.kind, after.bytes_written) == (Kind.INCREMENTAL, 0)
    assert await disk.content_of(after) == held[0]


@pytest.mark.nightly
async def test_a_disk_that_is_attached_is_refused_before_anything_is_written(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    async with cloud.app(disk) as app:
        held = await some_points(app, disk)
        vm = BlobLeaseClient(disk.blob)
        await vm.acquire()
        cloud.requests.clear()
        restore = await ended(cloud, await ask(cloud, request(disk, **over(disk))))
        assert restore.state is Stage.REFUSED
        assert "stop the VM and detach the disk" in restore.reason
        premium = cloud.azure.gateway.faults.add(
            Fault("Get Blob Properties", disk.path, refuse=(409, "SystemInUse", "The blob is in use."))
        )
        restore = await ended(cloud, await ask(cloud, request(disk, **over(disk))))
        assert (restore.state, "SystemInUse" in restore.reason) == (Stage.REFUSED, True)
        premium.remove()
        assert not [request for request in cloud.requests if request.operation in WRITES]
        assert (await disk.record()).restore == ""
        await vm.release()
        await restored_over(cloud, disk, "latest", held[0])
        cloud.requests.clear()
        hold = asyncio.Event()  # now it is attached in the last moment
        looked = cloud.azure.gateway.faults.add(Fault("Lease Blob", disk.path, delay_until=hold, times=1))
        asked = await ask(cloud, request(disk, **over(disk)))
        await looked.struck.wait()
        await vm.acquire()
        hold.set()
        restore = await ended(cloud, asked)
        assert (restore.state, "detach the disk" in restore.reason) == (Stage.REFUSED, True)
        assert not copied_to(cloud, disk.path)
        [point] = await app.back_up(disk)
    assert point.kind is Kind.INCREMENTAL


@pytest.mark.nightly
async def test_an_open_run_of_the_disk_comes_to_its_end_first(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    async with cloud.app(disk) as app:
        held = await some_points(app, disk)
        await disk.write(0, pages(1, seed=8))
        held.append(bytes(disk.expected))
        hold = asyncio.Event()
        writing = cloud.azure.gateway.faults.add(Fault("Put Page From URL", delay_until=hold, times=1))
        await app.tick()
        await writing.struck.wait()
        asked = await ask(cloud, request(disk, **over(disk)))

        async def waits() -> bool:
            found = await restore_of(cloud, asked)
            return found is not None and "waiting for backup run" in found.reason

        await until(waits, "a restore that waits")
        hold.set()
        restore = await ended(cloud, asked)
        assert (restore.state, restore.reason) == (Stage.DONE, "")
        points = await disk.points()
        assert [point.kind for point in points[1:]] == [Kind.INCREMENTAL, Kind.RESTORE]
        assert await disk.content_of(points[1]) == held[1]
        assert restore.recovery_point == points[0].time, "the latest when it was asked for"
        assert await cloud.read(disk.blob, disk.account) == held[0]


@pytest.mark.nightly
async def test_another_blob_is_written_over_only_if_the_request_names_it_and_says_so_twice(
    cloud: Cloud,
) -> None:
    disk = await cloud.disk(2 * MIB)
    other = await cloud.disk(3 * MIB, name="other.bin")
    await other.write(0, pages(4, seed=5))
    async with cloud.app(disk) as app:
        held = await some_points(app, disk)
        asked = request(disk, target=other.url)
        refused = await ended(cloud, await ask(cloud, asked))
        assert (refused.state, "exists" in refused.reason) == (Stage.REFUSED, True)
        refused = await ended(cloud, await ask(cloud, request(disk, **over(other))))
        assert (refused.state, '"replaceOther": true beside "overwrite": "other.bin"' in refused.reason) == (
            Stage.REFUSED,
            True,
        )
        assert await cloud.read(other.blob, other.account) == other.expected
        done = await ended(cloud, await ask(cloud, request(disk, **over(other, replaceOther=True))))
        assert (done.state, done.reason) == (Stage.DONE, "")
        assert await cloud.read(other.blob, other.account) == held[0]
        target = await cloud.existing_disk(other.url, held[0])
        [point] = await app.back_up(target)
    assert point.kind is Kind.INCREMENTAL
