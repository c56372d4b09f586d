"""A managed disk that a restore makes by an upload, as it is found. Pure values."""

from dataclasses import dataclass

from shared.model.disk import ManagedDisk


@dataclass(frozen=True, slots=True)
class FoundDisk:
    """The managed disk that has a resource ID.

    Attributes:
        unique_id: its `uniqueId`, in lower case; empty while Azure makes it.
        mark: the restore and the attempt that have made it (`Restore.mark`); empty for any other disk.
        uploads: whether it waits for the end of its upload: until then it is of no use, and is not backed up.
        problem: why Azure could not make it; empty if it could, or still does.
    """

    unique_id: str
    mark: str = ""
    uploads: bool = False
    problem: str = ""

    def was_made_by(self, restore: str) -> bool:
        """Return whether its mark says that an attempt of this restore has made it."""
        return self.mark.startswith(f"{restore}/")

    def is_one_of(self, disk: ManagedDisk) -> bool:
        """Return whether it may be a disk of the same resource ID: it is another if both unique IDs are known."""
        return not (disk.unique_id and self.unique_id) or disk.unique_id == self.unique_id
