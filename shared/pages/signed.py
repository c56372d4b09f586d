"""Reading a version by URLs that are signed again: in time, or when the key that they were signed by was revoked."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import NamedTuple, Self

from azure.core.exceptions import HttpResponseError

from shared.azure.sources.source import READ_URL_LIFETIME, ReadServices
from shared.changes.ranges import Change
from shared.errors import SourceUnreachableError
from shared.limits import PAGE
from shared.model.version import Version

_TOO_YOUNG_TO_BE_REVOKED = timedelta(minutes=5)
"""How old a key at least is that is taken for revoked, if it was asked for because the one before was refused."""

_REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_NEVER = datetime.min.replace(tzinfo=UTC)


class SignedUrl(NamedTuple):
    """A signed URL.

    Attributes:
        text: the URL, a secret.
        number: how many were signed before it: of two that were signed in one second, the texts may be equal.
    """

    text: str
    number: int


class SignedReads:
    """Reads of one version."""

    def __init__(self, services: ReadServices, version: Version, lifetime: timedelta = READ_URL_LIFETIME) -> None:
        """Prepare to read.

        Args:
            services: what reading takes.
            version: the version.
            lifetime: how long a URL is valid; at half that, it is signed again.
        """
        self._services, self._version, self._lifetime = services, version, lifetime
        self._signing = asyncio.Lock()
        self._url, self._signed_at, self._renewed_at = SignedUrl("", -1), _NEVER, _NEVER

    @classmethod
    async def begin(cls, services: ReadServices, version: Version, lifetime: timedelta = READ_URL_LIFETIME) -> Self:
        """Sign a URL before anything is read.

        Raises:
            SourceGoneError: the version no longer exists.
            AzureError: none can be had.
        """
        reads = cls(services, version, lifetime)
        await reads.url()
        return reads

    async def read(self, piece: Change) -> bytes:
        """Read a range of at most 4 MiB; if it is refused, once more by a new key.

        Raises:
            SourceGoneError: the version no longer exists.
            AzureError: the service refused, or the response was truncated, which is transient.
        """
        url = await self.url()
        try:
            return await self._services.pages.read(url.text, piece)
        except HttpResponseError as error:
            if error.status_code not in _REFUSALS:
                raise
            newer = await self.url(refused=url)
            if newer == url:
                raise
        return await self._services.pages.read(newer.text, piece)

    async def last_page(self, size: int) -> bytes:
        """Read the last page, where a VHD has its footer; as `read`.

        Args:
            size: bytes of the version.
        """
        return await self.read(Change(size - PAGE, size, clear=False))

    async def copied(self, put_from_url: Callable[[str], Awaitable[None]]) -> str:
        """Have the service copy from the version; if it refuses the source, once more by a new key.

        Args:
            put_from_url: has it copy from a signed URL.

        Returns:
            Why it can't; empty if it did.

        Raises:
            AzureError: as `put_from_url`, but for a source that the service can't copy from.
        """
        while True:
            url = await self.url()
            try:
                await put_from_url(url.text)
            except SourceUnreachableError as error:
                if await self.url(refused=url) == url:
                    return str(error)
            else:
                return ""

    async def url(self, refused: SignedUrl | None = None) -> SignedUrl:
        """Give a URL that is still valid for a while. It is a secret, and never stored.

        Args:
            refused: the URL that the service has just refused; another is given, unless it was signed by a new key.

        Raises:
            SourceGoneError: the version no longer exists.
            AzureError: none can be had.
        """
        async with self._signing:
            now = self._services.now()
            is_refused = refused == self._url and now - self._renewed_at > _TOO_YOUNG_TO_BE_REVOKED
            if is_refused or now - self._signed_at > self._lifetime / 2:
                signed = await self._services.pages.signed_url(self._version, self._lifetime, fresh_key=is_refused)
                self._url = SignedUrl(signed, self._url.number + 1)
                self._signed_at = now
                self._renewed_at = now if is_refused else self._renewed_at
            return self._url
