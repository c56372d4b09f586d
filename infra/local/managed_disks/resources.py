"""Disks and snapshots as the resource manager keeps them."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from infra.local.disks.disk_changes import Change, data_extents

from .access import Access
from .content import DiskContent
from .progress import Progress, done
from .resource_ids import ResourceId

NetworkPolicy = Literal["AllowAll", "AllowPrivate", "DenyAll"]
BACKGROUND_COPY = frozenset({"PremiumV2_LRS", "UltraSSD_LRS"})
"""The disks whose snapshots can be read only after a background copy (disks-incremental-snapshots)."""


@dataclass(eq=False, kw_only=True)
class Resource:
    """What disks and snapshots have in common.

    Attributes:
        id: its id.
        location: its region.
        size: in bytes, without the VHD footer.
        content: what it holds.
        path: the decoded path at which a SAS opens it, "/md-…/…/abcd".
        created: when it was created (UTC).
        sku: the name of its SKU.
        zones: its availability zones.
        tags: its tags.
        network_access_policy: who may get a SAS.
        public_network_access: "Enabled", or "Disabled" for none from the internet.
        data_access_auth_mode: "AzureActiveDirectory" if a SAS needs a token beside it; else "None".
        sector_size: the logical sector size in bytes, 512 or 4096.
        properties: further properties, as the resource manager names them ("osType", "hyperVGeneration", "encryption",
            "securityProfile", "supportedCapabilities", "diskAccessId", ...).
        unique_id: its `uniqueId`: another one for a resource made anew under the same name.
        provisioning: how far its last change is.
        access: the SAS that was granted last, if it is not revoked.
    """

    id: ResourceId
    location: str
    size: int
    content: DiskContent
    path: str
    created: datetime
    sku: str
    zones: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    network_access_policy: str = "AllowAll"
    public_network_access: str = "Enabled"
    data_access_auth_mode: str = "None"
    sector_size: int = 512
    properties: dict[str, Any] = field(default_factory=dict)
    unique_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    provisioning: Progress = field(default_factory=done)
    access: Access | None = None


@dataclass(eq=False, kw_only=True)
class Disk(Resource):
    """A managed disk; a test uses it as its guest would.

    Attributes:
        family: the family of the incremental snapshots taken from now on.
        create_option: how it was created: "Empty", "Upload", ...
        upload: where its upload is; None for a disk that is none, or is complete.
        managed_by: the id of the VM it is attached to; empty for none.
        taken: when incremental snapshots were taken (UTC).
    """

    family: str = field(default_factory=lambda: str(uuid.uuid4()))
    create_option: str = "Empty"
    upload: Literal["ReadyToUpload", "ActiveUpload"] | None = None
    managed_by: str = ""
    taken: list[datetime] = field(default_factory=list)

    async def write(self, start: int, content: bytes) -> None:
        """Write sectors from byte `start` on."""
        await self.content.write(start, content)

    async def clear(self, start: int, length: int) -> None:
        """Discard `length` bytes of sectors from byte `start` on."""
        await self.content.clear(start, length)

    async def read(self, start: int, length: int) -> bytes:
        """Read `length` bytes from byte `start` on."""
        return await self.content.read(start, length)

    async def load(self, image: Path) -> None:
        """Write what lies in a sparse file of the disk's size; a VHD's footer after that is not read."""
        await self.content.apply(image, (Change(*extent, cleared=False) for extent in data_extents(image, self.size)))

    async def apply(self, image: Path, changes: Iterable[Change]) -> None:
        """Do what a guest did: write what `image` has at the changes, and discard what they clear."""
        await self.content.apply(image, changes)

    async def resize(self, size: int) -> None:
        """Grow it to `size` bytes."""
        await self.content.resize(size)
        self.size = size

    def begin_family(self) -> None:
        """Have later incremental snapshots be of another family, as a full one that Azure takes anew would be."""
        self.family = str(uuid.uuid4())

    def attach(self, vm: str) -> None:
        """Attach it to the VM with this id.

        Raises:
            ValueError: its state forbids that: it is attached, or has a SAS, or its upload has not ended.
        """
        if self.managed_by or self.upload or self.access:
            raise ValueError(f"{self.id.text} can't be attached now.")
        self.managed_by = vm

    def detach(self) -> None:
        """Detach it."""
        self.managed_by = ""


@dataclass(eq=False, kw_only=True)
class Snapshot(Resource):
    """A snapshot of a managed disk.

    Attributes:
        time: the id of the blob's snapshot behind.
        is_incremental: whether it is incremental.
        source_id: the id of the disk, as it was given.
        source_unique_id: the `uniqueId` of the disk.
        family: its `incrementalSnapshotFamilyId`.
        copy: how far its background copy is.
        copy_looks: how many looks that took from the start.
        shows_completion: whether it tells how far that is.
        has_instant_access: whether disks can be made of it before it is copied (disks-instant-access-snapshots).
        merging_reads: how many reads are still refused while data of a deleted snapshot merges into it.
    """

    time: str
    source_id: str
    source_unique_id: str
    family: str
    is_incremental: bool = True
    copy: Progress = field(default_factory=done)
    copy_looks: int = 0
    shows_completion: bool = True
    has_instant_access: bool = False
    merging_reads: int = 0

    async def read(self, start: int, length: int) -> bytes:
        """Read `length` bytes from byte `start` on."""
        return await self.content.read(start, length, snapshot=self.time)

    @property
    def completion_percent(self) -> float | None:
        """How much of its background copy is done; None if it does not tell."""
        if not self.shows_completion:
            return None
        if self.copy.is_done:
            return 100.0
        return 100.0 * (self.copy_looks - max(0, self.copy.looks)) / (self.copy_looks + 1)
