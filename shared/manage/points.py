"""The recovery point that an intent is about."""

from shared.azure.services import Services
from shared.model.disk import Disk
from shared.model.intents import IntentRefusedError
from shared.model.requests import LATEST
from shared.model.restore_target import date_problem, requested_point
from shared.model.times import canonical_time
from shared.points.versions import require_own_record


async def find_point_to_delete(services: Services, disk: Disk, asked: str) -> str:
    """Find the time of the recovery point that is named; an earlier one is not meant.

    Raises:
        IntentRefusedError: there is none of this time.
        OtherDiskError: the disk's record belongs to another disk.
    """
    time = await find_point(services, disk, asked)
    if time < canonical_time(asked):
        raise IntentRefusedError(
            f"{disk.name} has no recovery point of {asked}; the last one before is {time}."
            " What to do: name the one to delete by its own time"
        )
    return time


async def find_point(services: Services, disk: Disk, asked: str) -> str:
    """Find the time of the recovery point that is asked for, as restores do.

    Raises:
        IntentRefusedError: there is none, or a date alone is asked for.
        OtherDiskError: the disk's record belongs to another disk.
    """
    record = await require_own_record(services, disk)
    times = await services.records.point_times(disk)
    if times and (problem := date_problem(times, asked)):
        raise IntentRefusedError(problem)
    time = requested_point(times, asked)
    if time is not None:
        return time
    if times:
        raise IntentRefusedError(
            f"{disk.name} has no recovery point at or before {canonical_time(asked)}; the oldest is {min(times)}."
            " What to do: name that one or a later one"
        )
    is_known = services.settings.covers(disk) or record is not None
    what = "it has no recovery point yet" if is_known else "it is not in SOURCE_DISKS and has no record"
    raise IntentRefusedError(
        f"{disk.name} has no recovery point{f' at or before {asked}' if asked != LATEST else ''}: {what}."
        " What to do: check the URL; if the table was lost, rebuild the catalogue first"
    )
