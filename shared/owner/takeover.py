"""Taking a backup container over from another app, which an operator asks for."""

from shared.azure.services import Services
from shared.events import Event, log_event
from shared.model.intents import TakeoverIntent
from shared.model.names import OWNER_BEFORE_METADATA, owner_lease_id
from shared.model.owner import mark_metadata, owner_of
from shared.owner.mark import mark_of, require_owner


async def takeover(services: Services, _: TakeoverIntent) -> str:
    """Make the backup container this app's, whoever it belonged to; the other app's next step finds this app's name.

    Idempotent. The lease comes first, so that nobody else can write to the mark, and the name last.

    Returns:
        What was done, and whose the container was before.

    Raises:
        AzureError: the container can't be reached.
        BlobChangedError: another app has changed the mark at the same time.
    """
    app, mark, container = services.settings.app, mark_of(services), services.settings.container.url
    found = await services.pages.find(mark)
    if found is None:
        await require_owner(services)
        return f"{container} had no owner, and belongs to this app now"
    owner = owner_of(found.metadata)
    if owner.storage == app.storage:
        await require_owner(services)
        before = found.metadata.get(OWNER_BEFORE_METADATA, "")
        return f"{container} belongs to this app already{f'; before, it belonged to {before}' if before else ''}"
    lease = owner_lease_id(app.storage)
    await services.leases.take(mark, lease, found.etag)
    await services.blobs.set_metadata(mark, mark_metadata(app, owner), found.etag, lease)
    log_event(Event.CONTAINER_TAKEN_OVER, container=container, owner=str(app), before=str(owner))
    return (
        f"{container} belongs to this app now; before, it belonged to {owner}. What is under way there ends by itself."
        " What to do: stop that app; if this app's table does not have its recovery points, rebuild the catalogue"
    )
