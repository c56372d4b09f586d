"""One request, one row, one outcome, named by the id that the request was put under, whatever fails between."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from infra.local.gateway import Fault, Proxy, run_proxy
from infra.local.local_azure import ACCOUNTS, HOST
from shared.azure.queues import POISON_SUFFIX
from shared.events import Event
from shared.model.disk import PageBlobDisk
from shared.model.job import JobKind, Stage
from shared.model.messages import InspectionMessage, RestoreMessage
from shared.model.names import (
    CONTINUE_INSPECTION_QUEUE,
    CONTINUE_RESTORE_QUEUE,
    DRILL_QUEUE,
    RESTORE_REQUESTS_QUEUE,
    request_id,
)
from tests.app.cloud import Cloud, Disk, pages, until
from tests.app.inspecting import ask_for, has_ended, inspections
from tests.app.restoring import ask, ended, over, request, restores

REFUSED = (403, "AuthorizationPermissionMismatch", "not now")


@dataclass(frozen=True)
class Proxies:
    """What is before the host storage's queues and tables."""

    queues: Proxy
    tables: Proxy
    storage: str


@pytest.fixture
async def proxies(cloud: Cloud) -> AsyncIterator[Proxies]:
    azurite = cloud.azure.azurite
    async with (
        run_proxy("queue", azurite.queue_url, ACCOUNTS) as queues,
        run_proxy("table", azurite.table_url, ACCOUNTS) as tables,
    ):
        storage = cloud.azure.connection_string(HOST, queue_url=queues.url, table_url=tables.url)
        yield Proxies(queues, tables, storage)


async def backed_up_disk(cloud: Cloud) -> Disk:
    disk = await cloud.disk()
    await disk.write(0, pages(2))
    return disk


@pytest.mark.nightly
async def test_a_restore_or_a_drill_whose_first_step_can_not_be_enqueued_is_refused_once_and_for_all(
    cloud: Cloud, proxies: Proxies
) -> None:
    disk = await backed_up_disk(cloud)
    async with cloud.app(disk, AzureWebJobsStorage=proxies.storage) as app:
        await app.back_up(disk)
        refusing = [
            proxies.queues.faults.add(Fault("Put Message", f"*/{queue}/messages", refuse=REFUSED))
            for queue in (CONTINUE_RESTORE_QUEUE, CONTINUE_INSPECTION_QUEUE)
        ]
        asked = await ask(cloud, request(disk, **over(disk)))
        restore = await ended(cloud, asked)
        drill = await has_ended(
            cloud, JobKind.DRILL, await ask_for(cloud, JobKind.DRILL, json.dumps({"disk": disk.url}))
        )
        assert all(refused.hits for refused in refusing)
        assert (restore.state, drill.state) == (Stage.REFUSED, Stage.REFUSED)
        assert "send the request again" in restore.reason
        for refused in refusing:
            refused.remove()
        await disk.write(0, pages(2, seed=2))
        # Messages that have got through all the same.
        of_disk = PageBlobDisk(disk.address)
        await cloud.send(RestoreMessage(disk=of_disk, restore=asked))
        await cloud.send(InspectionMessage(disk=of_disk, task=JobKind.DRILL, inspection=drill.inspection))
        await app.back_up(disk)
        await until(app.idle, "the tick")
        assert await restores(cloud) == [restore]
        assert await inspections(cloud, JobKind.DRILL) == [drill]
        assert await cloud.read(disk.blob, disk.account) == disk.expected, "newer data is not written over"


@pytest.mark.nightly
async def test_a_restore_that_can_not_be_put_on_record_is_carried_under_its_id_until_it_can_or_is_given_up(
    cloud: Cloud, proxies: Proxies
) -> None:
    disk = await backed_up_disk(cloud)
    async with cloud.app(disk, AzureWebJobsStorage=proxies.storage) as app:
        await app.back_up(disk)
        closed = proxies.tables.faults.add(Fault("Insert Entity", refuse=REFUSED))
        carried = await ask(cloud, request(disk))
        await until(lambda: cloud.logged(Event.REQUEST_CARRIED), "a request that waits for the table")
        closed.remove()
        restore = await ended(cloud, carried)
        assert restore.state is Stage.DONE
        assert [row.restore for row in await restores(cloud)] == [carried]

        held = proxies.queues.faults.add(Fault("Put Message", f"*/{CONTINUE_RESTORE_QUEUE}/messages", refuse=REFUSED))
        both = proxies.tables.faults.add(Fault("Update Entity", path="*RowKey='restore-*", refuse=REFUSED))
        given_up = await ask(cloud, request(disk, target=f"{disk.url}-2"))
        [restore] = await until(lambda: _of_state(cloud, Stage.REFUSED, both), "the end of the request")
        held.remove()
    assert restore.restore == given_up
    assert sorted(row.restore for row in await restores(cloud)) == sorted([carried, given_up])


async def _of_state(cloud: Cloud, state: Stage, closed: Any) -> list[Any]:
    """Give the rows that have come to a state; the table is open again once the queue has given the request up."""
    if any(found["queue"] == RESTORE_REQUESTS_QUEUE for found in cloud.events(Event.MESSAGE_POISONED)):
        closed.remove()
    return [row for row in await restores(cloud) if row.state is state]


async def test_requests_that_are_given_up_and_have_no_row_get_one(cloud: Cloud) -> None:
    disk = await backed_up_disk(cloud)
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        sent = await cloud.put(f"{DRILL_QUEUE}{POISON_SUFFIX}", json.dumps({"disk": disk.url}))
        drill = await has_ended(cloud, JobKind.DRILL, request_id(sent, b""))
    assert drill.state is Stage.REFUSED
    assert "send the request again" in drill.reason
