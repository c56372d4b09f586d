"""Resource IDs of managed disks: `/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/disks/NAME`.

Azure compares them without regard to case (Azure Resource Manager: resource IDs), so they are kept in lower case.
"""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, unquote

from shared.model.addresses import MAX_SHOWN, AddressError

PREFIX = "/subscriptions/"
"""How every resource ID begins; no URL does."""

_LIKE = "/subscriptions/SUBSCRIPTION/resourceGroups/GROUP/providers/Microsoft.Compute/disks/NAME"
_LIKE_GROUP = "/subscriptions/SUBSCRIPTION/resourceGroups/GROUP"
_GROUP_ID = re.compile(r"/subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)")
_ID = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)"
    r"/providers/microsoft\.compute/(?P<kind>disks|snapshots)/(?P<name>[^/]+)"
)
_SUBSCRIPTION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Azure Resource Manager: naming rules; a disk's name has at most 80 characters, a group's 90.
_GROUP = re.compile(r"[\w.()-]{1,90}(?<!\.)")
_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,79}(?<![.-])")
_PATTERN = re.compile(r"[a-z0-9_.*-]{1,80}")


@dataclass(frozen=True, slots=True, order=True)
class GroupId:
    """A resource group.

    Attributes:
        subscription: the subscription's ID.
        group: the group's name.
    """

    subscription: str
    group: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a resource group's ID, in whatever case.

        Raises:
            AddressError: it is not one.
        """
        found = _GROUP_ID.fullmatch(unquote(text.strip()).rstrip("/").lower())
        if found is None:
            raise AddressError(f"{text[:MAX_SHOWN]} is not the ID of a resource group; expected {_LIKE_GROUP}")
        if not (_SUBSCRIPTION.fullmatch(found["subscription"]) and _GROUP.fullmatch(found["group"])):
            raise AddressError(f"{text[:MAX_SHOWN]} is not the ID of a resource group, or its subscription is no GUID")
        return cls(found["subscription"], found["group"])

    @property
    def url(self) -> str:
        """The ID as Azure writes it, in lower case but for the words that are the same in all, percent-encoded."""
        group = quote(self.group, safe="()")  # the only name that may have other letters than those of ASCII
        return f"{PREFIX}{self.subscription}/resourceGroups/{group}"

    @property
    def compute(self) -> str:
        """The path of its disks and snapshots."""
        return f"{self.url}/providers/Microsoft.Compute"


@dataclass(frozen=True, slots=True, order=True)
class DiskId:
    """The resource ID of a managed disk, or of all whose names match.

    Attributes:
        subscription: the subscription's ID.
        group: the resource group.
        name: the disk's name; `*` in it stands for any characters.
    """

    subscription: str
    group: str
    name: str

    def __str__(self) -> str:
        """Return it as it is written."""
        return self.url

    @property
    def url(self) -> str:
        """The ID as Azure writes it, in lower case but for the words that are the same in all, percent-encoded."""
        return f"{self.parent.compute}/disks/{self.name}"

    @property
    def parent(self) -> GroupId:
        """The resource group that the disk is in."""
        return GroupId(self.subscription, self.group)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an ID, in whatever case.

        Raises:
            AddressError: it is not the ID of a managed disk.
        """
        found = _ID.fullmatch(unquote(text.strip()).lower())
        if found is None or found["kind"] != "disks":
            raise AddressError(f"{text.strip()[:MAX_SHOWN]} is not the ID of a managed disk; expected {_LIKE}")
        if not _SUBSCRIPTION.fullmatch(found["subscription"]):
            raise AddressError(f"{found['subscription'][:MAX_SHOWN]} is not the ID of a subscription, which is a GUID")
        if not _GROUP.fullmatch(found["group"]):
            raise AddressError(f"{found['group'][:MAX_SHOWN]} is not the name of a resource group")
        name = found["name"]
        if not (_PATTERN if "*" in name else _NAME).fullmatch(name):
            raise AddressError(f"{name[:MAX_SHOWN]} is not the name of a managed disk")
        return cls(found["subscription"], found["group"], name)
