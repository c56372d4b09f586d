"""What a queue gives up is put on record, of its disk or restore; no message is left for somebody to find."""

import asyncio
import json

import pytest
from azure.core.exceptions import ResourceNotFoundError

from infra.local.gateway import Fault
from infra.local.local_azure import BACKUP_CONTAINER, BACKUPS
from shared.azure.queues import POISON_SUFFIX, QUEUE_OF, QUEUES
from shared.azure.tables.records import POISON_PARTITION
from shared.model.disk import PageBlobDisk
from shared.model.job import JobKind, Stage
from shared.model.messages import FinishMessage, InspectionMessage, Message, RestoreMessage
from shared.model.names import BACKUPS_TABLE, PLAN_CHANGES_QUEUE, REBUILD_CATALOGUE_QUEUE, RESTORE_REQUESTS_QUEUE
from shared.model.restore import Restore
from tests.app.cloud import MIB, Cloud, Disk, pages, until
from tests.app.inspecting import ask_for, has_ended, inspections
from tests.app.restoring import ask, ended, request, restore_of, restores


async def _disk_with_pages(cloud: Cloud) -> Disk:
    disk = await cloud.disk(2 * MIB)
    await disk.write(0, pages(8))
    return disk


async def test_a_message_that_nobody_can_read_is_kept_in_a_row_that_says_what_is_wrong_with_it(cloud: Cloud) -> None:
    async with cloud.app(await cloud.disk()):
        sent = await cloud.put(PLAN_CHANGES_QUEUE, '{"disk": "somewhere?sig=S3CRET"}')
        [row] = await until(lambda: _kept(cloud), "the row")
        await _poison_queues_are_empty(cloud)
    assert row["RowKey"] == sent, "the id that was printed when it was put"
    assert (row["queue"], "run is missing" in row["reason"]) == (PLAN_CHANGES_QUEUE, True)
    assert row["body"] == '{"disk": "somewhere?sig=***"}'
    assert '"message-poisoned"' in cloud.log.read_text()


async def test_a_message_of_no_disk_is_kept_in_a_row(cloud: Cloud) -> None:
    async with cloud.app(await cloud.disk()):
        await cloud.put(f"{REBUILD_CATALOGUE_QUEUE}{POISON_SUFFIX}", "rebuild")
        [row] = await until(lambda: _kept(cloud), "the row")
    assert (row["queue"], row["body"]) == (REBUILD_CATALOGUE_QUEUE, "rebuild")


async def test_a_rebuild_that_fails_each_time_is_kept_under_the_id_of_its_message_with_the_reason(cloud: Cloud) -> None:
    async with cloud.app(await cloud.disk()):
        refused = (403, "AuthorizationFailure", "not now")
        cloud.azure.gateway.faults.add(Fault("List Blobs", f"/{BACKUPS.name}/{BACKUP_CONTAINER}", refuse=refused))
        sent = await cloud.put(REBUILD_CATALOGUE_QUEUE, "rebuild")
        [row] = await until(lambda: _kept(cloud), "the row")
    assert (row["RowKey"], row["queue"]) == (sent, REBUILD_CATALOGUE_QUEUE)
    assert "AuthorizationFailure (403)" in row["reason"]


@pytest.mark.nightly
async def test_a_run_whose_watching_message_was_given_up_says_so_and_is_watched_again(cloud: Cloud) -> None:
    disk = await _disk_with_pages(cloud)
    hold = asyncio.Event()
    held = cloud.azure.gateway.faults.add(Fault("Put Page From URL", disk.backup_path, times=1, delay_until=hold))
    async with cloud.app(disk) as app:
        await app.tick()
        await held.struck.wait()
        run = (await disk.record()).run
        assert run
        await _poison(cloud, FinishMessage(disk=PageBlobDisk(disk.address), run=run.snapshot))

        async def has_failed() -> bool:
            failing = (await disk.record()).run
            return failing is not None and failing.failed == (
                "a message on finish-backup failed 5 times and was moved to finish-backup-poison"
            )

        await until(has_failed, "the error on record")
        hold.set()
        [point] = await app.next_points([disk], [0])
    assert await disk.content_of(point) == disk.expected


@pytest.mark.nightly
async def test_a_restore_or_a_verify_whose_step_was_given_up_says_so_and_goes_on(cloud: Cloud) -> None:
    disk = await _disk_with_pages(cloud)
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        hold = asyncio.Event()
        held = cloud.azure.gateway.faults.add(Fault("Get Blob", disk.path, times=1, delay_until=hold))
        asked = await ask_for(cloud, JobKind.VERIFY, json.dumps({"disk": disk.url}))
        await held.struck.wait()
        await _poison(cloud, InspectionMessage(disk=PageBlobDisk(disk.address), task=JobKind.VERIFY, inspection=asked))

        async def says_so() -> bool:
            [verify] = await inspections(cloud, JobKind.VERIFY)
            return "the worker died each time" in verify.last_error

        await until(says_so, "the error on its row")
        hold.set()
        verify = await has_ended(cloud, JobKind.VERIFY, asked)
        assert verify.state is Stage.DONE

        copying = cloud.azure.gateway.copies.hold(f"{disk.path}-2")
        asked = await ask(cloud, request(disk, target=f"{disk.url}-2"))
        await copying.started.wait()
        await _poison(cloud, RestoreMessage(disk=PageBlobDisk(disk.address), restore=asked))
        await until(lambda: _restore_says(cloud, asked, "the worker died each time"), "the error on its row")
        await copying.finish()
        restore = await ended(cloud, asked)
    assert restore.state is Stage.DONE


async def test_a_request_for_a_restore_that_was_given_up_is_refused_on_record(cloud: Cloud) -> None:
    disk = await _disk_with_pages(cloud)
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        await cloud.put(f"{RESTORE_REQUESTS_QUEUE}{POISON_SUFFIX}", request(disk))
        [refused] = await until(lambda: _all_restores(cloud), "the row")
        assert (refused.state, "send the request again" in refused.reason) == (Stage.REFUSED, True)

        async def is_on_record() -> bool:
            moved = "its message on restore-requests failed 5 times and was moved to restore-requests-poison"
            return moved in (await disk.record()).last_error

        await until(is_on_record, "the error on the disk's record")


async def _poison(cloud: Cloud, message: Message) -> None:
    """Have a queue give a message up."""
    await cloud.put(f"{QUEUE_OF[type(message)]}{POISON_SUFFIX}", message.body)


async def _kept(cloud: Cloud) -> list[dict[str, str]]:
    rows = cloud.tables.get_table_client(BACKUPS_TABLE).query_entities(
        "PartitionKey eq @poison", parameters={"poison": POISON_PARTITION}
    )
    try:
        return [dict(row) async for row in rows]
    except ResourceNotFoundError:
        return []


async def _all_restores(cloud: Cloud) -> list[Restore]:
    return await restores(cloud)


async def _restore_says(cloud: Cloud, asked: str, text: str) -> bool:
    restore = await restore_of(cloud, asked)
    return restore is not None and text in restore.last_error


async def _poison_queues_are_empty(cloud: Cloud) -> None:
    async def are_empty() -> bool:
        for queue in QUEUES:
            client = cloud.queues.get_queue_client(f"{queue}{POISON_SUFFIX}")
            try:
                properties = await client.get_queue_properties()
            except ResourceNotFoundError:
                continue
            if properties.approximate_message_count:
                return False
        return True

    await until(are_empty, "empty poison queues")
