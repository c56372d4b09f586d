"""What the service keeps of a managed disk, of a snapshot and of the access to it."""

import functools
import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

from infra.local.disks.vhd import make_footer
from shared.limits import PAGE
from shared.model.disk import ManagedDisk
from tests.simulation.blobs import Blob, Snapshot

_NEVER = datetime.min.replace(tzinfo=UTC)
_FOOTER_MADE = 1_800_000_000
_NAME = re.compile(r"tidemark-[0-9a-f]{16}-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{7})Z")


class Refused(Exception):  # noqa: N818 - a refusal is the service's answer, not an error of its own
    """The service refuses a request.

    Attributes:
        status: the HTTP status.
        code: the error's code.
    """

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.status, self.code = status, code


def prefix_of(disk: ManagedDisk) -> str:
    """Give how the names of Tidemark's snapshots of a disk begin."""
    return f"tidemark-{hashlib.sha256(disk.name.encode()).hexdigest()[:16]}-"


@functools.cache
def footer_of(size: int, *, rewritten: bool = False) -> int:
    """Give the page that is the footer of a disk of so many pages: a VHD's, which has the size in it.

    Args:
        size: the pages.
        rewritten: whether it is one that the service has written in place of what was uploaded.
    """
    return int.from_bytes(make_footer(size * PAGE, uuid.UUID(int=rewritten), _FOOTER_MADE), "big")


def has_footer(content: Blob) -> bool:
    """Tell whether the last page is the footer of a VHD of this size."""
    size = len(content.pages) - 1
    return size >= 0 and content.pages[-1] in (footer_of(size), footer_of(size, rewritten=True))


@dataclass(eq=False)
class Made:
    """A managed disk.

    Attributes:
        disk: the disk.
        content: its bytes and the footer, page by page.
        family: the family of the snapshots that are taken from now on.
        host: the account in which its snapshots can be read.
        tags: its tags.
        taken: when incremental snapshots were taken of it, UTC.
        made_by: the mark of who has made it for an upload; None for any other disk.
        upload: the state of its upload; empty once that has ended, and for any other disk.
        writing: the access that writes to it.
    """

    disk: ManagedDisk
    content: Blob
    family: str
    host: str
    tags: Mapping[str, str]
    taken: list[datetime] = field(default_factory=list)
    made_by: str | None = None
    upload: str = ""
    writing: "WriteAccess | None" = field(default=None, repr=False)

    @property
    def size(self) -> int:
        """Its pages, without the footer."""
        return len(self.content.pages) - 1


@dataclass(eq=False)
class Taken:
    """An incremental snapshot.

    Attributes:
        resource: its resource ID, as it was given.
        disk: the disk.
        content: the disk's bytes.
        moment: the time of the blob's snapshot behind it.
        family: its family.
        host: the account in which it can be read.
        tags: its tags.
        readable: when it can be read, UTC.
        has_failed: whether it never can.
        merges_until: until when it can't be read as the data of a deleted one merges into it, UTC.
        network_access: its `networkAccessPolicy`.
        public_access: its `publicNetworkAccess`.
        access: the access there is to it.
    """

    resource: str
    disk: ManagedDisk
    content: Blob
    moment: str
    family: str
    host: str
    tags: Mapping[str, str]
    readable: datetime
    has_failed: bool = False
    merges_until: datetime = _NEVER
    network_access: str = "AllowAll"
    public_access: str = "Enabled"
    access: "Access | None" = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Its name."""
        return self.resource.rpartition("/")[2]

    @property
    def time(self) -> str:
        """The time in its name; empty where that is none of Tidemark's."""
        found = _NAME.fullmatch(self.name)
        return "{}-{}-{}T{}:{}:{}.{}Z".format(*found.groups()) if found else ""

    @property
    def backups(self) -> str:
        """The backup container that it was taken for, by its tag; empty where it was taken for none."""
        return self.tags.get("tidemark-backup", "")

    @property
    def is_private(self) -> bool:
        """Whether it is read by a disk access object's private endpoint only."""
        return self.network_access == "AllowPrivate"

    @property
    def held(self) -> Snapshot:
        """What it holds."""
        return self.content.at(self.moment)

    @property
    def size(self) -> int:
        """Pages of the disk then, without the footer."""
        return len(self.held.pages) - 1


@dataclass(eq=False)
class Access:
    """Access to a snapshot.

    Attributes:
        taken: the snapshot.
        policy: the stored access policy that it ends with.
        secret: its signature.
        ends: when it ends, UTC.
        is_relay: whether it is of a private snapshot.
    """

    taken: Taken = field(repr=False)
    policy: str
    secret: str
    ends: datetime
    is_relay: bool = False

    @property
    def url(self) -> str:
        """The URL (Azure SDK for .NET, ManagedDiskTests: live recordings; of a relay azure-storage-azcopy#2573)."""
        if self.is_relay:
            place = f"https://md-impexp-{self.policy}.z1.blob.storage.azure.net/{self.policy}/relaycor"
            return f"{place}?sv=2018-03-28&sr=b&si={self.policy}&sig={self.secret}"
        place = f"https://{self.taken.host}.z1.blob.storage.azure.net/{self.taken.host[3:]}/abcd"
        moment = quote(self.taken.moment, safe="")
        return f"{place}?snapshot={moment}&sv=2018-11-09&sr=bs&si={self.policy}&sig={self.secret}"


@dataclass(eq=False)
class WriteAccess:
    """Access that uploads into a disk.

    Attributes:
        made: the disk.
        policy: the stored access policy that it ends with.
        secret: its signature.
        ends: when it ends, UTC.
    """

    made: Made = field(repr=False)
    policy: str
    secret: str
    ends: datetime

    @property
    def url(self) -> str:
        """The URL (azure-storage-azcopy#2573)."""
        host = f"md-impexp-{self.made.host[3:]}.z1.blob.storage.azure.net"
        return f"https://{host}/{self.made.host[3:]}/abcd?sv=2018-03-28&sr=b&si={self.policy}&sig={self.secret}"
