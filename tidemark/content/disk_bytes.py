"""A version's bytes from anywhere to anywhere."""

import asyncio

from shared.changes.ranges import Change, writes
from tidemark.content.pieces import PieceReader


class DiskBytes:
    """The bytes of a version.

    Attributes:
        size: how many there are; a VHD's footer is left out.
    """

    def __init__(self, pieces: PieceReader, size: int) -> None:
        """Prepare to read.

        Args:
            pieces: reads the version.
            size: bytes of the disk, without a VHD footer.
        """
        self.size = size
        self._pieces = pieces

    async def read(self, start: int, length: int) -> bytes:
        """Read bytes; those past the end are left out.

        Raises:
            SourceGoneError: the version no longer exists.
            AzureError: the service refused, or was busy for too long.
        """
        whole = Change(start, min(start + length, self.size), clear=False)
        if whole.length <= 0:
            return b""
        return b"".join(await asyncio.gather(*(self._pieces.read(piece) for piece in writes(whole))))
