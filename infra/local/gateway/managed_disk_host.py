"""What the gateway asks of the managed disks, whose page blobs lie in accounts that only SASs open."""

from typing import Protocol

from multidict import CIMultiDict

from .answers import Answer
from .mutations import Mutations
from .operations import Request
from .upstream import Call, Upstream
from .write_log import WriteLog

_UNAUTHORIZED = (401, 403)


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

    def with_source(self, call: Call, upstream: Upstream) -> Call | None:
        """Return a Copy Blob from a managed disk in the form to pass on, with its owner's rights; None for another.

        Raises:
            ServiceError: CannotVerifyCopySource, CopySourceCannotBeIncrementalCopyBlob.
        """

    def show(self, request: Request, status: int, headers: CIMultiDict[str], body: bytes) -> bytes:
        """Give an answer the headers and the body that such accounts give; return the body."""


async def copy_blob(
    host: ManagedDiskHost, call: Call, log: WriteLog, upstream: Upstream, mutations: Mutations
) -> Answer:
    """Answer a Copy Blob, whose source may be a managed disk's.

    Raises:
        ServiceError: CannotVerifyCopySource, CopySourceCannotBeIncrementalCopyBlob; or what a copy is refused for.
    """
    from_disk = host.with_source(call, upstream)
    if from_disk is None:
        return await mutations.exclusive(call, log)
    # Azurite authorizes the client, and then finds no such source.
    answer = await upstream.forward(call)
    return answer if answer.status in _UNAUTHORIZED else await mutations.exclusive(from_disk, log)


def show_as_managed_disk(
    host: ManagedDiskHost | None, request: Request, status: int, headers: CIMultiDict[str], body: bytes = b""
) -> bytes:
    """Give the answer of a managed disk's account the form that such accounts give; return the body."""
    return host.show(request, status, headers, body) if host and host.serves(request) else body
