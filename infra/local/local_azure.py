"""The local Azure: Azurite, the gateway before its blobs, and the addresses and settings that an app needs of it."""

import contextlib
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from azure.data.tables.aio import TableServiceClient
from azure.storage.blob import BlobSasPermissions, generate_blob_sas
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from infra.local.azurite import Account, Azurite, run_azurite
from infra.local.gateway import Gateway, run_gateway
from infra.local.identity.certificates import make_certificates
from infra.local.identity.token_endpoint import run_token_endpoint
from infra.local.identity.tokens import Principal, TokenIssuer
from infra.local.managed_disks import MANAGED_DISKS, ManagedDisks, run_managed_disks

ROOT = Path(__file__).resolve().parents[2]
HOST = Account.named("hoststorage")
DISKS = Account.named("disks")
MORE_DISKS = Account.named("moredisks")
BACKUPS = Account.named("backups")
ACCOUNTS = (HOST, DISKS, MORE_DISKS, BACKUPS)
BEHIND_MANAGED_DISKS = (*ACCOUNTS, MANAGED_DISKS)
"""The accounts of the gateway: of those of managed disks, the app sees only what a SAS opens."""

BACKUP_CONTAINER = "disk-backups"
BLOB_API_VERSION = "2025-11-05"
APP = Principal.named("app")
"""The function app, by its user-assigned identity."""

_READ_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class LocalAzure:
    """A running local Azure.

    Attributes:
        azurite: the storage behind it; its blobs are to be reached through the gateway.
        gateway: the blob service as the app sees it.
        folder: where the data lies.
    """

    azurite: Azurite
    gateway: Gateway
    folder: Path

    def blob_url(self, account: Account) -> str:
        """Give the URL of an account's blob service."""
        return f"{self.gateway.url}/{account.name}"

    def connection_string(self, account: Account, *, queue_url: str = "", table_url: str = "") -> str:
        """Give an account's connection string, for the SDK, `az` and the app settings.

        Args:
            account: the account.
            queue_url: where its queues are to be reached, by a proxy; Azurite's own address when empty.
            table_url: the same for its tables.
        """
        return (
            f"DefaultEndpointsProtocol=http;AccountName={account.name};AccountKey={account.key};"
            f"BlobEndpoint={self.blob_url(account)};"
            f"QueueEndpoint={queue_url or self.azurite.queue_url}/{account.name};"
            f"TableEndpoint={table_url or self.azurite.table_url}/{account.name};"
        )

    def app_settings(self, source_disks: Sequence[str | dict[str, Any]], **others: str) -> dict[str, str]:
        """Give the app settings that back these disks up; `others` are added as they are.

        Ticks are twelve hours apart, and none is due for hours: whoever needs one sets the timer off.
        """
        return {
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "BACKUP_SCHEDULE": schedule_far_from(datetime.now(UTC)),
            "SOURCE_DISKS": json.dumps(list(source_disks)),
            "BACKUP_CONTAINER": f"{self.blob_url(BACKUPS)}/{BACKUP_CONTAINER}",
            **self.access_settings(),
            **others,
        }

    def access_settings(self) -> dict[str, str]:
        """Give the app settings by which the app gets in: the keys of all accounts."""
        return {
            "AzureWebJobsStorage": self.connection_string(HOST),
            "STORAGE_CONNECTIONS": json.dumps([self.connection_string(a) for a in (DISKS, MORE_DISKS, BACKUPS)]),
        }

    def blobs(self, account: Account) -> BlobServiceClient:
        """Make a client of an account's blobs."""
        return BlobServiceClient.from_connection_string(
            self.connection_string(account), api_version=BLOB_API_VERSION, use_env_settings=False
        )

    def tables(self) -> TableServiceClient:
        """Make a client of the host storage's tables."""
        return TableServiceClient.from_connection_string(self.connection_string(HOST), use_env_settings=False)

    def queues(self) -> QueueServiceClient:
        """Make a client of the host storage's queues."""
        return QueueServiceClient.from_connection_string(
            self.connection_string(HOST), api_version=BLOB_API_VERSION, use_env_settings=False
        )

    @contextlib.asynccontextmanager
    async def managed_disks(self) -> AsyncIterator[ManagedDisks]:
        """Run managed disks in this local Azure until the block ends, with an identity of the app to reach them."""
        # In a folder of its own: of those that run, no file may be written over.
        certificates = make_certificates(Path(tempfile.mkdtemp(dir=self.folder)))
        issuer = TokenIssuer()
        async with (
            run_token_endpoint(issuer, APP) as endpoint,
            run_managed_disks(self.gateway, certificates, issuer, endpoint) as managed,
        ):
            yield managed

    def trusted(self) -> ssl.SSLContext | bool:
        """Give what an HTTP client needs to trust the servers; they speak no TLS."""
        return True

    def reading(self, account: Account, container: str, blob: str, snapshot: str | None) -> tuple[str, dict[str, str]]:
        """Give the query (without the snapshot) and the headers that read a blob or a snapshot over plain HTTP."""
        sas = generate_blob_sas(
            account.name,
            container,
            blob,
            snapshot=snapshot,
            account_key=account.key,
            permission=BlobSasPermissions(read=True),
            expiry=datetime.now(UTC) + _READ_FOR,
        )
        return sas, {}


def schedule_far_from(now: datetime) -> str:
    """Give the NCRONTAB expression of ticks every twelve hours, the next of them in five to six hours."""
    hour = (now.hour + 6) % 12
    return f"0 0 {hour},{hour + 12} * * *"


@contextlib.asynccontextmanager
async def run_local_azure(others: Sequence[Account] = ()) -> AsyncIterator[LocalAzure]:
    """Run a local Azure with its data in a temporary folder; at its end nothing of it is left.

    Args:
        others: accounts that Azurite has beside its own, without the gateway.
    """
    with tempfile.TemporaryDirectory(prefix="tidemark-local-azure-") as folder:
        async with (
            run_azurite((*BEHIND_MANAGED_DISKS, *others), Path(folder)) as azurite,
            run_gateway(azurite.blob_url, BEHIND_MANAGED_DISKS) as gateway,
        ):
            yield LocalAzure(azurite, gateway, Path(folder))
