"""Where a run may make managed disks, and how large it makes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from azure.core.credentials_async import AsyncTokenCredential

from shared.limits import COMPUTE_API_VERSION, RANGES_PER_REQUEST, RESOURCE_MANAGER_URL
from shared.model.addresses import AddressError
from shared.model.disk_ids import DiskId, GroupId

_LIKE = "/subscriptions/SUBSCRIPTION/resourceGroups/GROUP"
_MIB = 1024**2
BLOCK = 4096
"""Bytes of the blocks by which Azure lists what is in a managed disk."""

SKU = "StandardSSD_LRS"
DISKS_MADE, SNAPSHOTS_MADE = 13, 25
"""How many of each the probes make at most."""

LEAST_UPLOAD = 20 * _MIB
"""Bytes of the smallest disk that can be uploaded, without its footer (REST: Disks, `uploadSizeBytes`)."""


@dataclass(frozen=True, slots=True)
class DiskScale:
    """How large the probes of managed disks are.

    Attributes:
        fragments: blocks written one by one to the disk that is uploaded, each `apart` bytes after the other.
        apart: bytes from one to the next.
        at_once: blocks written at once.
        ranges: asked for in one page of a list, at most.
        gib: the size of an empty disk.
        write_seconds: how long a VM is let write between two snapshots.
        writes: how often it is let, until something was written.
        wait_seconds: how long to wait for a disk or a snapshot to be ready, or gone.
        gone_seconds: how long to wait at the end for one to be gone, in each of three tries.
        end_seconds: how long to try in all, whatever the service does.
        poll_seconds: how often to look.
        reads: of a snapshot while another one is being deleted.
    """

    fragments: int = RANGES_PER_REQUEST + 240
    apart: int = 16 * BLOCK
    at_once: int = 16
    ranges: int = 3_000
    gib: int = 4
    write_seconds: float = 60.0
    writes: int = 3
    wait_seconds: float = 300.0
    gone_seconds: float = 100.0
    end_seconds: float = 330.0
    poll_seconds: float = 2.0
    reads: int = 30

    @property
    def size(self) -> int:
        """Bytes of the disk that is uploaded, without its footer."""
        return max(LEAST_UPLOAD, self.fragments * self.apart)


FULL_DISKS = DiskScale()
SMALL_DISKS = DiskScale(
    fragments=12,
    ranges=5,
    gib=1,
    write_seconds=0.2,
    writes=5,
    wait_seconds=20.0,
    gone_seconds=1.0,
    end_seconds=60.0,
    poll_seconds=0.05,
    reads=3,
)


@dataclass(frozen=True, slots=True)
class DiskPlace:
    """Where a run may make managed disks.

    Attributes:
        group: the resource group that they are made in.
        region: its region, or that of `written`.
        written: the resource ID of a disk that a VM is writing to, which is snapshotted only; empty for none.
        url: the cloud's Azure Resource Manager.
        credential: the identity; the one that `DefaultAzureCredential` finds, unless a test has another.
        options: more options for its clients, as a test needs.
    """

    group: GroupId
    region: str
    written: str = ""
    url: str = RESOURCE_MANAGER_URL
    credential: AsyncTokenCredential | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def described(self) -> str:
        """Where and how, without names."""
        written = "with" if self.written else "without"
        return f"{SKU} in {self.region}, {written} a disk that a VM writes to; Compute API {COMPUTE_API_VERSION}"

    @classmethod
    def parse(cls, group: str, region: str, written: str = "", url: str = RESOURCE_MANAGER_URL) -> Self:
        """Read what somebody typed.

        Raises:
            ValueError: it names no resource group, no disk or no region, or two subscriptions.
        """
        try:
            found = DiskId.parse(f"{group.strip().rstrip('/')}/providers/Microsoft.Compute/disks/any").parent
        except AddressError:
            raise ValueError(f"--disk-group is not the ID of a resource group; expected {_LIKE}") from None
        if not region:
            raise ValueError("--disk-group needs --region: where the disks are made, such as westeurope")
        disk = DiskId.parse(written) if written else None
        if disk and ("*" in disk.name or disk.parent.subscription != found.subscription):
            raise ValueError("--written-disk is to be one disk of the subscription of --disk-group")
        return cls(found, region, disk.url if disk else "", url.rstrip("/"))
