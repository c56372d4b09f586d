"""The footer of a restored managed disk: Azure may write one of its own, and the backup must have the disk's."""

from shared.azure.services import Services
from shared.changes.ranges import Change
from shared.limits import FOOTER
from shared.model.restore import Restore
from shared.model.version import BlobVersion
from shared.pages.signed import SignedReads


async def with_footer_of_disk(services: Services, restore: Restore) -> str:
    """Write the restored disk's footer to its backup blob, if that has another; give its ETag then, else nothing.

    Raises:
        LeaseLostError: the backup blob is not under the restore's lease.
        SourceGoneError: the disk's snapshot no longer exists.
    """
    backup = BlobVersion(services.backups.address(restore.known_target))
    snapshot = services.disks.version(restore.known_target, restore.target_snapshot)
    of_disk = await SignedReads(services, snapshot).last_page(restore.size)
    if await SignedReads(services, backup).last_page(restore.size) == of_disk:
        return ""
    last = Change(restore.size - FOOTER, restore.size, clear=False)
    await services.blobs.write(backup.blob, last, of_disk, restore.lease)
    return (await services.pages.properties(backup)).etag
