"""What is on record of a disk, and in the backup container: all that the retention decides by."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.model.addresses import ContainerAddress
from shared.model.catalogue import found_point
from shared.model.disk import Disk
from shared.model.point import RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.retention import Facts
from shared.model.retention_facts import Place, disagreement, used_by, why_frozen

HOW_TO_AGREE = (
    "What to do: if it has no row, rebuild the catalogue: with its row back, it goes once no rule keeps it. Otherwise"
    " nothing: it is looked for after each backup, and once a day"
)
"""What an operator does about rows and blobs that disagree."""


@dataclass(frozen=True)
class Seen:
    """What was found of a disk.

    Attributes:
        points: its recovery points, oldest first, but for those that are out of reach.
        facts: what else the decision needs.
        out_of_reach: the times of those in another container than BACKUP_CONTAINER that can't be read now, each with
            the container and why. They stay, and keep no others from being deleted or from staying.
        places: what is in the containers of it, as far as they can be read.
    """

    points: list[RecoveryPoint]
    facts: Facts
    out_of_reach: Mapping[str, str]
    places: Collection[Place]


async def look_at(services: Services, disk: Disk) -> Seen:
    """Read a disk's rows, then what is in the backup container, and how the two agree.

    A point sealed or deleted between two of the lists looks like a disagreement, so that is looked at twice.
    """
    seen = await _look_once(services, disk)
    return await _look_once(services, disk) if seen.facts.disagrees else seen


async def _look_once(services: Services, disk: Disk) -> Seen:
    on_record = await services.records.points(disk)
    facts = await facts_of(services, disk)
    elsewhere, unread = await _elsewhere(services, disk, on_record)
    out_of_reach = {
        point.time: unread[point.backup_blob.parent]
        for point in on_record
        if point.backup_blob and point.backup_blob.parent in unread
    }
    points = [point for point in on_record if point.time not in out_of_reach]
    own = services.backups.address(disk)
    placed = [replace(point, backup_blob=point.backup_blob or own) for point in points]
    stored = await services.backups.of(disk)
    places = {Place.of(found.blob, found.snapshot) for found in stored} | elsewhere
    times = {found.point.time for blob in stored if (found := found_point(blob)) and found.disk == disk}
    disagrees = disagreement(placed, places, times, await _not_on_record(services, disk))
    return Seen(points, replace(facts, disagrees=disagrees), out_of_reach, places)


async def facts_of(services: Services, disk: Disk) -> Facts:
    """Read what may change from one moment to the next: the disk's record, and the open jobs.

    A point's own row must be read before: a job that is not among these has not found its point yet, or will be refused
    it, since whoever relies on a point marks its row first.
    """
    jobs = [*await services.restores.open(disk), *await services.inspections.open(disk)]
    found = await services.records.get(disk)
    record = found[0] if found else None
    in_use = used_by(jobs)
    seeking = in_use.pop("", "")
    frozen = why_frozen(record, services.now(), is_listed=_is_listed(services, disk, record))
    return Facts(
        disk=disk.name,
        frozen=frozen or (f"{seeking} has not found its recovery point yet" if seeking else ""),
        base=record.base_snapshot if record else "",
        in_use=in_use,
    )


def _is_listed(services: Services, disk: Disk, record: DiskRecord | None) -> bool:
    if record is None:
        return services.settings.covers(disk)
    return services.settings.backs_up(disk, adopted=record.adopted, retired=record.retired is not None)


async def _elsewhere(
    services: Services, disk: Disk, points: Collection[RecoveryPoint]
) -> tuple[set[Place], dict[ContainerAddress, str]]:
    """List a disk's backups in other containers than the backup container; of those that can't be read, say why.

    The account of one may be gone for good: that must not keep what is in the backup container for ever.
    """
    stored: set[Place] = set()
    unread: dict[ContainerAddress, str] = {}
    for container in {point.backup_blob.parent for point in points if point.backup_blob}:
        if container.is_same_as(services.settings.container):
            continue
        try:
            versions = await services.snapshots.versions(container.blob(disk.backup_name))
        except AzureError as error:
            unread[container] = f"{container.url}, which can't be read: {explain(error)}"
        else:
            stored |= {Place.of(version.blob, version.snapshot) for version in versions}
    return stored, unread


async def _not_on_record(services: Services, disk: Disk) -> set[str]:
    """List the times of points that were deleted on purpose, and of the one that the open run is about to seal."""
    times = {tombstone.time for tombstone in await services.tombstones.of(disk)}
    found = await services.records.get(disk)
    return times | ({found[0].run.snapshot} if found and found[0].run else set())
