"""`keep` and `unkeep`: a mark on a recovery point that holds it, whatever the retention says."""

from collections.abc import Callable

from shared.azure.services import Services
from shared.errors import SourceGoneError
from shared.model.intent_row import IntentRow
from shared.model.intents import IntentRefusedError, KeepIntent, UnkeepIntent
from shared.model.point import PointState, RecoveryPoint


async def keep(services: Services, intent: KeepIntent, row: IntentRow) -> str:
    """Mark a recovery point as kept.

    Raises:
        IntentRefusedError: it would be kept until a time that has passed already.
        SourceGoneError: it is no longer on record.
    """
    if intent.until and intent.until <= row.requested:
        raise IntentRefusedError(f"until: {intent.until:%Y-%m-%dT%H:%M:%SZ} has passed already")
    await _change(services, intent, lambda point: point.as_kept(intent.until, intent.note))
    until = f" until {intent.until:%Y-%m-%dT%H:%M:%SZ}" if intent.until else ""
    return f"recovery point {intent.point} of {intent.disk.name} is kept{until}"


async def unkeep(services: Services, intent: UnkeepIntent) -> str:
    """Take the mark off a recovery point.

    Raises:
        SourceGoneError: it is no longer on record.
    """
    await _change(services, intent, RecoveryPoint.as_not_kept)
    return f"recovery point {intent.point} of {intent.disk.name} is not kept any more"


async def _change(
    services: Services, intent: KeepIntent | UnkeepIntent, change: Callable[[RecoveryPoint], RecoveryPoint]
) -> None:
    """Change the mark of a recovery point that is not being deleted."""

    def changed(point: RecoveryPoint) -> RecoveryPoint:
        if point.state is PointState.DELETING:
            raise IntentRefusedError(
                f"recovery point {point.time} of {intent.disk.name} is being deleted. What to do: name another one"
            )
        return change(point)

    if await services.records.update_point(intent.disk, intent.point, changed) is None:
        raise SourceGoneError(f"recovery point {intent.point} of {intent.disk.name} is no longer on record")
