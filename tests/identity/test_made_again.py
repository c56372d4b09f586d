"""Queues and tables that somebody deletes are made again, by two calls a tick when none is missing."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest

from infra.local.gateway import Interceptor
from infra.local.identity_azure import IdentityAzure
from infra.local.local_azure import APP
from shared.azure.kept_connections import KeptConnections
from shared.azure.queues import QUEUES
from shared.azure.services import Services, open_services
from shared.model.disk import Disk
from shared.model.messages import BatchMessage, FinishMessage, PlanMessage
from shared.model.names import BACKUPS_TABLE, MANAGE_QUEUE, PARTS_TABLE, PLAN_CHANGES_QUEUE
from shared.settings import Settings

RUN = "2026-11-22T10:00:00.1234567Z"
LOOKS = {"List Queues": 1, "Query Tables": 1}


@pytest.fixture
async def services(azure: IdentityAzure, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Services]:
    """Those of an app, by its identity, when nothing is missing."""
    chosen = azure.app_settings(["https://account.blob.core.windows.net/vhds/disk.vhd"])
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", azure.trusted())
    settings = Settings.model_validate(chosen | {name.lower(): value for name, value in chosen.items()})
    async with contextlib.aclosing(KeptConnections()) as kept, open_services(settings, kept) as opened:
        await opened.ensure()
        yield opened


class Asked:
    """What the app has asked of queues and tables since it was last looked at."""

    def __init__(self, azure: IdentityAzure) -> None:
        self._seen = Interceptor(lambda _: True, 0, "before", lambda: None)
        azure.queue_proxy.interceptor = azure.table_proxy.interceptor = self._seen

    def counts(self) -> Counter[str]:
        found = Counter(made.operation for _, made in self._seen.calls if made.caller == APP.name)
        self._seen.calls.clear()
        return found


@pytest.fixture
def asked(azure: IdentityAzure, services: Services) -> Iterator[Asked]:
    assert services
    yield Asked(azure)
    azure.queue_proxy.interceptor = azure.table_proxy.interceptor = None


async def test_what_somebody_has_deleted_is_made_again_and_to_look_takes_two_calls(
    azure: IdentityAzure, services: Services, asked: Asked
) -> None:
    await services.ensure()
    assert asked.counts() == LOOKS
    async with azure.queues() as queues, azure.tables() as tables:
        await queues.delete_queue(MANAGE_QUEUE)
        await tables.delete_table(PARTS_TABLE)
        asked.counts()
        await services.ensure()
        assert asked.counts() == LOOKS | {"Create Queue": 1, "Create Table": 1}
        assert {*QUEUES} <= {queue.name async for queue in queues.list_queues()}
        assert {BACKUPS_TABLE, PARTS_TABLE} <= {table.name async for table in tables.list_tables()}


async def test_a_queue_that_is_deleted_between_ticks_is_made_by_the_next_message(
    azure: IdentityAzure, services: Services, asked: Asked
) -> None:
    message = PlanMessage(disk=Disk.parse("https://account.blob.core.windows.net/vhds/disk.vhd"), run=RUN)
    async with azure.queues() as queues:
        await queues.delete_queue(PLAN_CHANGES_QUEUE)
        asked.counts()
        await services.queues.send(message)
        assert asked.counts() == {"Put Message": 2, "Create Queue": 1}
        [sent] = [found async for found in queues.get_queue_client(PLAN_CHANGES_QUEUE).receive_messages()]
    assert PlanMessage.read(str(sent.content).encode()) == message
    await services.queues.send(FinishMessage(disk=message.disk, run=RUN))
    assert asked.counts()["Put Message"] == 1, "to a queue that is there"


async def test_in_a_queue_that_somebody_has_deleted_no_message_waits(azure: IdentityAzure, services: Services) -> None:
    async with azure.queues() as queues:
        await queues.delete_queue("copy-ranges")
    assert not await services.queues.is_any_waiting(BatchMessage)
    await services.ensure()
