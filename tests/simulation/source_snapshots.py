"""Which source snapshots the app may delete, of disks of all kinds."""

from shared.model.disk import Disk
from tests.simulation.world import World


def note_dropped(world: World, disk: Disk, time: str) -> None:
    """Note that the app deletes a source snapshot: not the base of the next run, nor that of the open one."""
    record = world.record(disk)
    if record and time == record.base_snapshot and record.retired:
        world.meddle(disk)  # its next run has no base
    elif record and time == record.base_snapshot:
        world.violations.append(f"the base snapshot {time} was deleted")
    if record and record.run_of(time):
        world.violations.append(f"the open run's source snapshot {time} was deleted")
    world.dropped.add((disk, time))
