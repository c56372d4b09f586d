"""Which snapshots of a disk are Tidemark's own."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from shared.model.addresses import ContainerAddress, is_url_of
from shared.model.disk import Disk
from shared.model.names import BACKUP_METADATA, DISK_METADATA, TAKEN_METADATA

# What Snapshot Blob may take with all its retries, and what two clocks may differ by.
_TAKES_AT_MOST = timedelta(minutes=10)


def is_own_snapshot(disk: Disk, backups: ContainerAddress, time: str, metadata: Mapping[str, str]) -> bool:
    """Tell whether a snapshot of a disk was taken by Tidemark for this backup container, however the URLs were spelt.

    Metadata alone does not tell: a disk that was made of a source snapshot has inherited it, and so has every snapshot
    that its owner takes of it. So it must have been written at about the time that the snapshot was taken.
    """
    of_disk, for_backups = metadata.get(DISK_METADATA, ""), metadata.get(BACKUP_METADATA, "")
    if not (disk.is_named(of_disk) and is_url_of(backups, for_backups)):
        return False
    try:
        taken = datetime.fromisoformat(metadata[TAKEN_METADATA])
        return abs(datetime.fromisoformat(time) - taken) <= _TAKES_AT_MOST
    except (KeyError, TypeError, ValueError):
        return False
