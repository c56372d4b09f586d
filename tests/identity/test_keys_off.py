"""Keys are off: no account key, nothing signed with one, nothing without authorisation, no token of others."""

import ssl
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.exceptions import HttpResponseError
from azure.data.tables import AccountSasPermissions as TableSasPermissions
from azure.data.tables import ResourceTypes as TableResourceTypes
from azure.data.tables import generate_account_sas as generate_table_sas
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas, generate_container_sas
from azure.storage.blob.aio import BlobServiceClient, ContainerClient
from azure.storage.queue.aio import QueueServiceClient

from infra.local.identity.tokens import STORAGE, TokenIssuer
from infra.local.identity_azure import OWNER, IdentityAzure
from infra.local.local_azure import BLOB_API_VERSION, DISKS, HOST

EXPIRY = datetime.now(UTC) + timedelta(hours=1)
OFF = "KeyBasedAuthenticationNotPermitted"
ALL_RESOURCES = ResourceTypes(service=True, container=True, object=True)


def options(azure: IdentityAzure) -> dict[str, Any]:
    return {"connection_verify": str(azure.certificates.authority), "retry_total": 0}


async def test_an_account_key_opens_no_blob_queue_or_table(azure: IdentityAzure) -> None:
    key, verify = AzureNamedKeyCredential(HOST.name, HOST.key), options(azure)
    async with (
        BlobServiceClient(azure.blob_url(HOST), key, api_version=BLOB_API_VERSION, **verify) as blobs,
        QueueServiceClient(f"{azure.queue_proxy.url}/{HOST.name}", key, **verify) as queues,
        TableServiceClient(f"{azure.table_proxy.url}/{HOST.name}", credential=key, **verify) as tables,
    ):
        for refused in (
            blobs.create_container("by-key"),
            blobs.get_blob_client("vhds", "disk.vhd").upload_blob(b""),
            queues.create_queue("by-key"),
            tables.create_table("bykey"),
        ):
            with pytest.raises(HttpResponseError) as raised:
                await refused
            assert (raised.value.status_code, raised.value.error_code) == (403, OFF)  # type: ignore[attr-defined]


async def test_what_is_signed_with_an_account_key_opens_nothing(
    azure: IdentityAzure, container: ContainerClient
) -> None:
    may = AccountSasPermissions(read=True, list=True)
    by_account = generate_account_sas(DISKS.name, DISKS.key, ALL_RESOURCES, may, EXPIRY)
    by_service = generate_container_sas(
        DISKS.name, container.container_name, account_key=DISKS.key, permission="rl", expiry=EXPIRY
    )
    for sas in (by_account, by_service):
        async with ContainerClient.from_container_url(f"{container.url}?{sas}", **options(azure)) as client:
            with pytest.raises(HttpResponseError) as raised:
                [blob async for blob in client.list_blobs()]
            assert (raised.value.status_code, raised.value.error_code) == (403, OFF)  # type: ignore[attr-defined]
    key = AzureNamedKeyCredential(HOST.name, HOST.key)
    sas = generate_table_sas(key, TableResourceTypes(service=True), TableSasPermissions(read=True), EXPIRY)
    url = f"{azure.table_proxy.url}/{HOST.name}"
    async with TableServiceClient(url, credential=AzureSasCredential(sas), **options(azure)) as tables:
        with pytest.raises(HttpResponseError) as raised:
            [table async for table in tables.list_tables()]
        assert raised.value.status_code == 403
    assert azure.authorizer.refused[OFF]


async def test_without_authorisation_nothing_is_told(
    http: aiohttp.ClientSession, azure: IdentityAzure, container: ContainerClient
) -> None:
    queue, tables = f"{azure.queue_proxy.url}/{HOST.name}/any", f"{azure.table_proxy.url}/{HOST.name}/Tables"
    for url in (container.url, queue, tables):
        async with http.get(url) as answer:
            assert (answer.status, answer.headers["x-ms-error-code"]) == (401, "NoAuthenticationInformation")


@pytest.mark.parametrize("wrong", ["expired", "of another issuer", "for another resource", "no token"])
async def test_a_token_that_is_not_right_opens_nothing(
    http: aiohttp.ClientSession, azure: IdentityAzure, container: ContainerClient, wrong: str
) -> None:
    now = int(time.time())
    token = {
        "expired": azure.issuer.make(OWNER, STORAGE, now - 25 * 60 * 60).text,
        "of another issuer": TokenIssuer().issue(OWNER).text,
        "for another resource": azure.issuer.make(OWNER, "https://vault.azure.net", now).text,
        "no token": "e30.e30.e30",
    }[wrong]
    headers = {"Authorization": f"Bearer {token}", "x-ms-version": BLOB_API_VERSION}
    async with http.get(f"{container.url}?restype=container", headers=headers) as answer:
        assert (answer.status, answer.headers["x-ms-error-code"]) == (401, "InvalidAuthenticationInfo")
    headers["Authorization"] = f"Bearer {azure.issuer.make(OWNER, STORAGE, now).text}"
    async with http.get(f"{container.url}?restype=container", headers=headers) as answer:
        assert answer.status == 200


async def test_who_does_not_trust_the_authority_does_not_connect(azure: IdentityAzure) -> None:
    async with aiohttp.ClientSession() as http:
        for url in (azure.gateway.url, azure.queue_proxy.url, azure.table_proxy.url, azure.azurite.blob_url):
            with pytest.raises(aiohttp.ClientConnectorCertificateError) as raised:
                await http.get(url)
            assert isinstance(raised.value.certificate_error, ssl.SSLCertVerificationError)
