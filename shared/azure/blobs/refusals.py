"""What requests on blobs are refused for, told apart: the lease, the state of the blob, the source of a copy."""

import contextlib
from collections.abc import Iterator
from http import HTTPStatus

from azure.core.exceptions import HttpResponseError, ResourceExistsError

from shared.azure.answers import error_code, explain, is_lease_error, is_passing, refuses_source
from shared.errors import CopyRefusedError, LeaseLostError, NotAsLeftError, SourceUnreachableError, TargetLeasedError
from shared.model.addresses import BlobAddress

OTHERS_LEASE = frozenset({"LeaseAlreadyPresent", "LeaseIsBreakingAndCannotBeAcquired"})
"""What a lease is refused with where the blob is under another one (REST: Lease Blob)."""

_ATTACHED = OTHERS_LEASE | {"SystemInUse"}
_GONE = frozenset({"BlobNotFound", "ContainerNotFound"})
# Another request was faster: how its copy goes is to be looked at.
_FASTER = frozenset({"PendingCopyOperation", "BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet"})


@contextlib.contextmanager
def under_lease(blob: BlobAddress) -> Iterator[None]:
    """Tell apart that a blob is not under the lease that a request names.

    Raises:
        LeaseLostError: it is not.
    """
    try:
        yield
    except HttpResponseError as error:
        if is_lease_error(error):
            raise LeaseLostError(f"{blob.url} is under another lease, or none: {explain(error)}") from error
        raise


@contextlib.contextmanager
def as_left(blob: BlobAddress) -> Iterator[None]:
    """Tell apart what a request is refused for when a blob is not as it was found or left.

    Raises:
        LeaseLostError: it is not under the lease that the request names.
        NotAsLeftError: it has another ETag, or is gone.
    """
    try:
        with under_lease(blob):
            yield
    except HttpResponseError as error:
        if error_code(error) in _GONE:
            raise NotAsLeftError(f"{blob.url} is gone: {explain(error)}") from error
        if error.status_code == HTTPStatus.PRECONDITION_FAILED:
            raise NotAsLeftError(f"{blob.url} was written to just now: {explain(error)}") from error
        raise


def attached(blob: BlobAddress, error: ResourceExistsError) -> Exception:
    """Tell apart a disk that is in use.

    Raises:
        ResourceExistsError: it is something else.
    """
    if error_code(error) not in _ATTACHED:
        raise error
    return TargetLeasedError(blob.url, error_code(error))


@contextlib.contextmanager
def copying_pages() -> Iterator[None]:
    """Tell apart what Put Page From URL is refused for when the service can't copy from the source by itself.

    Raises:
        SourceUnreachableError: it can't, and that stays so.
    """
    try:
        yield
    except HttpResponseError as error:
        is_refused = refuses_source(error) and not is_passing(error)
        if is_refused or error.status_code == HTTPStatus.NOT_IMPLEMENTED:
            # The answer may repeat the source's URL, signature and all.
            raise SourceUnreachableError(explain(error)) from None
        raise


@contextlib.contextmanager
def copying_over(blob: BlobAddress) -> Iterator[None]:
    """Tell apart what Copy Blob is refused for; that another request was faster is fine.

    Raises:
        CopyRefusedError: the service does not read the source, and that stays so.
        LeaseLostError: the blob is not under the lease that the request names.
    """
    try:
        with under_lease(blob):
            yield
    except HttpResponseError as error:
        if error_code(error) in _FASTER:
            return
        if refuses_source(error) and not is_passing(error):
            # The answer may repeat the source's URL, signature and all.
            raise CopyRefusedError(f"the service can't copy to {blob.url}: {explain(error)}") from None
        raise
