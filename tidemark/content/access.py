"""Access to recovery points and disks from outside the app: by a person's identity, or by connection strings."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.azure.blobs.reading import BlobReader
from shared.azure.connections import Connections, open_connections
from shared.azure.sources.source import Reader
from shared.limits import STORAGE_API_VERSION
from shared.settings import Settings
from shared.storage_access import StorageConnection
from tidemark.content.errors import AccessError

# The settings of an app that reads blobs and nothing else: none of these is ever asked for.
_UNUSED = {
    "backup_schedule": "0 0 */12 * * *",
    "backup_container": "https://unused.blob.core.windows.net/unused",
    "source_disks": "https://unused.blob.core.windows.net/disks/*.vhd",
    "AzureWebJobsStorage__accountName": "unused",
}


def _utc_now() -> datetime:
    return datetime.now(UTC)


async def _sleep(duration: timedelta) -> None:
    await asyncio.sleep(duration.total_seconds())


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading versions takes.

    Attributes:
        pages: reads disks and backups.
        now: the clock, UTC.
        sleep: waits for a while.
    """

    pages: Reader
    now: Callable[[], datetime] = _utc_now
    sleep: Callable[[timedelta], Awaitable[None]] = _sleep


@contextlib.asynccontextmanager
async def open_accounts(connection_strings: Sequence[str] = (), client_id: str = "") -> AsyncIterator[Connections]:
    """Open storage accounts; those without a connection string are reached by `DefaultAzureCredential`.

    Args:
        connection_strings: with the account's name and key; the URLs of what is read say where it is.
        client_id: that of a user-assigned managed identity; empty for whoever is signed in.

    Raises:
        AccessError: a connection string is not one.
    """
    try:
        connections = [StorageConnection.parse(text) for text in connection_strings]
    except ValueError as error:
        raise AccessError(f"a connection string can't be used: it {error}") from None
    settings = Settings.model_validate(
        {**_UNUSED, "storage_connections": connections, "AzureWebJobsStorage__clientId": client_id or None}
    )
    async with open_connections(settings) as opened:
        yield opened


@contextlib.asynccontextmanager
async def open_reader(connection_strings: Sequence[str] = (), client_id: str = "") -> AsyncIterator[BlobReader]:
    """Open a reader of blobs in such accounts.

    Raises:
        AccessError: a connection string is not one.
    """
    async with open_accounts(connection_strings, client_id) as opened:
        yield BlobReader(opened, STORAGE_API_VERSION)
