"""The queue service of a `connection`: a connection string, or an address and an identity."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any
from urllib.request import getproxies

from azure.identity.aio import DefaultAzureCredential
from azure.storage.queue.aio import QueueServiceClient

from infra.local.host.settings import StartError

# Waits of 1, 2 and 2 seconds: the SDK's defaults of 18, 24 and 42 would outlast a short message lease.
_RETRIES: dict[str, Any] = {"initial_backoff": 1, "increment_base": 1, "random_jitter_range": 0}
AGENT = "functions-host"
"""How the host's requests begin their User-Agent, in whose process the app runs."""

# If enabled, aiohttp reads the environment at each poll, in threads.
_OPTIONS: dict[str, Any] = {**_RETRIES, "use_env_settings": bool(getproxies()), "user_agent": AGENT}


async def connect(connection: str, environment: Mapping[str, str], stack: AsyncExitStack) -> QueueServiceClient:
    """Open the queue service that the app settings of this connection name; `stack` closes it.

    Raises:
        StartError: none of the settings is set, or the connection string is invalid.
    """
    if text := environment.get(connection):
        try:
            return await stack.enter_async_context(QueueServiceClient.from_connection_string(text, **_OPTIONS))
        except ValueError as error:
            raise StartError(f"The app setting {connection} is not a connection string: {error}") from None
    address = environment.get(f"{connection}__queueServiceUri")
    if account := environment.get(f"{connection}__accountName"):
        address = address or f"https://{account}.queue.core.windows.net"
    if not address:
        raise StartError(
            f"The app setting {connection} is not set, and neither is {connection}__queueServiceUri"
            f" or {connection}__accountName."
        )
    credential = DefaultAzureCredential(managed_identity_client_id=environment.get(f"{connection}__clientId"))
    await stack.enter_async_context(credential)
    return await stack.enter_async_context(QueueServiceClient(address, credential, **_OPTIONS))
