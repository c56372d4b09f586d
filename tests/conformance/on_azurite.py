"""The real services: the app's own clients, the gateway, and Azurite behind it."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from azure.data.tables.aio import TableServiceClient
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import BlobClient, BlobLeaseClient, BlobServiceClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from infra.local.azurite import Account
from infra.local.gateway import Fault
from infra.local.gateway.pending_copies import HeldCopies
from infra.local.local_azure import BACKUPS, DISKS, LocalAzure
from shared.azure.kept_connections import KeptConnections
from shared.azure.services import Services, open_services
from shared.azure.tables.index import IndexRows
from shared.limits import PAGE
from shared.model.addresses import ContainerAddress
from shared.model.names import BACKUPS_TABLE
from shared.settings import Settings
from tests.conformance.any_cloud import Place
from tests.conformance.clouds import SOMEBODY, SOON, Cloud, HeldCopy, address_of, content_of


@dataclass(frozen=True, slots=True)
class People:
    """The clients of everybody but the app, and the Azure that they share with it."""

    azure: LocalAzure
    blobs: Mapping[str, BlobServiceClient]
    queues: QueueServiceClient
    tables: TableServiceClient

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, azure: LocalAzure) -> AsyncIterator["People"]:
        async with contextlib.AsyncExitStack() as stack:
            accounts: tuple[Account, ...] = (DISKS, BACKUPS)
            blobs = {account.name: await stack.enter_async_context(azure.blobs(account)) for account in accounts}
            queues = await stack.enter_async_context(azure.queues())
            yield cls(azure, blobs, queues, await stack.enter_async_context(azure.tables()))


@contextlib.asynccontextmanager
async def open_cloud(people: People) -> AsyncIterator["AzuriteCloud"]:
    """Open a cloud with containers of its own; the table and the queues are those of all tests."""
    mine = uuid.uuid4().hex[:12]
    azure, service = people.azure, people.blobs[DISKS.name]
    disks, lab = (ContainerAddress.parse(f"{azure.blob_url(DISKS)}/{kind}-{mine}") for kind in ("vhds", "lab"))
    for container in (disks, lab):
        await service.create_container(container.container)
    chosen = azure.app_settings(
        [disks.blob("disk*.vhd").url], BACKUP_CONTAINER=f"{azure.blob_url(BACKUPS)}/backups-{mine}"
    )
    settings = Settings.model_validate(chosen | {k.lower(): v for k, v in chosen.items()})
    async with contextlib.aclosing(KeptConnections()) as kept, open_services(settings, kept) as services:
        await services.backups.ensure()
        yield AzuriteCloud(people, services, disks, lab)
    azure.gateway.copies.clear()
    azure.gateway.versioned.clear()
    azure.gateway.faults.clear()


class ServedCloud(Cloud):
    """Containers of real storage, local or not: what others do to it by clients of their own."""

    def __init__(
        self,
        blobs: Mapping[str, BlobServiceClient],
        services: Services,
        disks: ContainerAddress,
        lab: ContainerAddress,
        index: IndexRows,
    ) -> None:
        self._blobs, self.services, self.disks, self.lab, self.index = blobs, services, disks, lab, index

    async def make(self, blob: Place, pages: int, metadata: Mapping[str, str] | None = None) -> None:
        await self._blob(blob).create_page_blob(pages * PAGE, metadata=dict(metadata or {}))

    async def write(self, disk: Place, first: int, *content: int, lease: str | None = None) -> None:
        body = content_of(*content)
        await self._blob(disk).upload_page(body, first * PAGE, len(body), lease=lease)

    async def clear(self, disk: Place, first: int, count: int = 1) -> None:
        await self._blob(disk).clear_page(first * PAGE, count * PAGE)

    async def resize(self, disk: Place, pages: int) -> None:
        await self._blob(disk).resize_blob(pages * PAGE)

    async def encode(self, blob: Place, encoding: str) -> None:
        await self._blob(blob).set_http_headers(ContentSettings(content_encoding=encoding))

    async def snapshot(self, blob: Place, metadata: Mapping[str, str] | None = None) -> str:
        given = None if metadata is None else dict(metadata)
        return str((await self._blob(blob).create_snapshot(given))["snapshot"])

    async def delete(self, disk: Place) -> None:
        await self._blob(disk).delete_blob(delete_snapshots="include")

    async def lease(self, blob: Place) -> None:
        await self._blob(blob).acquire_lease(lease_id=SOMEBODY)

    async def break_lease(self, blob: Place) -> None:
        await BlobLeaseClient(self._blob(blob)).break_lease(lease_break_period=0)

    async def pass_time(self) -> None:
        await asyncio.sleep(SOON.total_seconds())

    async def make_block_blob(self, blob: Place) -> None:
        """Make a blob that is not a disk."""
        await self._blob(blob).upload_blob(b"a text")

    async def names(self, container: ContainerAddress) -> list[str]:
        """List the names of the blobs of a container."""
        client = self._blobs[container.account].get_container_client(container.container)
        return [blob.name async for blob in client.list_blobs()]

    def _blob(self, blob: Place) -> BlobClient:
        address = address_of(blob)
        return self._blobs[address.account].get_blob_client(address.container, address.blob)


class AzuriteCloud(ServedCloud):
    """Containers of the local Azure."""

    def __init__(self, people: People, services: Services, disks: ContainerAddress, lab: ContainerAddress) -> None:
        index = IndexRows(people.tables.get_table_client(BACKUPS_TABLE))
        super().__init__(people.blobs, services, disks, lab, index)
        self._people = people

    def turn_versioning_on(self, blob: Place) -> None:
        self._people.azure.gateway.versioned.add(address_of(blob).account)

    def hold(self, target: Place) -> HeldCopy:
        address = address_of(target)
        path = f"/{address.account}/{address.container}/{address.blob}"
        return _PendingCopy(self._people.azure.gateway.copies.hold(path), self._blob(target))

    def refuse_source(self, status: int) -> None:
        refused = (status, {403: "AuthorizationFailure", 500: "InternalError", 503: "ServerBusy"}[status])
        for operation, path in (("Put Page From URL", None), ("Copy Blob", f"/{DISKS.name}/*")):
            self._people.azure.gateway.faults.add(Fault(operation, path, refuse_source=refused))

    def want_signatures(self) -> None:
        refused = (403, "AuthorizationPermissionMismatch")
        self._people.azure.gateway.faults.add(Fault("Copy Blob", only_unsigned=True, refuse_source=refused))

    def give_up_on_clears(self, longer_than: int) -> None:
        timed_out = (500, "OperationTimedOut", "Operation could not be completed within the specified time.")
        fault = Fault("Clear Pages", longer_than=longer_than * PAGE, refuse=timed_out)
        self._people.azure.gateway.faults.add(fault)

    async def receive(self, queue: str) -> list[bytes]:
        return await received(self._people.queues.get_queue_client(queue))


async def received(client: QueueClient) -> list[bytes]:
    """Take the messages that can be seen from a queue."""
    found = []
    async for message in client.receive_messages(messages_per_page=32, visibility_timeout=60):
        found.append(str(message.content).encode())
        await client.delete_message(message)
    return found


class _PendingCopy:
    def __init__(self, held: HeldCopies, target: BlobClient) -> None:
        self._held, self._target = held, target

    def progress(self, share: float) -> None:
        self._held.progress(share)

    async def finish(self) -> None:
        await self._held.finish()

    async def fail(self) -> None:
        await self._held.fail()

    async def abort(self, lease: str | None = None) -> None:
        copy = (await self._target.get_blob_properties()).copy
        await self._target.abort_copy(str(copy.id), lease=lease)
