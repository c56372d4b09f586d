"""What can be read or copied: a disk's snapshot, a recovery point, a blob's current state. Pure values.

A version says what it is, never how to open it: a signed URL is minted for each use (`shared.azure.sources`).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from urllib.parse import quote

from shared.model.addresses import BlobAddress
from shared.model.disk import ManagedDisk


class Version(ABC):
    """A version of any kind."""

    __slots__ = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name in messages and logs, without a secret."""

    @property
    @abstractmethod
    def of(self) -> str:
        """The name of what it is a version of."""

    @property
    @abstractmethod
    def service_url(self) -> str:
        """The blob service that can copy it within itself by name, without a signature; empty if none can."""


@dataclass(frozen=True, slots=True)
class BlobVersion(Version):
    """A snapshot of a blob, or the blob itself.

    Attributes:
        blob: the blob.
        snapshot: the snapshot's time; empty for the blob itself.
    """

    blob: BlobAddress
    snapshot: str = ""

    @property
    def name(self) -> str:
        """Its URL, without a signature."""
        return f"{self.blob.url}?snapshot={quote(self.snapshot, safe='')}" if self.snapshot else self.blob.url

    @property
    def of(self) -> str:
        """The blob's URL."""
        return self.blob.url

    @property
    def service_url(self) -> str:
        """The blob's service."""
        return self.blob.service_url


@dataclass(frozen=True, slots=True)
class SnapshotVersion(Version):
    """A snapshot of a managed disk, which is a resource of its own.

    Attributes:
        disk: the disk.
        resource: the snapshot's resource ID.
    """

    disk: ManagedDisk
    resource: str

    @property
    def name(self) -> str:
        """Its resource ID."""
        return self.resource

    @property
    def of(self) -> str:
        """The disk's name."""
        return self.disk.name

    @property
    def service_url(self) -> str:
        """None can copy it by name."""
        return ""


def blob_version(version: Version) -> BlobVersion:
    """Return a version that must be of a blob.

    Raises:
        TypeError: it is of another kind.
    """
    if not isinstance(version, BlobVersion):
        raise TypeError(f"{version.name} is not a version of a blob")
    return version


def snapshot_version(version: Version) -> SnapshotVersion:
    """Return a version that must be a snapshot of a managed disk.

    Raises:
        TypeError: it is of another kind.
    """
    if not isinstance(version, SnapshotVersion):
        raise TypeError(f"{version.name} is not a snapshot of a managed disk")
    return version
