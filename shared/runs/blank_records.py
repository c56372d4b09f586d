"""Records of disks that nothing is known of."""

import contextlib

from shared.azure.services import Services
from shared.azure.tables.records import RecordConflictError
from shared.model.disk import Disk
from shared.model.restore_target import is_blank


async def delete_if_blank(services: Services, disk: Disk) -> bool:
    """Delete a disk's record if it has no backup, run or restore on it; return whether it is such a record."""
    found = await services.records.get(disk)
    if found is None or not is_blank(found[0]):
        return False
    with contextlib.suppress(RecordConflictError):
        await services.records.delete(disk, found[1])
    return True
