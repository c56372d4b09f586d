"""Reading pieces of a version for hours: at the pace of its blob, by URLs that are signed again in time."""

from datetime import timedelta
from functools import partial

from shared.azure.sources.source import READ_URL_LIFETIME
from shared.changes.ranges import Change
from shared.model.version import Version
from shared.pages.paced import Paced
from shared.pages.signed import SignedReads
from tidemark.content.access import Reading


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
        self._reads = SignedReads(reading, version, lifetime)
        self._pace = Paced(reading, at_once)

    async def read(self, piece: Change) -> bytes:
        """Read a piece.

        Raises:
            SourceGoneError: the version no longer exists.
            AzureError: the service refused, or was busy for too long.
        """
        return await self._pace.call(partial(self._reads.read, piece), piece.length)
