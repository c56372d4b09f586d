"""What the service bills of a disk's backups: each page once for each time that it was written, wherever it is."""

from collections.abc import Set as AbstractSet

from shared.limits import PAGE
from shared.model.addresses import BlobAddress
from tests.simulation.world import World


def billed(world: World, backup: BlobAddress, without: AbstractSet[str] = frozenset()) -> int:
    """Count the bytes that the versions of a backup blob and the full copies beside it hold.

    Args:
        world: the world.
        backup: the backup blob.
        without: snapshots that are left out.
    """
    blobs = [blob for address, blob in world.blobs.items() if address.blob.startswith(backup.blob)]
    written = {
        (id(blob), page, taken.touched[page])
        for blob in blobs
        for time in (*blob.snapshots, "")
        if time not in without
        for taken in [blob.at(time)]
        for page, content in enumerate(taken.pages)
        if content is not None
    }
    return PAGE * len(written)
