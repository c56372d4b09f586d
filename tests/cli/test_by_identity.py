"""The real program without a key: somebody is signed in, and may do what their roles say."""

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from infra.local.gateway.roles import QUEUE_MESSAGE_SENDER, TABLE_DATA_READER, Assignment, Role
from infra.local.identity.token_endpoint import run_token_endpoint
from infra.local.identity.tokens import Principal
from infra.local.identity_azure import IdentityAzure
from infra.local.local_azure import HOST
from shared.azure.tables.status import APP_ROW, STATUS_PARTITION
from shared.model.disk import Disk
from shared.model.names import BACKUPS_TABLE, VERIFY_QUEUE
from shared.model.report import AppReport, DiskReport, State
from shared.model.schema import with_schema
from tests.cli.conftest import WIDE, Done, typed
from tests.cli.schema import read

OPERATOR = Principal.named("operator")
DISK = Disk.parse("https://account.blob.core.windows.net/vhds/os.vhd")


@dataclass(frozen=True)
class Operator:
    """Somebody who is signed in, with the program and no key."""

    azure: IdentityAzure
    environment: dict[str, str]

    def may(self, role: Role, scope: str) -> None:
        self.azure.authorizer.roles.given.append(Assignment(OPERATOR, role, scope))

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
    async with azure.tables() as tables, azure.queues() as queues, run_token_endpoint(azure.issuer, OPERATOR) as tokens:
        table, queue = await tables.create_table(BACKUPS_TABLE), await queues.create_queue(VERIFY_QUEUE)
        for key, report in told.items():
            row = {"PartitionKey": STATUS_PARTITION, "RowKey": key, **with_schema({"report": report})}
            await table.create_entity(row)
        where = f"TableEndpoint={azure.table_proxy.url}/{HOST.name};QueueEndpoint={azure.queue_proxy.url}/{HOST.name}"
        environment = {
            "PATH": os.environ["PATH"],
            "TIDEMARK_STORAGE": f"AccountName={HOST.name};{where}",
            "TIDEMARK_CONFIG": str(tmp_path / "cli.json"),
            "AZURE_CLIENT_ID": OPERATOR.client_id,
            "SSL_CERT_FILE": str(azure.certificates.authority),
            "COLUMNS": str(WIDE),
            **tokens.settings,
        }
        yield Operator(azure, environment)
        await tables.delete_table(BACKUPS_TABLE)
        await queue.delete_queue()


async def test_who_is_signed_in_looks_and_asks_as_far_as_their_roles_go(operator: Operator) -> None:
    refused = await operator.types("check", "--json")
    assert "refuses you. What to do: sign in as somebody with the role 'Storage Table Data Reader'" in read(
        refused.json, 3
    )
    operator.may(TABLE_DATA_READER, f"/{HOST.name}")
    assert [disk.state for disk in read((await operator.types("status", "os", "--json")).json, 0).disks] == ["safe"]
    refused = await operator.types("verify", "os", "--json")
    assert "the role 'Storage Queue Data Message Sender'" in read(refused.json, 3)
    operator.may(QUEUE_MESSAGE_SENDER, f"/{HOST.name}/{VERIFY_QUEUE}")
    [asked] = read((await operator.types("verify", "os", "--json")).json, 0).asked
    async with operator.azure.queues() as queues:
        [sent] = [message async for message in queues.get_queue_client(VERIFY_QUEUE).receive_messages()]
    assert json.loads(sent.content) == json.loads(asked.message) == {"disk": DISK.name, "point": "latest"}
