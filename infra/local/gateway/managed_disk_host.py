"""What the gateway asks of the managed disks, whose page blobs lie in accounts that only SASs open."""

from typing import Protocol

from multidict import CIMultiDict

from .operations import Request
from .upstream import Call, Upstream


class ManagedDiskHost(Protocol):
    """Answers for the accounts of managed disks."""

    def serves(self, request: Request) -> bool:
        """Return whether a request is for one of its accounts."""

    def admit(self, call: Call, upstream: Upstream) -> Call:
        """Return a request in the form to pass on: for the blob that holds the disk, with its owner's rights.

        Raises:
            ServiceError: it has no right to that, or the account does not know it.
        """

    def refuse_as_source(self, request: Request) -> None:
        """Refuse the read of a copy source that no SAS makes one.

        Raises:
            ServiceError: CopySourceCannotBeIncrementalCopyBlob.
        """

    def show(self, request: Request, headers: CIMultiDict[str]) -> None:
        """Add the headers that only a managed disk's blob has to a good answer."""
