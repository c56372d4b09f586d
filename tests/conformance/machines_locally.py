"""The managed disks of the local Azure: the app's clients, its resource manager, and the gateway's storage hosts."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta

import pytest

from infra.local.local_azure import APP, LocalAzure
from infra.local.managed_disks import GROUP, SUBSCRIPTION, ManagedDisks
from infra.local.managed_disks import Disk as LocalDisk
from shared.azure.kept_connections import KeptConnections
from shared.azure.resource_manager import ResourceManager
from shared.azure.services import Services, open_services
from shared.azure.sources.uploads import ManagedUploads
from shared.limits import PAGE
from shared.model.addresses import BlobAddress
from shared.model.blob import COPY_PENDING
from shared.model.disk import ManagedDisk
from shared.model.disk_ids import DiskId
from shared.settings import Settings
from tests.conformance.any_cloud import Place
from tests.conformance.machines import ALL, BLOCK, Machines, SecondUpload, machine

_TIB = 1024**4
_NOT_YET = 10**6
DISK_ACCESS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Compute/diskAccesses/private"


@contextlib.contextmanager
def no_disks_yet(managed: ManagedDisks, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the app reach managed disks, of which there are none, as long as the block."""
    for name, value in managed.settings.items():
        monkeypatch.setenv(name, value)
    # aiohttp read SSL_CERT_FILE when it was imported, as it does at the start of an app.
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", managed.trusted())
    managed.give(APP)
    yield
    managed.reset()


@contextlib.asynccontextmanager
async def open_machines(azure: LocalAzure, managed: ManagedDisks) -> AsyncIterator["LocalMachines"]:
    """Open a cloud of the managed disks of a local Azure, which has none yet."""
    chosen = azure.app_settings([ALL.url], **managed.settings)
    settings = Settings.model_validate(chosen | {name.lower(): value for name, value in chosen.items()})
    async with (
        contextlib.aclosing(KeptConnections()) as kept,
        kept.of(settings) as connections,
        open_services(settings, kept) as services,
    ):
        await services.backups.ensure()
        manager = ResourceManager(connections.resource_manager, settings.resource_manager_url)
        others = ManagedUploads(connections, manager, settings.storage_api_version, {})
        yield LocalMachines(managed, services, manager, others)


class LocalMachines(Machines):
    """Managed disks of the local Azure."""

    def __init__(
        self, managed: ManagedDisks, services: Services, manager: ResourceManager, others: ManagedUploads
    ) -> None:
        self._managed, self.services, self.manager, self._others = managed, services, manager, others
        self.allow()

    async def disk(
        self, *content: int | None, name: str = "disk.vhd", tags: Mapping[str, str] | None = None
    ) -> ManagedDisk:
        sku = "PremiumV2_LRS" if self._managed.behaviour.copy_looks else "Premium_LRS"
        made = await self._managed.create_disk(name, len(content) * BLOCK, tags=dict(tags or {}), sku=sku)
        disk = ManagedDisk(DiskId(SUBSCRIPTION, GROUP, name), made.unique_id)
        for block, number in enumerate(content):
            if number is not None:
                await self.write(disk, block, number)
        return disk

    async def large_disk(self, size: int) -> ManagedDisk:
        made = await self._managed.create_disk("disk-large", size * _TIB)
        return ManagedDisk(DiskId(SUBSCRIPTION, GROUP, "disk-large"), made.unique_id)

    async def grow_large(self, disk: ManagedDisk, size: int) -> None:
        await self._of(disk).resize(size * _TIB)

    async def write(self, disk: Place, first: int, *content: int) -> None:
        await self._of(disk).write(first * BLOCK, self.content_of(*content))

    async def write_sector(self, disk: ManagedDisk, sector: int, content: int) -> None:
        await self._of(disk).write(sector * PAGE, content.to_bytes(PAGE, "big"))

    async def clear(self, disk: Place, first: int, count: int = 1) -> None:
        await self._of(disk).clear(first * BLOCK, count * BLOCK)

    async def resize(self, disk: Place, pages: int) -> None:
        await self._of(disk).resize(pages * BLOCK)

    async def delete(self, disk: Place) -> None:
        self._managed.delete(self._of(disk))

    def end_access(self) -> None:
        for snapshot in self._managed.snapshots:
            self._managed.revoke(snapshot)

    def begin_family(self, disk: ManagedDisk) -> None:
        self._of(disk).begin_family()

    def hide_footers(self) -> None:
        self._managed.behaviour.shows_footer = False

    def another_process(self) -> ManagedUploads:
        return self._others

    def give_second_upload(self, given: SecondUpload) -> None:
        self._managed.behaviour.second_access = given

    def set_policy(self, network_access: str, public_access: str = "Enabled") -> None:
        access = {"diskAccessId": DISK_ACCESS} if network_access == "AllowPrivate" else {}
        policy = {"networkAccessPolicy": network_access, "publicNetworkAccess": public_access, **access}
        self._managed.behaviour.policy = policy

    def join_network(self, *, gives_diffs: bool = True) -> None:
        self._managed.behaviour.is_in_private_network = True
        self._managed.behaviour.relays_give_diffs = gives_diffs

    def slow_down(self) -> None:
        self._managed.behaviour.copy_looks = _NOT_YET

    def get_ready(self) -> None:
        self._managed.release()

    def let_time_pass(self, duration: timedelta) -> None:
        self._managed.clock.advance(duration)

    def allow(self, *, snapshots: int = 500, in_five_minutes: int = 1000) -> None:
        self._managed.behaviour.snapshots_per_disk = snapshots
        self._managed.behaviour.snapshots_per_window = in_five_minutes

    async def copied(self, blob: BlobAddress) -> None:
        while (found := await self.services.pages.find(blob)) is None or found.copy_status == COPY_PENDING:
            pass

    def _of(self, disk: Place) -> LocalDisk:
        return self._managed.disk(machine(disk).id.url)
