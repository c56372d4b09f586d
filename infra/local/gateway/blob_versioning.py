"""Blob versioning, as far as clients see it: if an account has it enabled, answers name the version a change created.

https://learn.microsoft.com/azure/storage/blobs/versioning-overview, "How blob versioning works". No version is kept.
"""

import datetime as dt

from .answers import Answer
from .upstream import Call

_MAKES_A_VERSION = frozenset({"Put Blob", "Copy Blob", "Snapshot Blob", "Set Blob Metadata"})
_REFUSED = 400


def name_version(call: Call, answer: Answer) -> None:
    """Add the version's id to the answer to a request that creates a version."""
    if call.request.operation in _MAKES_A_VERSION and answer.status < _REFUSED:
        now = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
        answer.headers["x-ms-version-id"] = f"{now.removesuffix('+00:00')}0Z"
