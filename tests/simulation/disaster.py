"""The whole table is lost, and the catalogue rebuilt from the backup container."""

from collections.abc import Iterator
from typing import NamedTuple

from shared.model.addresses import BlobAddress
from shared.model.disk import Disk
from shared.model.job import Stage
from shared.model.point import RecoveryPoint
from shared.model.run import Kind
from shared.settings import Settings
from tests.simulation import model
from tests.simulation.world import World, place_of


class Known(NamedTuple):
    """What was on record of a disk.

    Attributes:
        points: its recovery points.
        adopted: whether it was backed up since it was restored.
    """

    points: list[RecoveryPoint]
    adopted: bool


def lose_the_table(world: World) -> dict[Disk, Known]:
    """Delete all that was on record, and give it."""
    records = [world.record(Disk.parse(entity["disk"])) for entity, _ in world.records.values()]
    known = {record.disk: Known(world.points_of(record.disk), record.adopted) for record in records if record}
    for restore in world.restore_rows():
        if restore.target and restore.state is not Stage.DONE:  # it may leave a backup blob that no record accounts for
            world.meddle(restore.target, restore.ended)
    for table in (
        world.records,
        world.index,
        world.status,
        world.points,
        world.restores,
        world.inspections,
        world.intents,
        world.intended,
        world.parts,
        world.sealed,
        world.asked,
        world.plans,
        world.tombstones,
    ):
        table.clear()
    return known


def wrong_after_rebuild(world: World, settings: Settings, before: dict[Disk, Known]) -> Iterator[str]:
    """Say what is wrong with the rebuilt catalogue; and have the model go by it from then on."""
    for disk, known in before.items():
        now = {point.time: point for point in world.points_of(disk)}
        there = [point for point in known.points if not _is_lost(world, point)]
        for point in there:
            found = now.get(point.time)
            if found is None:
                yield f"the recovery point {point.time} of {disk} is not on record again"
            elif _essence(found) != _essence(point):
                yield f"the recovery point {point.time} is on record as {_essence(found)}, not {_essence(point)}"
        record = world.record(disk)
        if there and record is None:
            yield f"{disk} has no record"
        was_restored = any(point.kind is Kind.RESTORE for point in known.points)
        adopted = was_restored and not settings.covers(disk) and disk in world.disks
        if record and len(there) == len(known.points) and record.adopted != adopted:
            yield f"{disk} is adopted: {record.adopted}, before: {known.adopted}"
        for point in now.values():
            yield from model.wrong_with(world, disk, point)
        world.sealed[disk.key] = dict.fromkeys(now, world.now)


def _is_lost(world: World, point: RecoveryPoint) -> bool:
    """Tell whether a recovery point can't be found: it is gone, or a full copy of nothing, as failed ones are."""
    if point.deleting or not (point.backup_snapshot or point.size):
        return True
    return (place_of(point), point.backup_snapshot) in world.lost


def _essence(point: RecoveryPoint) -> tuple[BlobAddress, str, str, int, str]:
    return place_of(point), point.backup_snapshot, point.source_snapshot, point.size, point.kind
