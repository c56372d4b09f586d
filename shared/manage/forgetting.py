"""`forget`: delete one recovery point, as the retention does, unless something needs it."""

from shared.azure.services import Services
from shared.model.intents import ForgetIntent
from shared.owner.mark import require_owner
from shared.retention.deleting import delete_point


async def forget(services: Services, intent: ForgetIntent) -> str:
    """Delete a recovery point; one that was deleted before is done.

    Raises:
        PointStaysError: it must not be deleted, whoever asks for it.
        NotOwnerError: the backup container belongs to another app.
    """
    await require_owner(services)
    return await delete_point(services, intent.disk, intent.point)
