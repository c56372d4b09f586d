"""Ids of disks and snapshots: compared without regard to case, and kept as they were first given.

Azure Resource Manager, "Resource ID": /subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/disks/NAME.
"""

import re
from typing import Literal, NamedTuple, Self

Kind = Literal["disks", "snapshots"]

_ID = re.compile(
    r"/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.Compute/(disks|snapshots)/([^/]+)/?",
    re.IGNORECASE,
)


class ResourceId(NamedTuple):
    """The id of a disk or a snapshot."""

    subscription: str
    group: str
    kind: Kind
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an id, in any case.

        Raises:
            ValueError: it names no disk and no snapshot.
        """
        match = _ID.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is the id of no disk and no snapshot.")
        return cls(match[1], match[2], "disks" if match[3].lower() == "disks" else "snapshots", match[4])

    @property
    def text(self) -> str:
        """The id as Azure writes it."""
        return f"{self.scope}/providers/Microsoft.Compute/{self.kind}/{self.name}"

    @property
    def scope(self) -> str:
        """The id of its resource group."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"

    @property
    def key(self) -> str:
        """What two spellings of one id have in common."""
        return self.text.lower()
