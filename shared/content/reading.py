"""Reading what is on a restored disk: is there anything a machine could start from?"""

from datetime import timedelta
from functools import partial

from shared.azure.sources.source import READ_URL_LIFETIME, ReadServices
from shared.changes.ranges import Change
from shared.content.filesystems import DiskContent, recognize
from shared.model.version import Version
from shared.pages.paced import Paced
from shared.pages.signed import SignedReads


async def read_content(
    services: ReadServices, version: Version, size: int, *, lifetime: timedelta = READ_URL_LIFETIME
) -> DiskContent:
    """Recognize the footer, partitions and filesystems of a disk.

    Args:
        services: what reading takes.
        version: the version of the disk.
        size: its bytes.
        lifetime: how long the signed URL is valid by which it is read.

    Raises:
        SourceGoneError: the version no longer exists.
    """
    reads = await SignedReads.begin(services, version, lifetime)
    recognizing, pace = recognize(size), Paced(services, 1)
    content: bytes | None = None
    while True:
        try:
            start, length = next(recognizing) if content is None else recognizing.send(content)
        except StopIteration as stop:
            found: DiskContent = stop.value
            return found
        piece = Change(start, min(start + length, size), clear=False)
        read = partial(reads.read, piece)
        content = await pace.call(read, piece.length) if piece.length > 0 else b""
