"""Refused requests on blobs, as Tidemark's own errors: by the lease, the blob's state, or the source of a copy."""

import contextlib
from collections.abc import Iterator
from http import HTTPStatus

from azure.core.exceptions import HttpResponseError, ResourceExistsError

from shared.azure.answers import PRIVATE_SOURCE, error_code, explain, is_lease_error, is_transient, refuses_source
from shared.errors import (
    BlobChangedError,
    CopyRefusedError,
    LeaseLostError,
    PrivateSourceError,
    SourceUnreachableError,
    TargetLeasedError,
)
from shared.model.addresses import BlobAddress

OTHERS_LEASE = frozenset({"LeaseAlreadyPresent", "LeaseIsBreakingAndCannotBeAcquired"})
"""Error codes for a lease on a blob that is under another one (REST: Lease Blob)."""

_ATTACHED = OTHERS_LEASE | {"SystemInUse"}
_GONE = frozenset({"BlobNotFound", "ContainerNotFound"})
# Another request was faster: its copy is the one to follow.
_FASTER = frozenset({"PendingCopyOperation", "BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet"})


@contextlib.contextmanager
def lease_errors(blob: BlobAddress) -> Iterator[None]:
    """Raise an error of its own for a blob that is not under the lease a request names.

    Raises:
        LeaseLostError: it is not.
    """
    try:
        yield
    except HttpResponseError as error:
        if is_lease_error(error):
            raise LeaseLostError(f"the lease on {blob.url} was lost: {explain(error)}") from error
        raise


@contextlib.contextmanager
def change_errors(blob: BlobAddress) -> Iterator[None]:
    """Raise errors of their own for a blob that has changed since it was last seen.

    Raises:
        LeaseLostError: it is not under the lease that the request names.
        BlobChangedError: it has another ETag, or no longer exists.
    """
    try:
        with lease_errors(blob):
            yield
    except HttpResponseError as error:
        if error_code(error) in _GONE:
            raise BlobChangedError(f"{blob.url} no longer exists: {explain(error)}") from error
        if error.status_code == HTTPStatus.PRECONDITION_FAILED:
            raise BlobChangedError(f"{blob.url} has just been changed: {explain(error)}") from error
        raise


def in_use_error(blob: BlobAddress, error: ResourceExistsError) -> Exception:
    """Make the error for a disk that is in use.

    Raises:
        ResourceExistsError: the refusal has another cause.
    """
    if error_code(error) not in _ATTACHED:
        raise error
    return TargetLeasedError(blob.url, error_code(error))


@contextlib.contextmanager
def page_copy_errors() -> Iterator[None]:
    """Raise an error of its own for a Put Page From URL that can't reach its source.

    Raises:
        SourceUnreachableError: it can't, and retrying won't help.
    """
    try:
        yield
    except HttpResponseError as error:
        is_refused = refuses_source(error) and not is_transient(error)
        if is_refused or error.status_code == HTTPStatus.NOT_IMPLEMENTED:
            # The response may contain the source's URL, signature included.
            raise SourceUnreachableError(explain(error)) from None
        raise


@contextlib.contextmanager
def blob_copy_errors(blob: BlobAddress) -> Iterator[None]:
    """Raise errors of their own for a refused Copy Blob; one where another request was faster is fine.

    Raises:
        CopyRefusedError: the service can't read the source, and retrying won't help; of a private snapshot
            PrivateSourceError.
        LeaseLostError: the blob is not under the lease that the request names.
    """
    try:
        with lease_errors(blob):
            yield
    except HttpResponseError as error:
        if error_code(error) in _FASTER:
            return
        if refuses_source(error) and not is_transient(error):
            # The response may contain the source's URL, signature included.
            refused = PrivateSourceError if error_code(error) == PRIVATE_SOURCE else CopyRefusedError
            raise refused(f"the service can't copy to {blob.url}: {explain(error)}") from None
        raise
