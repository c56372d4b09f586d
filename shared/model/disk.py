"""A disk that is backed up: its name for users, and the names derived from it. Pure values.

Where its bytes are depends on the kind of disk; `shared/azure/sources` reads them.
"""

import hashlib
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

from shared.model.addresses import MAX_SHOWN, AddressError, BlobAddress
from shared.model.disk_ids import PREFIX, DiskId
from shared.model.names import RUN_SEPARATOR, SCRATCH_PREFIX

_KEY_LENGTH = 400
_UNIQUE_ID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_KEY_UNSAFE = re.compile(r"[^A-Za-z0-9._|$ -]")


class Disk(ABC):
    """A disk of any kind. Two are the same disk if their kind and name are the same."""

    __slots__ = ()

    @staticmethod
    def parse(name: str) -> "Disk":
        """Read a disk's name, however it is spelled.

        Raises:
            AddressError: it is not a disk's name.
        """
        return ManagedDisk.read(name) if name.strip().startswith(PREFIX) else PageBlobDisk(BlobAddress.parse(name))

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name for users: in settings, requests, records, messages and logs."""

    @property
    @abstractmethod
    def backup_name(self) -> str:
        """The name of its backup blob in the backup container; it has at least two slashes."""

    @property
    @abstractmethod
    def name_problem(self) -> str:
        """What is wrong with the disk's name; empty if nothing is."""

    @abstractmethod
    def restored(self, point: str) -> "PageBlobDisk | None":
        """Name the new page blob that a recovery point is restored to by default, beside the disk that was backed up.

        Args:
            point: the recovery point's time, as Azure prints it.

        Returns:
            The page blob; None if the disk is not in a storage account, so that a target must be named.
        """

    def __str__(self) -> str:
        """Return its name."""
        return self.name

    def __lt__(self, other: "Disk") -> bool:
        """Order disks by their names."""
        return self.name < other.name

    @property
    def is_certain(self) -> bool:
        """Whether it can only be this disk, and not another of the same name: only such a disk is backed up."""
        return True

    @property
    def shown(self) -> str:
        """Its name, truncated if very long, for messages whose end matters."""
        return self.name if len(self.name) <= MAX_SHOWN else f"{self.name[:MAX_SHOWN]}..."

    @property
    def key(self) -> str:
        """Its table partition: its backup blob's name with `|` for `/`.

        A key may not contain slashes, `#`, `?` or control characters, nor exceed 1 KiB (REST: Understanding the Table
        service data model), so a very long name, or one with unusual characters, is shortened and ends in a hash.
        """
        name = self.backup_name
        readable = name.replace("/", "|")
        key = _KEY_UNSAFE.sub("_", readable)[:_KEY_LENGTH]
        if key == readable and "|" not in name:
            return key
        return f"{key}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"

    def run_id(self, source_snapshot: str) -> str:
        """Name a run: its key and its source snapshot's time."""
        return f"{self.key}{RUN_SEPARATOR}{source_snapshot}"

    def full_copy_name(self, source_snapshot: str) -> str:
        """Name a full copy in the backup container: the backup blob's name and `/TIME`."""
        return f"{self.backup_name}/{source_snapshot}"

    def scratch_name(self, drill: str) -> str:
        """Name the blob in the backup container that a drill restores to: `tidemark-drill/HASH-ID`, by the disk's hash.

        It can't be a backup blob's name, which has at least two slashes.
        """
        return f"{SCRATCH_PREFIX}{hashlib.sha256(self.name.encode()).hexdigest()[:16]}-{drill}"

    def is_named(self, text: str) -> bool:
        """Return whether a text is its name, however it is spelled."""
        try:
            return Disk.parse(text) == self
        except AddressError:
            return False

    def is_another_than(self, text: str) -> bool:
        """Return whether a text is the name of another disk; a text that is not a disk's name is not."""
        try:
            return Disk.parse(text) != self
        except AddressError:
            return False


@dataclass(frozen=True, slots=True)
class PageBlobDisk(Disk):
    """A disk that is a page blob; its name is the blob's URL.

    Attributes:
        address: the blob.
    """

    address: BlobAddress

    @property
    def name(self) -> str:
        """The blob's URL."""
        return self.address.url

    @property
    def backup_name(self) -> str:
        """The name of its backup blob: `SOURCEACCOUNT/SOURCECONTAINER/BLOBNAME`."""
        return f"{self.address.account}/{self.address.container}/{self.address.blob}"

    @property
    def name_problem(self) -> str:
        """What is wrong with the blob's name; empty if nothing is."""
        return self.address.name_problem

    def restored(self, point: str) -> "PageBlobDisk":
        """Name the blob that a recovery point is restored to: `NAME-restored-TIME`, still ending in `.vhd`."""
        stem, dot, extension = self.address.blob.rpartition(".")
        has_extension = dot and stem and extension.lower() == "vhd"
        name, end = (stem, f".{extension}") if has_extension else (self.address.blob, "")
        moment = re.sub(r"[-:]", "", point.partition(".")[0])
        return PageBlobDisk(self.address.parent.blob(f"{name}-restored-{moment}Z{end}"))


@dataclass(frozen=True, slots=True)
class ManagedDisk(Disk):
    """A managed disk: `ID#UNIQUEID`. One that is made anew under the same ID is another disk.

    Attributes:
        id: its resource ID.
        unique_id: its `uniqueId` (REST: Disks, Get); empty for whichever disk has the ID.
    """

    id: DiskId
    unique_id: str = ""

    @classmethod
    def read(cls, name: str) -> Self:
        """Read a disk's name, in whatever case.

        Raises:
            AddressError: it is not a managed disk's name.
        """
        text, _, unique = name.strip().partition("#")
        if unique and not _UNIQUE_ID.fullmatch(unique):
            raise AddressError(f"{unique[:MAX_SHOWN]} is not the unique ID of a managed disk, which is a GUID")
        disk_id = DiskId.parse(text)
        if unique and "*" in disk_id.name:
            raise AddressError(f"{text[:MAX_SHOWN]} stands for many disks, and can't have one unique ID")
        return cls(disk_id, unique.lower())

    @property
    def name(self) -> str:
        """The resource ID, and the unique ID if there is one."""
        return f"{self.id.url}#{self.unique_id}" if self.unique_id else self.id.url

    @property
    def is_certain(self) -> bool:
        """Whether its unique ID is known."""
        return bool(self.unique_id)

    @property
    def backup_name(self) -> str:
        """The name of its backup blob: `managed-disks/SUBSCRIPTION/GROUP/NAME/UNIQUEID.vhd`.

        No account is called `managed-disks`: an account's name has no hyphens.
        """
        return f"managed-disks/{self.id.subscription}/{self.id.group}/{self.id.name}/{self.unique_id or 'any'}.vhd"

    @property
    def name_problem(self) -> str:
        """Nothing is wrong with a name that could be read."""
        return ""

    def restored(self, point: str) -> None:
        """Name nothing: its recovery points are page blobs, and no account is the disk's own."""


def managed_disk(disk: Disk) -> ManagedDisk:
    """Return a disk that must be a managed disk.

    Raises:
        TypeError: it is of another kind.
    """
    if not isinstance(disk, ManagedDisk):
        raise TypeError(f"{disk} is not a managed disk")
    return disk


def page_blob(disk: Disk) -> BlobAddress:
    """Return the address of a disk that must be a page blob.

    Raises:
        TypeError: it is of another kind.
    """
    if not isinstance(disk, PageBlobDisk):
        raise TypeError(f"{disk} is not a page blob")
    return disk.address
