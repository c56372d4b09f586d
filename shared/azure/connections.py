"""Clients of the storage services, by key or by identity, with one retry policy and one API version."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.request import getproxies

from azure.core import AsyncPipelineClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy, AsyncRetryPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobClient, BlobServiceClient, ContainerClient
from azure.storage.queue.aio import QueueServiceClient

from shared.azure.app_identity import AppIdentity
from shared.model.addresses import BlobAddress, ContainerAddress
from shared.settings import Settings

# The SDK's default sleeps 18, 24 and 42 s, and each of these counts caps the others. This sleeps about 2, 3, 5 and 9 s.
_RETRIES = 4
_RETRY: dict[str, Any] = {
    "initial_backoff": 1,
    "increment_base": 2,
    "random_jitter_range": 1,
    "retry_total": _RETRIES,
    "retry_status": _RETRIES,
    "retry_connect": _RETRIES,
    "retry_read": _RETRIES,
}
_TIMEOUTS: dict[str, Any] = {"connection_timeout": 20, "read_timeout": 60}
# A range is up to 4 MiB long; azure-core's default block size is 4 KiB.
_READ_AT_ONCE_BYTES = 1024 * 1024
# For paced requests the SDK retries only broken connections: the pace must see every refusal.
PACED: dict[str, Any] = {"retry_status": 0}
# The SDK never retries page reads and clears: a clear that times out may also end in a dropped connection.
NOT_RETRIED: dict[str, Any] = {"retry_total": 0}
RETRY_ONCE: dict[str, Any] = {"retry_total": 1, "retry_status": 1, "retry_connect": 1, "retry_read": 1}


_WAITS_AT_MOST = 180.0
"""Seconds of a `Retry-After` that are waited out: the shorter of the times in which Azure Compute counts requests.

The longer one is half an hour: whoever waited for that would end with the whole worker (host.json, functionTimeout).
"""


class _ManagerRetryPolicy(AsyncRetryPolicy[HttpRequest, AsyncHttpResponse]):
    """Retries, but leaves a long wait to whoever asks later."""

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        """Tell whether to retry."""
        return (self.get_retry_after(response) or 0.0) <= _WAITS_AT_MOST and super().is_retry(settings, response)


class Connections:
    """Makes clients and closes them at the end. Accounts without a connection string are reached by identity."""

    def __init__(self, settings: Settings, stack: contextlib.AsyncExitStack) -> None:
        self._settings = settings
        self._stack = stack
        self._keys = {connection.account: connection.key for connection in settings.storage_connections}
        self._blob_services: dict[str, BlobServiceClient] = {}
        self._manager: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] | None = None
        self._http: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] | None = None
        # One for all accounts: the one that the host storage's setting names.
        self._identity = AppIdentity(settings.host_storage.client_id)

    def account_key(self, account: str) -> str | None:
        """Give an account's shared key, if a connection string has it."""
        key = self._keys.get(account)
        return key.get_secret_value() if key else None

    async def blob_service(self, service_url: str, account: str) -> BlobServiceClient:
        """Give the client of an account's blob service at this URL."""
        if service_url not in self._blob_services:
            key = self.account_key(account)
            client = BlobServiceClient(
                service_url,
                credential=AzureNamedKeyCredential(account, key) if key else self._identity,
                api_version=self._settings.storage_api_version,
                **_RETRY,
                **_TIMEOUTS,
                **_environment(),
            )
            self._blob_services[service_url] = await self._stack.enter_async_context(client)
        return self._blob_services[service_url]

    async def blob(self, blob: BlobAddress, snapshot: str = "") -> BlobClient:
        """Give the client of a blob, or of a snapshot of it."""
        service = await self.blob_service(blob.service_url, blob.account)
        return service.get_blob_client(blob.container, blob.blob, snapshot=snapshot or None)

    async def container(self, container: ContainerAddress) -> ContainerClient:
        """Give the client of a container."""
        service = await self.blob_service(container.service_url, container.account)
        return service.get_container_client(container.container)

    async def queue_service(self) -> QueueServiceClient:
        """Give the client of the host storage's queues."""
        host = self._settings.host_storage
        options = {"api_version": self._settings.storage_api_version, **_RETRY, **_TIMEOUTS, **_environment()}
        if host.connection_string:
            client = QueueServiceClient.from_connection_string(host.connection_string.get_secret_value(), **options)
        else:
            client = QueueServiceClient(str(host.queue_service_url), self._identity, **options)
        return await self._stack.enter_async_context(client)

    async def table_service(self) -> TableServiceClient:
        """Give the client of the host storage's tables. Its default retry policy and API version will do."""
        host, options = self._settings.host_storage, {**_TIMEOUTS, **_environment()}
        if host.connection_string:
            client = TableServiceClient.from_connection_string(host.connection_string.get_secret_value(), **options)
        else:
            client = TableServiceClient(str(host.table_service_url), credential=self._identity, **options)
        return await self._stack.enter_async_context(client)

    async def http(self) -> AsyncPipelineClient[HttpRequest, AsyncHttpResponse]:
        """Give a client for requests that carry their authorization in their URL."""
        if self._http is None:
            self._http = AsyncPipelineClient(
                base_url="",
                policies=[AsyncRetryPolicy(retry_total=_RETRIES)],
                connection_data_block_size=_READ_AT_ONCE_BYTES,
                **_TIMEOUTS,
                **_environment(),
            )
            await self._stack.enter_async_context(self._http)
        return self._http

    async def resource_manager(self) -> AsyncPipelineClient[HttpRequest, AsyncHttpResponse]:
        """Give a client for Azure Resource Manager, by the app's identity."""
        if self._manager is None:
            url = self._settings.resource_manager_url
            self._manager = AsyncPipelineClient(
                base_url=url,
                policies=[
                    _ManagerRetryPolicy(retry_total=_RETRIES),
                    AsyncBearerTokenCredentialPolicy(self._identity, f"{url}/.default"),
                ],
                **_TIMEOUTS,
                **_environment(),
            )
            await self._stack.enter_async_context(self._manager)
        return self._manager


def _environment() -> dict[str, Any]:
    """Use the environment only if it names a proxy.

    Otherwise aiohttp looks for a proxy and a .netrc on each request, in threads: that costs 0.5 ms of CPU, and a
    password for the host in a .netrc would replace the signature.
    """
    return {"use_env_settings": bool(getproxies())}


@contextlib.asynccontextmanager
async def open_connections(settings: Settings) -> AsyncIterator[Connections]:
    """Open the connections of one invocation."""
    async with contextlib.AsyncExitStack() as stack:
        yield Connections(settings, stack)
