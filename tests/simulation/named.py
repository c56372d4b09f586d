"""How disks are named: by themselves, or by the blob that they are."""

from collections.abc import Mapping
from typing import Any

from shared.model.addresses import BlobAddress
from shared.model.disk import Disk, ManagedDisk, PageBlobDisk

type Named = Disk | BlobAddress
"""A disk, or the blob that it is."""


def disk_of(named: Named) -> Disk:
    """Give the disk that is meant."""
    return PageBlobDisk(named) if isinstance(named, BlobAddress) else named


def is_of_one_disk(entity: Mapping[str, Any]) -> bool:
    """Tell whether a record is of a disk: not of a pattern, nor of whichever managed disk has a resource ID."""
    disk = Disk.parse(entity["disk"])
    return "*" not in disk.name and not (isinstance(disk, ManagedDisk) and not disk.unique_id)
