"""The limits of the service, and the sizes of requests within them, each with its source. Sizes are in bytes."""

from datetime import timedelta

# One version for all blob and queue requests: some clouds refuse the SDK's newer default.
STORAGE_API_VERSION = "2025-11-05"

RESOURCE_MANAGER_URL = "https://management.azure.com"
"""Azure Resource Manager of the public cloud; also the audience of its tokens."""

COMPUTE_API_VERSION = "2025-01-02"
"""The API version of managed disks and their snapshots: the first documented with `snapshotAccessState`."""

MANAGED_DISK_BYTES = 8191 * 1024**3
"""The largest managed disk whose backup fits into a page blob of 8 TiB, with its footer."""

FOOTER = 512
"""Bytes of the VHD footer that follows a managed disk's own bytes where it is read as a blob."""

MANAGED_DISK_STEP = 1024 * 1024
"""Bytes of which a managed disk that is uploaded has a whole number (Upload a VHD to Azure)."""

UPLOAD_BYTES = 20_972_032
"""The smallest upload: a disk of 20 MiB and its footer (REST: Disks, CreationData, `uploadSizeBytes`)."""

MAX_PROFILE = 3000
"""Characters of what is recorded of a managed disk: with the other metadata of a blob, far below `MAX_METADATA`."""

MAX_TAGS = 50
"""Tags of a resource (Azure Resource Manager: use tags to organize your resources)."""

MAX_ACCESS = timedelta(days=60)
"""How long access to a snapshot can be had (Secure downloads and uploads of Azure managed disks)."""

PAGE = 512
"""Bytes of a page: every range of a page blob starts and ends on a multiple of it (REST: Put Page)."""

MAX_WRITE = 4 * 1024 * 1024
"""Bytes that one Put Page or Put Page From URL can write (REST: Put Page)."""

MAX_CLEAR = 1024**3
"""Bytes that one Clear Pages request covers.

The service allows the whole blob (REST: Put Page); but where every page is written, a request may take longer than its
time limit, as with Get Page Ranges, and then would never succeed.
"""

REQUESTS_PER_SECOND = 500
"""Requests per second that a page blob serves, from all clients (Scalability targets for Blob storage)."""

BYTES_PER_SECOND = 60 * 1024 * 1024
"""Bytes per second that a page blob reads or writes (Scalability targets for Blob storage)."""

RANGES_PER_REQUEST = 10_000
"""The most ranges that Get Page Ranges lists in one response (REST: Get Page Ranges, maxresults)."""

MAX_NAME = 1024
"""Characters of a blob's name; the service counts UTF-16 code units, as .NET does."""

MAX_SEGMENTS = 254
"""Path segments of a blob's name."""

MAX_SOURCE_URL = 2048
"""Characters of the URL that Copy Blob reads from (REST: Copy Blob, `x-ms-copy-source`).

It also keeps the disk's URL in Tidemark's metadata far below `MAX_METADATA`.
"""

MAX_METADATA = 8 * 1024
"""Bytes of all metadata names and values (REST: Setting and retrieving properties and metadata for Blob resources)."""

TRANSACTION = 100
"""The most operations in one entity group transaction (REST: Performing entity group transactions)."""

OLDEST_SIGNED, NEWEST_SIGNED = "2018-11-09", "2026-10-06"
"""The service versions that a SAS can be signed for: from the first with user delegation keys to the last known one."""


def can_sign(version: str) -> bool:
    """Tell whether a SAS can be signed for a service version."""
    return OLDEST_SIGNED <= version <= NEWEST_SIGNED
