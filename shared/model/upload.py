"""A managed disk that a restore makes by an upload, as it is found. Pure values."""

from dataclasses import dataclass


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

    def is_unfinished_of(self, restore: str, *unique_ids: str) -> bool:
        """Return whether a restore may delete it: an attempt has made it and not finished it, or it is one on record.

        One that is still being made or uploaded is the restore's own, whichever of its workers has made it, however
        late. One that is in use may bear the mark because somebody has copied its tags.

        Args:
            restore: the restore.
            unique_ids: those of the disks that the restore has on record.
        """
        return self.was_made_by(restore) and (self.uploads or not self.unique_id or self.unique_id in unique_ids)
