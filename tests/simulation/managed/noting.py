"""What a world remembers of the snapshots of managed disks: what each held, and which the app has deleted."""

from tests.simulation.managed.resources import Taken
from tests.simulation.source_snapshots import note_dropped
from tests.simulation.world import BACKUPS, World

_BACKUPS = frozenset(container.url for container in BACKUPS)


def note_taken(world: World, taken: Taken) -> None:
    """Note that a snapshot was taken, if it is a source snapshot of the app's.

    Of one that was there before, and is made anew by a request that comes late, nothing may be made.
    """
    if taken.time in world.held:
        world.meddle(taken.disk)
    elif taken.time:
        world.note_snapshot(taken.disk, taken.time, taken.held)


def note_deleted(world: World, taken: Taken) -> None:
    """Note that the app has deleted a snapshot, which must be its own."""
    if taken.backups not in _BACKUPS:
        world.violations.append(f"the snapshot {taken.resource} was deleted, which is not Tidemark's")
    else:
        note_dropped(world, taken.disk, taken.time)
