"""The recovery point that an intent is about."""

from shared.azure.services import Services
from shared.model.disk import Disk
from shared.model.intents import IntentRefusedError
from shared.model.times import canonical_time
from shared.points.versions import requested_time


async def find_point_to_delete(services: Services, disk: Disk, asked: str) -> str:
    """Find the time of the recovery point that is named; an earlier one is not meant.

    Raises:
        IntentRefusedError, NoPointError: there is none of this time.
        OtherDiskError: the disk's record belongs to another disk.
    """
    time = await requested_time(services, disk, asked)
    if time < canonical_time(asked):
        raise IntentRefusedError(
            f"{disk.name} has no recovery point of {asked}; the last one before is {time}."
            " What to do: name the one to delete by its own time"
        )
    return time
