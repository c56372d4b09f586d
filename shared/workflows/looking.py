"""A look at a disk that was restored, for a trial or in earnest: is there anything that a machine could start from?"""

from shared.disk_signatures import Look, look
from shared.ranges import Change
from shared.storage.page_blobs import Version
from shared.storage.services import Services


async def look_at(services: Services, version: Version, size: int) -> Look:
    """Look at a disk: footer, partitions, filesystems.

    Raises:
        SourceGoneError: it is gone.
    """
    url = await services.pages.signed_url(version.blob, version.snapshot)
    looking = look(size)
    content: bytes | None = None
    while True:
        try:
            start, length = next(looking) if content is None else looking.send(content)
        except StopIteration as over:
            found: Look = over.value
            return found
        end = min(start + length, size)
        content = await services.pages.read(url, Change(start, end, clear=False)) if start < end else b""
