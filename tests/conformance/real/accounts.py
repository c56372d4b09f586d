"""Storage accounts as somebody names them on a command line: by name, to be reached by identity, or by key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.data.tables import TableServiceClient as TableServiceUrl
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob import BlobServiceClient as BlobServiceUrl
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue import QueueServiceClient as QueueServiceUrl
from azure.storage.queue.aio import QueueServiceClient
from pydantic import SecretStr

from shared.azure.app_identity import AppIdentity
from shared.azure.signatures import Signed, sign_by_delegation, sign_by_key
from shared.limits import STORAGE_API_VERSION
from shared.model.addresses import BlobAddress
from shared.storage_access import StorageConnection

_SIGNED_BEFORE, _SIGNED_FOR = timedelta(minutes=15), timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Account:
    """A storage account.

    Attributes:
        name: its name.
        blob_url: the URL of its blob service, without a slash at the end; the others likewise.
        connection_string: by which it is reached; None for an identity.
        credential: the identity; the one that `DefaultAzureCredential` finds, unless a test has another.
        options: more options for its clients, as a test needs.
    """

    name: str
    blob_url: str
    queue_url: str
    table_url: str
    connection_string: SecretStr | None = None
    credential: AsyncTokenCredential | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def by_identity(cls, name: str, suffix: str) -> Self:
        """Name an account of a cloud, to be reached by identity.

        Raises:
            ValueError: no account can be called that.
        """
        if not (name.isascii() and name.isalnum() and name == name.lower()):
            raise ValueError(f"{name} is not the name of a storage account: lower-case letters and digits")
        blobs, queues, tables = (f"https://{name}.{service}.{suffix}" for service in ("blob", "queue", "table"))
        return cls(name, blobs, queues, tables)

    @classmethod
    def by_connection_string(cls, text: str) -> Self:
        """Read a connection string.

        Raises:
            ValueError: it has no account name or key; the message shows neither.
        """
        name = StorageConnection.parse(text).account
        urls = []
        for service in (BlobServiceUrl, QueueServiceUrl, TableServiceUrl):
            with service.from_connection_string(text) as client:
                urls.append(str(client.url).rstrip("/"))
        blobs, queues, tables = urls
        return cls(name, blobs, queues, tables, connection_string=SecretStr(text))

    @property
    def key(self) -> str | None:
        """Its key, where a connection string gives it."""
        if self.connection_string is None:
            return None
        return StorageConnection.parse(self.connection_string.get_secret_value()).key.get_secret_value()

    @property
    def how(self) -> str:
        """How it is reached, in words."""
        return "key" if self.connection_string else "identity"

    def blobs(self, **options: Any) -> BlobServiceClient:
        """Make a client of its blobs."""
        return BlobServiceClient(
            self.blob_url, self._credential(), api_version=STORAGE_API_VERSION, **self.options, **options
        )

    def queues(self) -> QueueServiceClient:
        """Make a client of its queues."""
        return QueueServiceClient(self.queue_url, self._credential(), api_version=STORAGE_API_VERSION, **self.options)

    def tables(self) -> TableServiceClient:
        """Make a client of its tables."""
        return TableServiceClient(self.table_url, credential=self._credential(), **self.options)

    async def sign(self, service: BlobServiceClient, blob: BlobAddress, snapshot: str, version: str) -> str:
        """Sign the reading of a blob or snapshot as the app does; give the URL."""
        now = datetime.now(UTC)
        signed = Signed(blob, snapshot, now - _SIGNED_BEFORE, now + _SIGNED_FOR, version)
        if self.key:
            query = sign_by_key(signed, self.key)
        else:
            key = await service.get_user_delegation_key(signed.start, signed.expiry)
            query = sign_by_delegation(signed, key)
        return f"{blob.url}?{f'snapshot={snapshot}&' if snapshot else ''}{query}"

    def _credential(self) -> Any:
        return AzureNamedKeyCredential(self.name, self.key) if self.key else self.credential or AppIdentity(None)
