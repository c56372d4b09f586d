"""Managed disks where keys are off: the app's identity calls the resource manager, and copies what a SAS opens."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.core import AsyncPipelineClient
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy, AsyncRetryPolicy
from azure.core.rest import HttpRequest
from azure.identity.aio import DefaultAzureCredential
from azure.storage.blob.aio import BlobClient, BlobServiceClient

from infra.local.disks.vhd import FOOTER_BYTES, MIB
from infra.local.gateway.roles import Role
from infra.local.identity.tokens import TokenCredential
from infra.local.identity_azure import IdentityAzure
from infra.local.local_azure import APP, BACKUP_CONTAINER, BACKUPS, BLOB_API_VERSION
from infra.local.managed_disks import API_VERSION, Disk, ManagedDisks

BLOCK = 4096
BACKUP = Role(
    "Managed disk backup",
    (
        "Microsoft.Compute/disks/read",
        "Microsoft.Compute/disks/beginGetAccess/action",
        "Microsoft.Compute/snapshots/*",
    ),
)
Client = AsyncPipelineClient[HttpRequest, Any]


@pytest.fixture
async def managed(azure: IdentityAzure) -> AsyncIterator[ManagedDisks]:
    async with azure.managed_disks() as running:
        running.roles.clear()
        yield running


@pytest.fixture
async def disk(managed: ManagedDisks) -> Disk:
    disk = await managed.create_disk("data", MIB)
    await disk.write(0, b"x" * BLOCK)
    return disk


@pytest.fixture
async def client(managed: ManagedDisks, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """The resource manager, by a client with the app's environment and nothing else."""
    trusted = managed.settings["SSL_CERT_FILE"]
    for name, value in managed.settings.items():
        monkeypatch.setenv(name, value)
    async with DefaultAzureCredential() as credential:
        signing = AsyncBearerTokenCredentialPolicy(credential, "https://management.azure.com/.default")
        policies = [AsyncRetryPolicy(retry_total=0), signing]
        async with AsyncPipelineClient[HttpRequest, Any](
            managed.url, policies=policies, connection_verify=trusted
        ) as pipeline:
            yield pipeline


async def call(client: Client, method: str, path: str, body: Any = None) -> Any:
    url = client.format_url(path)
    return await client.send_request(HttpRequest(method, url, params={"api-version": API_VERSION}, json=body))


async def test_the_app_backs_a_disk_up_by_its_identity(
    azure: IdentityAzure, managed: ManagedDisks, disk: Disk, client: Client
) -> None:
    path = f"{disk.id.scope}/providers/Microsoft.Compute/snapshots/first"
    properties = {"creationData": {"createOption": "Copy", "sourceResourceId": disk.id.text}, "incremental": True}
    body = {"location": disk.location, "properties": properties}
    assert (await call(client, "PUT", path, body)).status_code == 403
    managed.give(APP, BACKUP, disk.id.scope)
    assert (await call(client, "PUT", path, body)).status_code == 202
    begun = await call(client, "POST", f"{path}/beginGetAccess", {"access": "Read", "durationInSeconds": 3600})
    ended = (await client.send_request(HttpRequest("GET", begun.headers["Azure-AsyncOperation"]))).json()
    url = ended["properties"]["output"]["accessSAS"]
    assert url.startswith(f"{azure.gateway.url}/md-")
    backup = await made_backup(azure)
    async with BlobServiceClient(
        azure.blob_url(BACKUPS),
        TokenCredential(azure.issuer, APP),
        api_version=BLOB_API_VERSION,
        connection_verify=str(azure.certificates.authority),
    ) as service:
        target = service.get_blob_client(BACKUP_CONTAINER, str(backup.blob_name))
        await target.upload_pages_from_url(url, 0, BLOCK, 0)
        await target.upload_pages_from_url(url, MIB, FOOTER_BYTES, MIB)
        copied = await (await target.download_blob()).readall()
    assert copied[:BLOCK] == b"x" * BLOCK
    assert copied[MIB:].startswith(b"conectix")


async def made_backup(azure: IdentityAzure) -> BlobClient:
    async with azure.blobs(BACKUPS) as service:
        container = service.get_container_client(BACKUP_CONTAINER)
        if not await container.exists():
            await container.create_container()
        blob = container.get_blob_client("of-a-managed-disk.vhd")
        await blob.create_page_blob(MIB + FOOTER_BYTES)
        return blob


async def test_a_credential_gives_tokens_for_what_its_scope_names(azure: IdentityAzure) -> None:
    credential = TokenCredential(azure.issuer, APP)
    for scope, resource in (
        ("https://management.azure.com/.default", "https://management.azure.com"),
        ("https://disk.azure.com//.default", "https://disk.azure.com/"),
    ):
        token = await credential.get_token(scope)
        assert azure.issuer.object_id(token.token, frozenset({resource})) == APP.object_id
