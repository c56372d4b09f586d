"""The limits of the service, and what is asked of it within them: each with its source. Sizes are bytes."""

# One version for all blob and queue requests: a newer default of the SDK is refused by some clouds.
STORAGE_API_VERSION = "2025-11-05"

PAGE = 512
"""Bytes of a page: every range of a page blob starts and ends on a multiple (REST: Put Page)."""

MAX_WRITE = 4 * 1024 * 1024
"""Bytes that one Put Page or Put Page From URL may write (REST: Put Page)."""

MAX_CLEAR = 1024**3
"""Bytes that one Clear Pages is asked for.

It may be a whole blob (REST: Put Page); but of a part that is written all over it may take longer than the service
gives a request, as Get Page Ranges may, and then the same request would never succeed.
"""

REQUESTS_PER_SECOND = 500
"""Requests that a page blob takes in a second, whoever makes them (Scalability targets for Blob storage)."""

BYTES_PER_SECOND = 60 * 1024 * 1024
"""Bytes that a page blob takes or gives in a second (Scalability targets for Blob storage)."""

RANGES_PER_REQUEST = 10_000
"""The most that Get Page Ranges lists in one answer (REST: Get Page Ranges, maxresults)."""

LONGEST_NAME = 1024
"""Characters of a blob's name; the service counts as .NET does, in UTF-16."""

MOST_SEGMENTS = 254
"""Segments of a blob's name, between its slashes."""

LONGEST_SOURCE = 2048
"""Characters of the URL that Copy Blob reads from (REST: Copy Blob, `x-ms-copy-source`).

It also keeps what Tidemark's own metadata says of a disk far below `LARGEST_METADATA`.
"""

LARGEST_METADATA = 8 * 1024
"""Bytes of all names and values together (REST: Setting and retrieving properties and metadata for Blob resources)."""

TRANSACTION = 100
"""The most operations in one entity group transaction (REST: Performing entity group transactions)."""

OLDEST_SIGNED, NEWEST_SIGNED = "2018-11-09", "2026-10-06"
"""The service versions that can be signed for: from the first with user delegation keys to the last that is known."""


def can_sign(version: str) -> bool:
    """Tell whether signatures can be made for a service version."""
    return OLDEST_SIGNED <= version <= NEWEST_SIGNED
