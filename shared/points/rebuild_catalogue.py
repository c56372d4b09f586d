"""Disaster recovery: rebuild the records from the backup container. Idempotent."""

import contextlib

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.azure.tables.records import RecordConflictError
from shared.errors import OtherDiskError, StepFailedError
from shared.events import Event, log_event
from shared.limits import TRANSACTION
from shared.model.catalogue import FoundPoint, found_point, looks_like_a_point, rebuilt
from shared.model.disk import Disk
from shared.model.point import RecoveryPoint
from shared.model.run import Kind
from shared.points.versions import find_backup_blob, require_own_record


async def rebuild_catalogue(services: Services) -> None:
    """Record every recovery point that is not on record, and create a record for each disk without one.

    Existing rows are left unchanged.

    Raises:
        StepFailedError: the backup container can't be read, or the table can't be read or written.
    """
    try:
        await services.ensure()
        rebuilding = _Rebuilding(services)
        async for stored in services.backups.blobs():
            found = found_point(stored)
            if found:
                await rebuilding.add(found)
            elif looks_like_a_point(stored):
                log_event(Event.BLOB_UNKNOWN, blob=stored.blob.url, snapshot=stored.snapshot)
        await rebuilding.finish()
    except AzureError as error:
        reason = explain(error)
        log_event(Event.REBUILD_CATALOGUE_FAILED, reason=reason)
        raise StepFailedError(reason) from None


class _Rebuilding:
    """A rebuild in progress. Per disk it holds only the times on record, the last point and points not yet written."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._disks: dict[str, Disk] = {}
        self._on_record: dict[Disk, set[str]] = {}
        self._last: dict[Disk, FoundPoint] = {}
        self._restored: set[Disk] = set()
        self._unwritten: dict[Disk, dict[str, RecoveryPoint]] = {}
        self._points = 0

    async def add(self, found: FoundPoint) -> None:
        """Record a recovery point unless it is on record; points are written in batches."""
        disk, point = found.disk, found.point
        if not await self._is_own(disk):
            log_event(Event.BLOB_UNKNOWN, blob=point.backup_blob, snapshot=point.backup_snapshot)
            return
        if disk not in self._on_record:
            self._on_record[disk] = set(await self._services.records.point_times(disk))
        if disk not in self._last or self._last[disk].point.time <= point.time:
            self._last[disk] = found
        if point.kind is Kind.RESTORE:
            self._restored.add(disk)
        if point.time in self._on_record[disk]:
            return
        unwritten = self._unwritten.setdefault(disk, {})
        unwritten[point.time] = point
        if len(unwritten) == TRANSACTION:
            await self._write(disk)

    async def _is_own(self, disk: Disk) -> bool:
        """Return whether a disk may use its key; of same-named disks on two services only the first may."""
        key = disk.key
        if key not in self._disks:
            try:
                await require_own_record(self._services, disk)
            except OtherDiskError:
                return False
            self._disks[key] = disk
        return self._disks[key] == disk

    async def finish(self) -> None:
        """Write the remaining points, and create the missing records."""
        for disk in list(self._unwritten):
            await self._write(disk)
        records = 0
        for disk, last in self._last.items():
            records += await self._create_record(disk, last)
        log_event(Event.CATALOGUE_REBUILT, disks=len(self._last), records=records, points=self._points)

    async def _write(self, disk: Disk) -> None:
        points = self._unwritten.pop(disk)
        await self._services.records.add_points(disk, list(points.values()))
        self._points += len(points)

    async def _create_record(self, disk: Disk, last: FoundPoint) -> bool:
        """Create a disk's record if it has none; return whether it was created."""
        services = self._services
        if await services.records.get(disk) is not None:
            return False
        try:
            blob = await find_backup_blob(services, disk)
        except OtherDiskError:
            blob = None
        was_restored = disk in self._restored and not services.settings.covers(disk)
        adopted = was_restored and await services.disks.exists(disk)
        record = rebuilt(services.backups.address(disk), last, blob, adopted=adopted)
        with contextlib.suppress(RecordConflictError):
            await services.records.put(disk, record, None)
            return True
        return False
