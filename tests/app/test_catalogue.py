"""The table is lost: the record is rebuilt from the backup account, and all goes on."""

from dataclasses import asdict

import pytest
from azure.core.exceptions import ResourceNotFoundError

from infra.local.local_azure import LocalAzure
from shared.azure.tables.status import StatusRows
from shared.limits import PAGE
from shared.model.job import Stage
from shared.model.names import BACKUPS_TABLE, REBUILD_CATALOGUE_QUEUE
from shared.model.point import RecoveryPoint
from shared.model.run import Kind, Mode
from tests.app.cloud import MIB, App, Cloud, Disk, pages, until
from tests.app.restoring import ask, ended, request
from tests.app.test_full_copies import in_mode

ADDED = {"added_bytes", "added_since"}
COUNTS = {
    "used_by",
    "reason",
    "bytes_written",
    "bytes_cleared",
    "ranges",
    "write_calls",
    "clear_calls",
    "batches",
    "copying",
} | ADDED
TIMES = {"started", "sealed", "duration_seconds"}


async def rebuild(cloud: Cloud, app: App) -> None:
    """Ask for the catalogue to be rebuilt, and wait until it is."""
    before = await app.invocations("rebuild_catalogue")
    await cloud.put(REBUILD_CATALOGUE_QUEUE, "please")

    async def rebuilt() -> bool:
        return await app.invocations("rebuild_catalogue") > before and await app.idle()

    await until(rebuilt, "the catalogue")


def what_counts(points: list[RecoveryPoint]) -> list[dict[str, object]]:
    """Give what a restore needs to know of recovery points."""
    return [{name: value for name, value in asdict(point).items() if name not in COUNTS | TIMES} for point in points]


async def back_up(app: App, disk: Disk, *others: Disk, times: int = 1) -> None:
    for seed in range(1, times + 1):
        for each in (disk, *others):
            await each.write(0, pages(4, seed))
        await app.back_up(disk, *others)


async def test_a_lost_table_is_rebuilt_and_restores_and_incremental_backups_go_on(cloud: Cloud) -> None:
    disk, whole = await cloud.disk(2 * MIB), await cloud.disk(MIB, name="whole disk.vhd")
    async with cloud.app(disk, in_mode(whole, Mode.FULL)) as app:
        await disk.write(MIB, pages(2))
        await back_up(app, disk, whole, times=2)
        adopted = await ended(cloud, await ask(cloud, request(disk)))
        restored = await cloud.existing_disk(adopted.known_target.name, bytes(disk.expected))
        before = {each: await each.points() for each in (disk, whole, restored)}
        await cloud.tables.delete_table(BACKUPS_TABLE)
        await rebuild(cloud, app)
        for each, points in before.items():
            assert what_counts(await each.points()) == what_counts(points)
        first = before[disk][0]
        restore = await ended(cloud, await ask(cloud, request(disk, first.time, target=f"{disk.url}-2")))
        assert (restore.state, restore.reason) == (Stage.DONE, "")
        again = await cloud.existing_disk(restore.known_target.name, b"")
        assert await cloud.read(again.blob, again.account) == await disk.content_of(first)
        restore = await ended(cloud, await ask(cloud, request(whole)))
        assert (restore.state, restore.reason) == (Stage.DONE, "")
        await disk.write(0, pages(1, seed=7))
        points = await app.back_up(disk, whole, restored)
        assert [point.kind for point in points] == [Kind.INCREMENTAL, Kind.FULL, Kind.INCREMENTAL]
        assert points[0].bytes_written == PAGE
        assert await disk.content_of(points[0]) == disk.expected
        rows = await disk.points()
        await rebuild(cloud, app)
        assert await disk.points() == rows, "what is on record is left as it is"


@pytest.mark.nightly
async def test_a_backup_blob_that_was_written_to_since_is_resynced_after_the_table_was_lost(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    async with cloud.app(disk) as app:
        await back_up(app, disk)
        await disk.backup_blob.upload_page(pages(1, seed=66), 0, PAGE)
        await cloud.tables.delete_table(BACKUPS_TABLE)
        await rebuild(cloud, app)
        [point] = await app.back_up(disk)
    assert (point.kind, "the catalogue was rebuilt" in point.reason) == (Kind.RESYNC, True)
    assert await disk.content_of(point) == disk.expected
    assert len(await disk.points()) == 2


@pytest.mark.nightly
async def test_a_disk_that_is_lost_with_its_account_is_restored_to_another(cloud: Cloud) -> None:
    disk, other = await cloud.disk(2 * MIB), await cloud.disk(MIB)
    async with cloud.app(disk) as app:
        await back_up(app, disk)
        held = bytes(disk.expected)
        await disk.blob.delete_blob(delete_snapshots="include")
        await cloud.tables.delete_table(BACKUPS_TABLE)
    async with cloud.app(other) as app:
        await app.tick()
        await rebuild(cloud, app)
        restore = await ended(cloud, await ask(cloud, request(disk, target=disk.url)))
        assert (restore.state, restore.reason) == (Stage.DONE, "")
        assert await cloud.read(disk.blob, disk.account) == held
        [point] = await app.back_up(disk)
    assert (point.kind, point.bytes_written) == (Kind.INCREMENTAL, 0)


@pytest.mark.parametrize("etag", [None, "W/\"datetime'2026-11-30T00%3A00%3A00Z'\""])
async def test_a_table_that_is_gone_is_said_to_be_gone_not_changed_by_another_invocation(
    azure: LocalAzure, etag: str | None
) -> None:
    async with azure.tables() as tables:
        rows = StatusRows(tables.get_table_client("gone"))
        with pytest.raises(ResourceNotFoundError, match="TableNotFound"):
            await rows.put("disk", {"report": "{}"}, etag)
