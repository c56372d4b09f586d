"""What a command is to read: which disk and which of its recovery points is meant, and the reader that reads them."""

import contextlib
import json
import os
from collections.abc import AsyncIterator, Sequence

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.azure.blobs.reading import BlobReader
from shared.errors import TidemarkError
from shared.model.disk import Disk
from shared.model.point import RecoveryPoint
from shared.model.restore_target import requested_point
from shared.model.version import BlobVersion
from tidemark import disks
from tidemark.ask import point_said
from tidemark.content.access import open_reader
from tidemark.outcome import Exit, Problem
from tidemark.store import Store, known_disks

CONNECTIONS_VARIABLE = "TIDEMARK_CONNECTIONS"
"""Connection strings of the accounts of disks and backups, as a JSON array; none is needed by who is signed in."""


async def points_of(store: Store, text: str) -> tuple[Disk, list[RecoveryPoint]]:
    """Find the disk that a text names, and its recovery points, oldest first.

    Raises:
        Problem: it names none, or several; or the disk has no recovery point.
    """
    disk = disks.named(text, known_disks(await store.report()))
    found = await store.points(disk)
    if not found:
        raise Problem(f"{disk.name} has no recovery point yet", Exit.ATTENTION)
    return disk, found


def point_at(points: Sequence[RecoveryPoint], at: str) -> RecoveryPoint:
    """Return the recovery point that a time names: the last one at or before it.

    Raises:
        Problem: there is none.
    """
    time = requested_point([point.time for point in points], point_said(at))
    if time is None:
        raise Problem(f"there is no recovery point at or before {at}. What to do: see `tidemark points`")
    return next(point for point in points if point.time == time)


def version_of(point: RecoveryPoint) -> BlobVersion:
    """Return the version that holds a recovery point.

    Raises:
        Problem: its row does not say which.
    """
    if point.backup_blob is None:
        raise Problem(f"the row of recovery point {point.time} does not say where it is", Exit.ATTENTION)
    return BlobVersion(point.backup_blob, point.backup_snapshot)


@contextlib.asynccontextmanager
async def opened_reader() -> AsyncIterator[BlobReader]:
    """Open a reader.

    Raises:
        Problem: in place of what keeps it from reading, with why.
    """
    try:
        connections = json.loads(os.environ.get(CONNECTIONS_VARIABLE) or "[]")
    except ValueError:
        raise Problem(f"{CONNECTIONS_VARIABLE} must be a JSON array of connection strings") from None
    try:
        async with open_reader(connections) as reader:
            yield reader
    except (AzureError, TidemarkError) as error:
        raise Problem(explain(error), Exit.ATTENTION) from None
