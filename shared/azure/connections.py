"""Clients of the storage services, by key or by identity, with one retry policy, one API version and one transport."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.request import getproxies

import aiohttp
from azure.core import AsyncPipelineClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy, AsyncRetryPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobClient, BlobServiceClient, ContainerClient
from azure.storage.queue.aio import QueueServiceClient

from shared.azure.app_identity import AppIdentity, Tokens
from shared.azure.delegation_keys import DelegationKeys
from shared.azure.direct import Direct
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
_CONNECTS_WITHIN, _ANSWERS_WITHIN = 20, 60
_TIMEOUTS: dict[str, Any] = {"connection_timeout": _CONNECTS_WITHIN, "read_timeout": _ANSWERS_WITHIN}
# A range is up to 4 MiB long; azure-core's default block size is 4 KiB.
_READ_AT_ONCE_BYTES = 1024 * 1024
# For paced requests the SDK retries only broken connections: the pace must see every refusal.
PACED: dict[str, Any] = {"retry_status": 0}
# The SDK never retries page reads and clears: a clear that times out may also end in a dropped connection.
NOT_RETRIED: dict[str, Any] = {"retry_total": 0}
RETRY_ONCE: dict[str, Any] = {"retry_total": 1, "retry_status": 1, "retry_connect": 1, "retry_read": 1}


MOST_CONNECTIONS = 256
"""Connections to one host at most: a tick asks for all disks at once. A host that is down holds up no other's."""

_WAITS_AT_MOST = 180.0
"""Seconds of a `Retry-After` that are waited out: the shorter of the times in which Azure Compute counts requests.

The longer one is half an hour: whoever waited for that would end with the whole worker (host.json, functionTimeout).
"""


async def _send_again(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send a POST once more if its connection, kept from an earlier request, was closed before an answer.

    aiohttp does so with every other method, but neither it nor azure-core with a POST, which might take effect twice.
    All of the app's may: rows are written on the condition of their ETag, and messages come more than once anyway.
    """
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
        if request.method != "POST":
            raise
        return await send(request)


class _ManagerRetryPolicy(AsyncRetryPolicy[HttpRequest, AsyncHttpResponse]):
    """Retries, but leaves a long wait to whoever asks later."""

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        """Tell whether to retry."""
        return (self.get_retry_after(response) or 0.0) <= _WAITS_AT_MOST and super().is_retry(settings, response)


class Connections:
    """Makes clients, of which there is one a service. Accounts without a connection string are reached by identity.

    All clients share one transport, so none of them needs closing.

    Attributes:
        delegation_keys: those that its URLs were signed by.
        direct: makes the first tries of requests that are made often.
    """

    def __init__(self, settings: Settings, session: aiohttp.ClientSession, tokens: Tokens) -> None:
        self.delegation_keys = DelegationKeys()
        self._settings = settings
        self._keys = {connection.account: connection.key for connection in settings.storage_connections}
        self._blob_services: dict[str, BlobServiceClient] = {}
        self._queues: QueueServiceClient | None = None
        self._tables: TableServiceClient | None = None
        self._manager: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] | None = None
        self._http: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] | None = None
        self._transport = AioHttpTransport(
            session=session, session_owner=False, connection_data_block_size=_READ_AT_ONCE_BYTES, **_TIMEOUTS
        )
        # One for all accounts: the one that the host storage's setting names.
        self._identity = AppIdentity(settings.host_storage.client_id, tokens)
        self.direct = Direct(
            session,
            aiohttp.ClientTimeout(sock_connect=_CONNECTS_WITHIN, sock_read=_ANSWERS_WITHIN),
            self._identity,
            {account: key.get_secret_value() for account, key in self._keys.items()},
            settings.storage_api_version,
        )

    def account_key(self, account: str) -> str | None:
        """Give an account's shared key, if a connection string has it."""
        key = self._keys.get(account)
        return key.get_secret_value() if key else None

    async def blob_service(self, service_url: str, account: str) -> BlobServiceClient:
        """Give the client of an account's blob service at this URL."""
        if service_url not in self._blob_services:
            key = self.account_key(account)
            self._blob_services[service_url] = BlobServiceClient(
                service_url,
                credential=AzureNamedKeyCredential(account, key) if key else self._identity,
                api_version=self._settings.storage_api_version,
                transport=self._transport,
                **_RETRY,
            )
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
        if self._queues is None:
            host = self._settings.host_storage
            options = {"api_version": self._settings.storage_api_version, "transport": self._transport, **_RETRY}
            if host.connection_string:
                text = host.connection_string.get_secret_value()
                self._queues = QueueServiceClient.from_connection_string(text, **options)
            else:
                self._queues = QueueServiceClient(str(host.queue_service_url), self._identity, **options)
        return self._queues

    async def table_service(self) -> TableServiceClient:
        """Give the client of the host storage's tables. Its default retry policy and API version will do."""
        if self._tables is None:
            host, transport = self._settings.host_storage, self._transport
            if host.connection_string:
                text = host.connection_string.get_secret_value()
                self._tables = TableServiceClient.from_connection_string(text, transport=transport)
            else:
                url = str(host.table_service_url)
                self._tables = TableServiceClient(url, credential=self._identity, transport=transport)
        return self._tables

    async def http(self) -> AsyncPipelineClient[HttpRequest, AsyncHttpResponse]:
        """Give a client for requests that carry their authorization in their URL."""
        if self._http is None:
            policies = [AsyncRetryPolicy(retry_total=_RETRIES)]
            self._http = AsyncPipelineClient(base_url="", policies=policies, transport=self._transport)
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
                transport=self._transport,
            )
        return self._manager


@contextlib.asynccontextmanager
async def open_connections(settings: Settings, tokens: Tokens | None = None) -> AsyncIterator[Connections]:
    """Open connections that are closed at the end of the block.

    Requests wait for one of `MOST_CONNECTIONS` to their host. One that nothing was sent over for 15 seconds is closed:
    that is aiohttp's default. One that the service has closed is opened anew.

    Args:
        settings: the app settings.
        tokens: the identity's tokens so far; none if None.
    """
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=MOST_CONNECTIONS),
        middlewares=(_send_again,),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # as the SDK's own, which decodes what it is to decode
        # The environment is used only if it names a proxy. Otherwise aiohttp would look for a proxy and a .netrc on
        # each request, in threads: that costs 0.5 ms of CPU, and a password in a .netrc would replace the signature.
        trust_env=bool(getproxies()),
    )
    async with session:
        yield Connections(settings, session, tokens or Tokens())
