"""Requests that can't be done: each is refused once, with the reason on record, and nothing is written."""

import json
import random
import string
from typing import Any

import pytest

from shared.azure.queues import QUEUES
from shared.model.job import Stage
from tests.app.cloud import MIB, Cloud, pages
from tests.app.restoring import ask, encoded, ended, over, request, restores
from tests.app.test_restore_over import WRITES

NOISE = "".join(random.Random(1).choices(string.printable.replace("\x0b", "").replace("\x0c", ""), k=64 * 1024 - 512))
SECRET = "sv=2025-11-05&sig=c2VjcmV0%3D"


@pytest.mark.nightly
async def test_what_can_not_be_done_is_refused_once_with_its_reason_and_nothing_is_written(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    await disk.write(0, pages(4))
    empty = await cloud.disk(MIB, name="never-backed-up.vhd")
    block = cloud.services[disk.account].get_blob_client(cloud.container, "block")
    await block.upload_blob(b"text")
    block_url = f"{disk.address.parent.url}/block"
    async with cloud.app(disk) as app:
        [first] = await app.back_up(disk)
        await app.back_up(disk)
        backups = (await disk.record()).backup_blob
        elsewhere = disk.url.replace(f"/{disk.account.name}/", "/elsewhere/")
        refusals = {
            "not json": "is not valid JSON",
            encoded("neither is this"): "is not valid JSON",
            "[1, 2]": "the message must be a JSON object",
            "": "is not valid JSON",
            NOISE: "is not valid JSON",
            json.dumps({"disk": disk.url}): "point is missing",
            request(disk, overwrit=True): 'unknown field "overwrit"; did you mean "overwrite"?',
            request(disk, overwrite=True, target=disk.url): f'send "overwrite": "{disk.address.blob}" to write over',
            request(disk, overwrite=True): "overwrite is set but target is missing",
            request("os.vhd"): "must start with https://",
            request(f"{disk.url}?{SECRET}"): "must not have a query string or fragment: no SAS",
            request(disk, target=f"{disk.url}-2?{SECRET}"): "must not have a query string or fragment: no SAS",
            request(disk, "2026-11-22T12:00:00"): "has no time zone; add Z for UTC",
            request(disk, "yesterday"): "is not an RFC 3339 time",
            request(disk, "2026-02-30T12:00:00Z"): "is not a date and time that exists",
            request(disk, target=disk.url.replace("disk1", "./disk1")): "which Azure drops or resolves to another path",
            request(disk, target=disk.url.replace("disk1", "%FF")): "must be percent-encoded as UTF-8",
            request(disk, target=disk.url.replace("vhds-", "VHDs-")): "has an invalid container name",
            request(f"{disk.url}.other"): "it is not in SOURCE_DISKS and has no record",
            request(
                disk, "2020-01-01T00:00:00Z"
            ): f"no recovery point at or before 2020-01-01T00:00:00.0000000Z; the oldest is {first.time}",
            request(disk, target=disk.url): "already exists. What to do: choose another target",
            request(disk, target=empty.url): "already exists. What to do: choose another target",
            request(disk, target=elsewhere): "is not in an account that SOURCE_DISKS names",
            request(disk, target=f"{backups}-2"): "is in the backup container",
            request(disk, target=block_url): "exists",
            request(disk, **over(block_url)): "is not a page blob",
            request(disk, target=f"{disk.address.parent.url}-missing/a.vhd"): "does not exist. What to do: create it",
        }
        cloud.requests.clear()
        before = await app.invocations()
        asked = {await ask(cloud, text): said for text, said in refusals.items() if text}
        for message, said in asked.items():
            found = await ended(cloud, message)
            assert (found.state, said in found.reason) == (Stage.REFUSED, True), (found, said)
            assert "What to do" in found.reason, found
            assert len(found.reason) < 1500
        assert not [request for request in cloud.requests if request.operation in WRITES and request.status != 404]
        assert await app.invocations() < before + 4 * len(asked), "each was looked at once"
    rows = await restores(cloud)
    assert {row.restore for row in rows} == set(asked)
    kept = cloud.log.read_text() + str(rows)
    assert "c2VjcmV0" not in kept
    assert NOISE[:100] not in kept
    assert [name for queue in QUEUES async for name in _poison(cloud, queue)] == []


async def _poison(cloud: Cloud, queue: str) -> Any:
    async for found in cloud.queues.list_queues(name_starts_with=f"{queue}-poison"):
        yield found.name


async def test_a_disk_without_a_recovery_point_is_known_all_the_same(cloud: Cloud) -> None:
    disk = await cloud.disk(MIB)
    async with cloud.app(disk):
        found = await ended(cloud, await ask(cloud, request(disk)))
    assert (found.state, "it has no recovery point yet" in found.reason) == (Stage.REFUSED, True)
