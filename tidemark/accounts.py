"""The accounts of disks and backups, which only some commands read: by whoever is signed in, or connection strings."""

import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from http import HTTPStatus

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from shared.azure.answers import explain
from shared.azure.blobs.reading import BlobReader
from shared.azure.connections import Connections
from shared.errors import TidemarkError
from shared.limits import STORAGE_API_VERSION
from shared.model.job import WHAT_TO_DO
from tidemark.content.access import open_accounts
from tidemark.outcome import Exit, Problem

CONNECTIONS_VARIABLE = "TIDEMARK_CONNECTIONS"
"""Connection strings of the accounts of disks and backups, as a JSON array; none is needed by who is signed in."""

BLOB_ROLE = "Storage Blob Data Reader"

_NO_TLS = "Token credential is only supported with HTTPS"

_DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@contextlib.asynccontextmanager
async def open_blobs() -> AsyncIterator[BlobReader]:
    """Open a reader of disks and backups.

    Raises:
        Problem: something could not be read; the message says why.
    """
    async with open_for_reading() as opened:
        yield BlobReader(opened, STORAGE_API_VERSION)


@contextlib.asynccontextmanager
async def open_for_reading() -> AsyncIterator[Connections]:
    """Open the accounts.

    Raises:
        Problem: something could not be read; the message says why.
    """
    with _explained():
        async with open_accounts(_connections()) as opened:
            yield opened


def why_unread(error: AzureError | TidemarkError) -> str:
    """Say why blobs could not be read, and what to do if it is for want of a role: that of a person, not the app's."""
    said = explain(error)
    return (
        f"{said.partition(f'. {WHAT_TO_DO}: ')[0].rstrip('.')}. {WHAT_TO_DO}: {_ADVICE}" if is_denied(error) else said
    )


_ADVICE = (
    f"sign in as somebody with the role {BLOB_ROLE!r} on the backup account, and for the disk itself on the account of"
    " the disk; and see whether the account's firewall lets you through"
)


def is_denied(error: BaseException) -> bool:
    """Return whether somebody is not signed in, or may not read."""
    status = error.status_code if isinstance(error, HttpResponseError) else None
    return isinstance(error, ClientAuthenticationError) or status in _DENIED


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (AzureError, TidemarkError) as error:
        code = Exit.UNREACHABLE if is_denied(error) else Exit.ATTENTION
        raise Problem(why_unread(error), code) from None
    except ValueError as error:  # the SDK's, of a token
        if _NO_TLS not in str(error):
            raise
        raise Problem(
            f"what has no HTTPS, as a local Azure, is read with a key. What to do: set {CONNECTIONS_VARIABLE}"
        ) from None


def _connections() -> Sequence[str]:
    try:
        found: Sequence[str] = json.loads(os.environ.get(CONNECTIONS_VARIABLE) or "[]")
    except ValueError:
        raise Problem(f"{CONNECTIONS_VARIABLE} must be a JSON array of connection strings") from None
    return found
