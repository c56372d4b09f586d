"""A trial restore: a disk that is not backed up, and is deleted by itself."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.limits import PAGE
from shared.model.disk import PageBlobDisk
from shared.model.job import Stage
from shared.model.names import BACKUPS_TABLE
from tests.app.cloud import MIB, Cloud, pages
from tests.app.restoring import ask, ended, request, restore_of


@pytest.mark.nightly
async def test_a_trial_leaves_its_disk_until_that_expires_and_then_nothing(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    await disk.write(PAGE, pages(8))
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        held = bytes(disk.expected)
        trial = await cloud.existing_disk(f"{disk.url}-trial", held)
        kept = await ended(cloud, await ask(cloud, request(disk, target=trial.url, adopt=False)))
        assert (kept.state, kept.reason) == (Stage.DONE, "")
        assert await cloud.read(trial.blob, trial.account) == held
        expires = datetime.now(UTC) + timedelta(seconds=4)
        asked = request(disk, adopt=False, expires=expires.isoformat())
        restore = await ended(cloud, await ask(cloud, asked))
        assert (restore.state, restore.reason) == (Stage.DONE, "the disk expired and was deleted")
        assert datetime.now(UTC) > expires
        gone = await cloud.existing_disk(restore.known_target.name, held)
        assert not await gone.blob.exists()
        [point] = await app.back_up(disk)
        assert point.bytes_written == 0
        partitions = [row["PartitionKey"] async for row in cloud.tables.get_table_client(BACKUPS_TABLE).list_entities()]
        for left in (trial, gone):
            assert PageBlobDisk(left.address).key not in partitions
            assert not await left.backup_blob.exists()
        assert await trial.own_snapshots() == []
        assert await restore_of(cloud, kept.restore) == kept
