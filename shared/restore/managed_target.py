"""A managed disk as the target: what is checked before anything is written, how it is made, and taken back."""

from dataclasses import replace
from datetime import timedelta

from azure.core.exceptions import HttpResponseError

from shared.azure.answers import explain, is_permanent, lacks_role
from shared.azure.services import Services
from shared.content.fixed_vhd import fixed_vhd_problem
from shared.errors import UploadLostError
from shared.events import Event, log_event
from shared.model.disk import ManagedDisk
from shared.model.disk_profile import DiskProfile
from shared.model.job import Next
from shared.model.managed_target import (
    exists_problem,
    not_a_vhd,
    place_problem,
    profile_problem,
    profile_to_make,
    size_problem,
)
from shared.model.point import RecoveryPoint
from shared.model.restore import RefusedError, Restore, RestoreFailedError
from shared.model.restore_target import without_restore
from shared.model.retry_policy import is_too_long
from shared.model.upload import FoundDisk
from shared.pages.signed import SignedReads
from shared.points.versions import version_of
from shared.runs.blank_records import delete_if_blank


async def planned(services: Services, restore: Restore, target: ManagedDisk, point: RecoveryPoint) -> Restore:
    """Check that a recovery point can be restored as a managed disk, and say what that is made as. Nothing is written.

    Raises:
        RefusedError: it can't be; the message says what to do.
    """
    if why := place_problem(target, services.settings.managed_groups):
        raise RefusedError(why)
    profile = profile_to_make(point.profile, restore.asked_as)
    if why := size_problem(point.size) or profile_problem(profile) or await _vhd_problem(services, restore, point):
        raise RefusedError(f"{restore.known_disk} can't be restored as a managed disk: {why}")
    try:
        await require_free(services, target)
        await services.uploads.require_permitted(target.id)
    except HttpResponseError as error:
        if lacks_role(error) or is_permanent(error):
            raise RefusedError(f"{target.id} can't be made: {explain(error, restores=True)}") from None
        raise
    return replace(restore, target=target, target_is_new=True, made_as=profile.text)


async def require_free(services: Services, target: ManagedDisk) -> None:
    """Require that no disk has the target's ID: at first, and again when the restore holds the ID's record.

    Raises:
        RefusedError: there is one.
    """
    if await services.uploads.find(target.id):
        raise RefusedError(exists_problem(target))


async def _vhd_problem(services: Services, restore: Restore, point: RecoveryPoint) -> str:
    reads = SignedReads(services, version_of(services, restore.known_disk, point))
    why = fixed_vhd_problem(await reads.last_page(point.size), point.size)
    return not_a_vhd(why) if why else ""


async def make_disk(services: Services, restore: Restore, found: FoundDisk | None) -> Next[Restore]:
    """Make the disk of this attempt, once that of an earlier one is gone.

    Args:
        services: the services.
        restore: the restore.
        found: the disk that has the target's ID, which is not that of this attempt; None if there is none.

    Raises:
        UploadLostError: somebody has deleted the disk of this attempt.
        RestoreFailedError: the disk can't be made, or another one has its ID.
    """
    target = restore.managed_target
    if target.unique_id:
        raise UploadLostError(f"{target.id} was deleted or replaced while it was being restored")
    if found and found.is_unfinished_of(restore.restore, restore.left_over):
        await discard(services, restore, found)
    elif found:
        raise RestoreFailedError(exists_problem(target))
    elif restore.left_over:
        await _release(services, ManagedDisk(target.id, restore.left_over), restore.restore)
        return Next(replace(restore, left_over="", checked=services.now()))
    else:
        await _create(services, restore)
    now = services.now()
    return Next(replace(restore, checked=now), restore.next_check(now) if found else timedelta())


async def _create(services: Services, restore: Restore) -> None:
    target, profile = restore.managed_target, DiskProfile.read(restore.made_as) or DiskProfile()
    try:
        await services.uploads.create(target.id, restore.size, profile, restore.mark)
    except HttpResponseError as error:
        if is_permanent(error):
            raise RestoreFailedError(f"{target.id} can't be made: {explain(error)}") from None
        raise
    log_event(Event.RESTORE_DISK_MADE, **restore.about, target=target.name, attempt=restore.attempt)


async def recorded(services: Services, restore: Restore, found: FoundDisk) -> Next[Restore]:
    """Put the unique ID of the disk that was made on the restore's row, once Azure gives it.

    Raises:
        UploadLostError: Azure could not make the disk, or has not for a day.
    """
    target, now = restore.managed_target, services.now()
    if found.problem or (target.unique_id and found.unique_id):
        raise UploadLostError(f"{target.id}: {found.problem or 'it was replaced while it was being restored'}")
    if found.unique_id:
        return Next(replace(restore, target=ManagedDisk(target.id, found.unique_id), reason="", checked=now))
    if is_too_long(restore.phase_began, now):
        raise UploadLostError(f"Azure has not made {target.id} within a day")
    waiting = f"waiting until Azure has made {target.id}"
    return Next(replace(restore, reason=waiting, checked=now), restore.next_check(now))


async def discard_unfinished(services: Services, restore: Restore) -> None:
    """Delete the disk that an ended restore has made and not finished; any other disk is left alone."""
    target = restore.managed_target
    found = await services.uploads.find(target.id)
    if found and found.is_unfinished_of(restore.restore, target.unique_id, restore.left_over):
        await discard(services, restore, found)


async def discard_lost(services: Services, target: ManagedDisk, restore: str) -> None:
    """Delete the disk that a restore without a row is uploading into, and release the target's record."""
    found = await services.uploads.find(target.id)
    if found and found.is_unfinished_of(restore):
        await services.uploads.discard(ManagedDisk(target.id, found.unique_id))
        log_event(Event.RESTORE_DROPPED, disk=target.name, restore=restore, blob=target.id.url)
    await _release(services, target, restore)


async def discard(services: Services, restore: Restore, found: FoundDisk) -> None:
    """Delete a disk that the restore has made."""
    target = restore.managed_target.id
    await services.uploads.discard(ManagedDisk(target, found.unique_id))
    log_event(Event.RESTORE_DROPPED, **restore.about, blob=target.url)


async def _release(services: Services, disk: ManagedDisk, restore: str) -> None:
    await services.records.update(disk, lambda record: without_restore(record, restore))
    await delete_if_blank(services, disk)
