"""Reading pieces of a version for hours: at the pace of its blob, by URLs that are signed again in time."""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus

from azure.core.exceptions import HttpResponseError

from shared.azure.sources.source import READ_URL_LIFETIME
from shared.changes.ranges import Change
from shared.model.version import Version
from shared.pages.paced import Paced
from tidemark.content.access import Reading

_TOO_YOUNG_TO_EXPIRE = timedelta(minutes=5)
_REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class PieceReader:
    """Reads pieces of at most 4 MiB of a version."""

    def __init__(
        self, reading: Reading, version: Version, at_once: int, *, lifetime: timedelta = READ_URL_LIFETIME
    ) -> None:
        """Prepare to read.

        Args:
            reading: reads the version.
            version: the version.
            at_once: requests under way at a time.
            lifetime: how long a URL is valid; it is signed again at half that.
        """
        self._reading, self._version, self._lifetime = reading, version, lifetime
        self._pace = Paced(reading, at_once)
        self._signing = asyncio.Lock()
        self._url, self._signed_at = "", datetime.min.replace(tzinfo=reading.now().tzinfo)

    async def read(self, piece: Change) -> bytes:
        """Read a piece.

        Raises:
            SourceGoneError: the version no longer exists.
            AzureError: the service refused, or was busy for too long.
        """
        return await self._pace.call(partial(self._read, piece), piece.length)

    async def _read(self, piece: Change) -> bytes:
        url = await self._signed_url(self._reading.now() - self._lifetime / 2)
        try:
            return await self._reading.pages.read(url, piece)
        except HttpResponseError as error:
            if error.status_code not in _REFUSALS:
                raise
            newer = await self._signed_url(self._reading.now() - _TOO_YOUNG_TO_EXPIRE, fresh_key=True)
            if newer == url:
                raise
        return await self._reading.pages.read(newer, piece)

    async def _signed_url(self, since: datetime, *, fresh_key: bool = False) -> str:
        """Give a URL that was not signed before a time."""
        async with self._signing:
            if self._signed_at < since:
                self._url = await self._reading.pages.signed_url(self._version, self._lifetime, fresh_key=fresh_key)
                self._signed_at = self._reading.now()
            return self._url
