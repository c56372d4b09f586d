"""How disks and blobs are written in rows and messages: by name and URL, parsed once, when they are read."""

from typing import Annotated

from pydantic import PlainSerializer, PlainValidator
from pydantic_core import PydanticKnownError

from shared.model.addresses import AddressError, BlobAddress
from shared.model.disk import Disk, ManagedDisk


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    return value.strip()


def _disk(value: object) -> Disk:
    return value if isinstance(value, Disk) else Disk.parse(_text(value))


def _known_disk(value: object) -> Disk:
    disk = _disk(value)
    if isinstance(disk, ManagedDisk) and not disk.unique_id:
        raise AddressError(
            f"{disk.shown} may have been the ID of several disks. What to do: name the disk in full, as it stands on"
            " record: ID#UNIQUEID"
        )
    return disk


def _target(value: object) -> Disk:
    disk = _disk(value)
    if isinstance(disk, ManagedDisk) and disk.unique_id:
        raise AddressError("must be the resource ID that the new disk gets, without #UNIQUEID: Azure gives it another")
    if isinstance(disk, ManagedDisk) and "*" in disk.id.name:
        raise AddressError("must be the resource ID of one managed disk, without *")
    return disk


def _blob(value: object) -> BlobAddress:
    return value if isinstance(value, BlobAddress) else BlobAddress.parse(_text(value))


def _written(value: Disk | BlobAddress | None) -> str:
    return "" if value is None else str(value)


_WRITTEN = PlainSerializer(_written, return_type=str)

DiskName = Annotated[Disk, PlainValidator(_disk), _WRITTEN]
"""A disk."""

KnownDiskName = Annotated[Disk, PlainValidator(_known_disk), _WRITTEN]
"""A disk that a person names: one and no other."""

TargetName = Annotated[Disk, PlainValidator(_target), _WRITTEN]
"""A page blob to restore to, or a managed disk to be made."""

BlobUrl = Annotated[BlobAddress, PlainValidator(_blob), _WRITTEN]
"""A blob."""

# None is written as an empty string.
DiskNameOrNone = Annotated[Disk | None, PlainValidator(lambda value: _disk(value) if value else None), _WRITTEN]
BlobUrlOrNone = Annotated[BlobAddress | None, PlainValidator(lambda value: _blob(value) if value else None), _WRITTEN]
