"""Which snapshots of a disk Tidemark took."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from shared.model.addresses import AddressError, ContainerAddress
from shared.model.disk import Disk
from shared.model.names import BACKUP_METADATA, DISK_METADATA, TAKEN_METADATA

# Snapshot Blob with all its retries, plus clock skew.
_TAKES_AT_MOST = timedelta(minutes=10)


def is_own_snapshot(disk: Disk, backups: ContainerAddress, time: str, metadata: Mapping[str, str]) -> bool:
    """Tell whether Tidemark took a snapshot of a disk for this backup container, whichever URL that had then.

    Metadata alone does not tell: a disk copied from a source snapshot inherits it, and so does every snapshot that its
    owner takes. So the metadata must have been written at about the time of the snapshot.
    """
    try:
        for_backups = ContainerAddress.parse(metadata.get(BACKUP_METADATA, ""))
    except AddressError:
        return False
    if not (disk.is_named(metadata.get(DISK_METADATA, "")) and for_backups.is_same_as(backups)):
        return False
    try:
        taken = datetime.fromisoformat(metadata[TAKEN_METADATA])
        return abs(datetime.fromisoformat(time) - taken) <= _TAKES_AT_MOST
    except (KeyError, TypeError, ValueError):
        return False
