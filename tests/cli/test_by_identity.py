"""The real program without a key: somebody is signed in, and may do what their roles say."""

import contextlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError
from pydantic import TypeAdapter

from infra.local.identity_azure import OPERATOR_ROLES, IdentityAzure
from shared.azure.tables.status import APP_ROW, STATUS_PARTITION
from shared.model.disk import Disk
from shared.model.names import BACKUPS_TABLE, VERIFY_QUEUE
from shared.model.report import AppReport, DiskReport, State
from shared.model.schema import with_schema
from tests.cli.conftest import WIDE, Done, typed
from tests.cli.schema import read

DISK = Disk.parse("https://account.blob.core.windows.net/vhds/os.vhd")


@dataclass(frozen=True)
class Operator:
    """Somebody who is signed in, with the program and no key."""

    azure: IdentityAzure
    environment: dict[str, str]

    async def types(self, *arguments: str) -> Done:
        return await typed(arguments, self.environment)


@pytest.fixture
async def operator(identity_azure: IdentityAzure, _roles_as_at_first: None, tmp_path: Path) -> AsyncIterator[Operator]:
    """An operator without a role, of an app that has one disk on record; nobody runs it."""
    azure, now = identity_azure, datetime.now(UTC)
    app = AppReport(last_tick=now, tick_result="succeeded", disks=1, next_tick=now + timedelta(hours=12))
    disk = DiskReport(disk=DISK.name, state=State.SAFE, since=now, good_point=f"{now:%Y-%m-%dT%H:%M:%S}.0000000Z")
    told = {
        APP_ROW: TypeAdapter(AppReport).dump_json(app).decode(),
        DISK.key: TypeAdapter(DiskReport).dump_json(disk).decode(),
    }
    async with azure.tables() as tables, azure.queues() as queues, azure.sign_in() as access:
        await tables.delete_table(BACKUPS_TABLE)  # another test may have left its rows, and its messages
        with contextlib.suppress(ResourceNotFoundError):
            await queues.delete_queue(VERIFY_QUEUE)
        table, queue = await tables.create_table(BACKUPS_TABLE), await queues.create_queue(VERIFY_QUEUE)
        for key, report in told.items():
            row = {"PartitionKey": STATUS_PARTITION, "RowKey": key, **with_schema({"report": report})}
            await table.create_entity(row)
        settings = {"PATH": os.environ["PATH"], "TIDEMARK_CONFIG": str(tmp_path / "cli.json"), "COLUMNS": str(WIDE)}
        yield Operator(azure, settings | access)
        await tables.delete_table(BACKUPS_TABLE)
        await queue.delete_queue()


async def test_who_is_signed_in_looks_and_asks_as_far_as_their_roles_go(operator: Operator) -> None:
    refused = await operator.types("check", "--json")
    assert "refuses you. What to do: sign in as somebody with the role 'Storage Table Data Reader'" in read(
        refused.json, 3
    )
    reads, *sends = OPERATOR_ROLES
    operator.azure.give_operator(reads)
    assert [disk.state for disk in read((await operator.types("status", "os", "--json")).json, 0).disks] == ["safe"]
    refused = await operator.types("verify", "os", "--json")
    assert "the role 'Storage Queue Data Message Sender'" in read(refused.json, 3)
    operator.azure.give_operator(*sends)
    [asked] = read((await operator.types("verify", "os", "--json")).json, 0).asked
    async with operator.azure.queues() as queues:
        [sent] = [message async for message in queues.get_queue_client(VERIFY_QUEUE).receive_messages()]
    assert json.loads(sent.content) == json.loads(asked.message) == {"disk": DISK.name, "point": "latest"}
