"""Deleting the source snapshots of a retired disk: at once, and again at each tick until it is done. Idempotent."""

from functools import partial

from azure.core.exceptions import AzureError, ResourceNotFoundError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.errors import TidemarkError
from shared.events import Event, log_event
from shared.model.container_moves import old_container
from shared.model.disk import Disk
from shared.model.retirement import cleaned, is_left_over, is_to_clean
from shared.runs.clean_up import snapshots_in_use, source_snapshots


async def clean_retired(services: Services, disk: Disk) -> str:
    """Delete the source snapshots that a retired disk has left; return why that is not done, empty if it is.

    A disk that no longer exists has none. Those that an open job still reads are left to a later tick.
    """
    try:
        is_clean = await _drop_snapshots(services, disk)
        if is_clean:
            await services.records.update(disk, partial(cleaned, now=services.now()))
    except (AzureError, TidemarkError) as error:
        reason = explain(error)
        log_event(Event.CLEAN_RETIRED_FAILED, disk=disk.name, reason=reason)
        return reason
    return "" if is_clean else "a verify, a run, a restore or a tick still needs them"


async def _drop_snapshots(services: Services, disk: Disk) -> bool:
    """Delete the source snapshots that are left over, one by one; return whether none is left at all."""
    try:
        snapshots = [*await source_snapshots(services, disk), *await _of_container_on_record(services, disk)]
    except ResourceNotFoundError:
        snapshots = []
    in_use = await snapshots_in_use(services, disk)
    # Read last: a run that has opened since the list keeps its base and its own snapshot.
    found = await services.records.get(disk)
    if found is None or not is_to_clean(found[0]):
        return found is None or found[0].retired is None or found[0].retired_clean
    is_clean = True
    for snapshot in snapshots:
        if snapshot in in_use or not is_left_over(found[0], snapshot, services.now()):
            is_clean = False
            continue
        await services.disks.delete_snapshot(disk, snapshot)
        log_event(Event.SOURCE_SNAPSHOT_DELETED, disk=disk.name, snapshot=snapshot)
    return is_clean


async def _of_container_on_record(services: Services, disk: Disk) -> list[str]:
    """List the source snapshots up to the base if they were taken for another container, whatever the settings name.

    Newer ones are not this app's, which has backed the disk up there no more.
    """
    found = await services.records.get(disk)
    old = old_container(found[0], services.settings.container) if found else None
    snapshots = await services.disks.own_snapshots(disk, old) if old else []
    return [snapshot for snapshot in snapshots if found and snapshot <= found[0].base_snapshot]
