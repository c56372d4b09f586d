"""What keeps a recovery point from being exported, compared or browsed; each message says what to do."""

from shared.errors import Remedy, TidemarkError


class AccessError(TidemarkError):
    """What is given to reach the storage can't be used; the message doesn't show it."""

    remedy = Remedy.FAIL


class ExportError(TidemarkError):
    """A recovery point can't be exported to a file."""

    remedy = Remedy.FAIL


class ChangesError(TidemarkError):
    """Two versions of a disk can't be compared."""

    remedy = Remedy.FAIL


class AttachedError(ChangesError):
    """A disk can't be compared with its base snapshot, because it is attached to a VM."""


class BrowseError(TidemarkError):
    """The files of a recovery point can't be read."""

    remedy = Remedy.FAIL


class NoSuchPathError(BrowseError):
    """There is no such file or folder, or it is not what it is taken for."""
