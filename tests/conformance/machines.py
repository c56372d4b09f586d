"""A cloud whose disks are managed disks, and what others do to them."""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from infra.local.managed_disks import GROUP, LOCATION, SUBSCRIPTION
from shared.azure.resource_manager import ResourceManager
from shared.azure.sources.access_urls import AccessUrls
from shared.azure.sources.managed_disks import ManagedDiskSource
from shared.azure.sources.uploads import ManagedUploads
from shared.changes.ranges import Window
from shared.limits import FOOTER
from shared.model.addresses import BlobAddress
from shared.model.disk import ManagedDisk
from shared.model.disk_ids import DiskId
from shared.model.version import BlobVersion, SnapshotVersion, snapshot_version
from tests.conformance.any_cloud import AnyCloud, Place

BLOCK = 4096
"""Bytes of the blocks in which Azure tracks the changes of managed disks (recordings of the Azure SDK for .NET)."""

ALL = DiskId(SUBSCRIPTION, GROUP, "disk*")
"""What is to be backed up."""


type SecondUpload = Literal["same", "new", "refused"]
"""What comes of asking for access to write to a disk to which there is some."""


class Machines(AnyCloud):
    """A cloud whose disks are managed disks; what is said of them is said of their bytes, without the footer.

    Attributes:
        manager: Azure Resource Manager, as other tools use it.
    """

    unit = BLOCK
    manager: ResourceManager

    @abstractmethod
    async def disk(
        self, *content: int | None, name: str = "disk.vhd", tags: Mapping[str, str] | None = None
    ) -> ManagedDisk:
        """Make a disk of these blocks, in place of one that has its name; None is a block never written."""

    @abstractmethod
    async def large_disk(self, size: int) -> ManagedDisk:
        """Make an empty disk of so many times 1 TiB, or of what stands for it."""

    @abstractmethod
    async def grow_large(self, disk: ManagedDisk, size: int) -> None:
        """Grow such a disk."""

    @abstractmethod
    async def write_sector(self, disk: ManagedDisk, sector: int, content: int) -> None:
        """Write a sector of 512 bytes, which is less than a block."""

    @abstractmethod
    def end_access(self) -> None:
        """End all access to all snapshots."""

    @abstractmethod
    def begin_family(self, disk: ManagedDisk) -> None:
        """Have later snapshots be of another family."""

    @abstractmethod
    def hide_footers(self) -> None:
        """Leave the footers of disks that are made from now on out of the lists of pages."""

    @abstractmethod
    def another_process(self) -> ManagedUploads:
        """Give uploads as another process of the app has them, which has no URL."""

    @abstractmethod
    def give_second_upload(self, given: SecondUpload) -> None:
        """Have access to write to a disk, where there is some, give the `same` URL, a `new` one, or be `refused`."""

    @abstractmethod
    def set_policy(self, network_access: str, public_access: str = "Enabled") -> None:
        """Have an Azure Policy change snapshots that are taken from now on, whatever is asked for."""

    @abstractmethod
    def join_network(self, *, gives_diffs: bool = True) -> None:
        """Bring the app into the network of the private endpoint; private snapshots give a difference, or none."""

    @abstractmethod
    def slow_down(self) -> None:
        """Have snapshots that are taken from now on not be ready until `get_ready`."""

    @abstractmethod
    def get_ready(self) -> None:
        """Have all snapshots be ready."""

    @abstractmethod
    def let_time_pass(self, duration: timedelta) -> None:
        """Let the service's clock go on."""

    @abstractmethod
    def allow(self, *, snapshots: int = 500, in_five_minutes: int = 1000) -> None:
        """Allow so many snapshots of a disk; in five minutes more than the service does, unless said."""

    @property
    def beside(self) -> int:
        return FOOTER

    async def version(self, disk: Place, snapshot: str = "") -> SnapshotVersion:
        of = machine(disk)
        return snapshot_version(
            self.services.disks.version(of, snapshot or await self.services.disks.take_snapshot(of))
        )

    def named(self, name: str) -> ManagedDisk:
        return ManagedDisk(DiskId(SUBSCRIPTION, GROUP, name), "11111111-2222-3333-4444-555555555555")

    def source_at(self, moment: datetime) -> ManagedDiskSource:
        """Give the app's access to disks as it is at a moment."""
        return ManagedDiskSource(self.manager, self.services.settings, AccessUrls(), lambda: moment)

    def window(self, first: int, end: int, unit: int = BLOCK) -> Window:
        """Name a window by its blocks."""
        return Window(first * unit, end * unit)

    def blob(self, blob: BlobAddress) -> BlobVersion:
        """Give a page blob as it is now."""
        return BlobVersion(blob)

    @abstractmethod
    async def copied(self, blob: BlobAddress) -> None:
        """Wait until the copy to a blob has ended."""

    async def footer(self, disk: ManagedDisk, snapshot: str) -> bytes:
        """Read what follows the disk's bytes in a snapshot."""
        version = self.services.disks.version(disk, snapshot)
        size = (await self.services.pages.properties(version)).size
        last = self.pages_of(0, 1)._replace(start=size - FOOTER, end=size)
        return await self.services.pages.read(await self.services.pages.signed_url(version), last)

    async def others_take(self, disk: Place, name: str, tags: Mapping[str, str] | None = None) -> str:
        """Have somebody else take an incremental snapshot; give its resource ID."""
        of = machine(disk).id
        resource = f"{of.parent.compute}/snapshots/{name}"
        properties = {"creationData": {"createOption": "Copy", "sourceResourceId": of.url}, "incremental": True}
        body = {"location": LOCATION, "tags": dict(tags or {}), "properties": properties}
        await self.manager.put(resource, body)
        return resource

    async def others_read(self, resource: str) -> None:
        """Have somebody else have access to a snapshot."""
        await self.manager.act(f"{resource}/beginGetAccess", {"access": "Read", "durationInSeconds": 3600})

    async def others_let_go(self, resource: str) -> None:
        """Have them end it."""
        await self.manager.act(f"{resource}/endGetAccess")


def machine(place: Place) -> ManagedDisk:
    """Give the managed disk that is meant."""
    assert isinstance(place, ManagedDisk)
    return place
