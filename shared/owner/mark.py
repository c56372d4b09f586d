"""The owner mark: an empty blob in the backup container, under a lease, that names the app the container belongs to.

The name decides; the lease keeps everybody else from writing another one, or deleting the mark by mistake. Both are
made under conditions, so that of several apps exactly one gets a new container. Where the mark was deleted, the first
app that asks next makes it anew.
"""

import contextlib
from functools import partial

from shared.azure.services import Services
from shared.errors import BlobChangedError, NotOwnerError, StepFailedError, TargetLeasedError
from shared.events import Event, log_event
from shared.model.addresses import BlobAddress
from shared.model.blob import BlobState
from shared.model.names import OWNER_MARK, owner_lease_id
from shared.model.owner import belongs_to_another, mark_metadata, owner_of


async def require_owner(services: Services) -> None:
    """Require that the backup container belongs to this app; one without an owner belongs to it from now on.

    Usually that takes one request.

    Raises:
        NotOwnerError: it belongs to another app.
        AzureError, StepFailedError: whose it is can't be told now.
    """
    app, mark = services.settings.app, mark_of(services)
    found = await services.pages.find(mark) or await _make(services)
    owner = owner_of(found.metadata)
    if owner.storage != app.storage:
        raise NotOwnerError(belongs_to_another(mark.parent, owner, app))
    if not found.leased:
        # An app that takes the container over may have leased the mark since: then its name follows.
        with contextlib.suppress(BlobChangedError, TargetLeasedError):
            await services.leases.acquire(mark, owner_lease_id(app.storage), found.etag)


def mark_of(services: Services) -> BlobAddress:
    """Return the address of the backup container's mark."""
    return services.settings.container.blob(OWNER_MARK)


async def _make(services: Services) -> BlobState:
    """Make the mark, with the container if that is missing, unless another app is faster; return what is there."""
    app, mark = services.settings.app, mark_of(services)
    metadata = mark_metadata(app)
    try:
        etag = await services.backups.ensured(partial(services.blobs.create, mark, 0, metadata))
    except BlobChangedError:
        found = await services.pages.find(mark)
        if found is None:
            raise StepFailedError(f"{mark.url} was made and deleted just now") from None
        return found
    log_event(Event.CONTAINER_MARKED, container=mark.parent.url, owner=str(app))
    return BlobState(size=0, etag=etag, metadata=metadata)
