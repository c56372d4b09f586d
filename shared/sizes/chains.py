"""The chains of a disk: its backup blobs and full copies, each with all its versions, on record or not."""

from collections.abc import Sequence
from typing import NamedTuple

from shared.model.addresses import BlobAddress
from shared.model.disk import Disk
from shared.model.point import RecoveryPoint
from shared.model.sizes import BACKUP_BLOB, Chain, Held, label_of
from shared.points.versions import version_of
from shared.sizes.services import SizeServices


class OnRecord(NamedTuple):
    """The recovery points that one blob holds.

    Attributes:
        blob: the backup blob, or a full copy.
        points: the recovery points.
    """

    blob: BlobAddress
    points: list[RecoveryPoint]


def by_blob(services: SizeServices, disk: Disk, points: Sequence[RecoveryPoint]) -> list[OnRecord]:
    """Group a disk's recovery points by the blobs that hold them; a container may have several URLs."""
    groups: dict[tuple[str, str, str], OnRecord] = {}
    current = services.backups.address(disk)
    for point in points:
        blob = version_of(services, disk, point).blob
        own = current if blob.is_same_as(current) else blob
        groups.setdefault((blob.account, blob.container, blob.blob), OnRecord(own, [])).points.append(point)
    return list(groups.values())


async def read_chain(services: SizeServices, found: OnRecord) -> Chain:
    """Read all versions of a blob: snapshots that are not on record share pages, too.

    Raises:
        AzureError: it can't be read.
    """
    sizes = await services.snapshots.sizes(found.blob)
    state = await services.pages.find(found.blob)
    copies = [label_of(point) for point in found.points if not point.backup_snapshot]
    itself = [Held(copies[0] if copies else BACKUP_BLOB, state.size)] if state else []
    return Chain(found.blob, (*(Held(time, sizes[time]) for time in sorted(sizes)), *itself))
