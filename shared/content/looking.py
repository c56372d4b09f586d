"""A look at a disk that was restored, for a trial or in earnest: is there anything that a machine could start from?"""

from functools import partial

from shared.azure.services import Services
from shared.changes.ranges import Change
from shared.content.filesystems import Look, look
from shared.model.version import Version
from shared.pages.paced import Paced


async def look_at(services: Services, version: Version, size: int) -> Look:
    """Look at a disk: footer, partitions, filesystems.

    Raises:
        SourceGoneError: it is gone.
    """
    url = await services.pages.signed_url(version)
    looking, pace = look(size), Paced(services, 1)
    content: bytes | None = None
    while True:
        try:
            start, length = next(looking) if content is None else looking.send(content)
        except StopIteration as over:
            found: Look = over.value
            return found
        piece = Change(start, min(start + length, size), clear=False)
        read = partial(services.pages.read, url, piece)
        content = await pace.call(read, piece.length) if piece.length > 0 else b""
