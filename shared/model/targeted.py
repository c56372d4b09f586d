"""The target of a restore: a page blob, or a managed disk that the restore makes. Pure functions."""

from shared.model.disk import Disk, ManagedDisk, PageBlobDisk, managed_disk, page_blob


class Targeted:
    """What has the fields of a restore's target.

    Attributes:
        restore: the restore's id.
        target, target_etag, left_over, copied_from: as of a restore.
    """

    __slots__ = ()

    restore: str
    target: Disk | None
    target_etag: str
    left_over: str
    copied_from: str

    @property
    def known_target(self) -> Disk:
        """The target of a restore that has found its recovery point.

        Raises:
            ValueError: it has not.
        """
        if self.target is None:
            raise ValueError(f"restore {self.restore} has no target yet")
        return self.target

    @property
    def page_blob_target(self) -> PageBlobDisk:
        """The target of a restore to a page blob that has found its recovery point.

        Raises:
            TypeError: it is of another kind.
        """
        return PageBlobDisk(page_blob(self.known_target))

    @property
    def managed_target(self) -> ManagedDisk:
        """The target of a restore to a managed disk.

        Raises:
            TypeError: it is of another kind.
        """
        return managed_disk(self.known_target)

    @property
    def makes_managed_disk(self) -> bool:
        """Whether the target is a managed disk, which it makes."""
        return isinstance(self.target, ManagedDisk)

    @property
    def claims(self) -> list[Disk]:
        """The disks whose records name it while it is under way.

        The first is claimed for as long as it lasts. A managed disk's is that of its ID alone, so that two restores to
        one ID exclude each other before there is a disk; then come those of the disks that it makes there.
        """
        if not isinstance(self.target, ManagedDisk):
            return [self.known_target]
        unique = [found for found in (self.target.unique_id, self.left_over) if found]
        return [ManagedDisk(self.target.id), *(ManagedDisk(self.target.id, found) for found in unique)]

    @property
    def is_uploaded(self) -> bool:
        """Whether the target is a managed disk whose upload has ended: the disk is not made again."""
        return self.makes_managed_disk and bool(self.target_etag)

    @property
    def is_of_own_snapshot(self) -> bool:
        """Whether the target is copied from its own source snapshot, rather than from the recovery point."""
        return self.target is not None and self.copied_from.startswith(f"{self.target}?")
