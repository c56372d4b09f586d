"""A backup container that was changed: whether that was meant, and what it means for a disk. Pure functions."""

from shared.model.addresses import ContainerAddress
from shared.model.record import DiskRecord


def old_container(record: DiskRecord, container: ContainerAddress) -> ContainerAddress | None:
    """Return the container of a disk's last recovery point, if that is another one than the backup container.

    A container has several URLs; all are the same container. A disk that has no recovery point has not moved.
    """
    if not (record.base_snapshot and record.backup_blob) or record.backup_blob.parent.is_same_as(container):
        return None
    return record.backup_blob.parent


def move_problem(record: DiskRecord, container: ContainerAddress, moved_from: ContainerAddress | None) -> str:
    """Say why a disk can't be backed up to another container than before, and what to do; empty if it can.

    Args:
        record: the disk's record.
        container: the backup container.
        moved_from: the one before, if the settings say that it was changed on purpose.
    """
    old = old_container(record, container)
    if old is None or (moved_from and old.is_same_as(moved_from)):
        return ""
    return (
        f"the backups of {record.disk.shown} are in {old.url}, but BACKUP_CONTAINER is {container.url}. What to do: set"
        f" BACKUP_CONTAINER back; or, if it was changed on purpose, set BACKUP_CONTAINER_MOVED_FROM to {old.url}: the"
        " next backup of the disk is then a full one"
    )


def move_reason(record: DiskRecord, container: ContainerAddress) -> str:
    """Say that a run copies the whole disk since the container was changed; empty if it was not."""
    old = old_container(record, container)
    if old is None:
        return ""
    return (
        f"the backup container was moved from {old.url} to {container.url}: this backup copies the whole disk there;"
        " earlier backups stay where they are"
    )
