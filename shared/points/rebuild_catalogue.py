"""Disaster recovery: rebuild the records from the backup container. Idempotent."""

import contextlib
from collections.abc import AsyncIterator

from azure.core.exceptions import AzureError
from pydantic import ValidationError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.azure.tables.records import TRIES, RecordConflictError
from shared.errors import OtherDiskError, StepFailedError, TidemarkError
from shared.events import Event, log_event
from shared.limits import TRANSACTION
from shared.model.catalogue import FoundPoint, StoredBlob, found_point, looks_like_a_point, rebuilt
from shared.model.disk import Disk
from shared.model.job import JobKind, job_row
from shared.model.point import RecoveryPoint
from shared.model.record import restored_of
from shared.model.restore_target import is_blank
from shared.model.run import Kind
from shared.points.versions import find_backup_blob, require_own_record


async def rebuild_catalogue(services: Services) -> None:
    """Record every recovery point that is not on record, and create a record for each disk without one.

    Existing rows are left unchanged, but for records without a backup on them: a tick that came first has made these.
    A disk that fails does not stop the others. Recovery points that are still in the container before a move count.
    Only the table is written, so it does not matter which app owns the container.

    Raises:
        StepFailedError: the backup container can't be read, the table can't be read or written, or a disk failed.
    """
    try:
        await services.ensure()
        rebuilding = _Rebuilding(services)
        if services.settings.moved_from:
            await _read(services.backups.blobs(services.settings.moved_from), rebuilding)
        await _read(services.backups.blobs(), rebuilding)
        await rebuilding.finish()
    except AzureError as error:
        reason = explain(error)
        log_event(Event.REBUILD_CATALOGUE_FAILED, reason=reason)
        raise StepFailedError(reason) from None


async def _read(blobs: AsyncIterator[StoredBlob], rebuilding: "_Rebuilding") -> None:
    """Record the recovery points of a container."""
    async for stored in blobs:
        found = found_point(stored)
        if found:
            await rebuilding.add(found)
        elif looks_like_a_point(stored):
            log_event(Event.BLOB_UNKNOWN, blob=stored.blob.url, snapshot=stored.snapshot)


class _Rebuilding:
    """A rebuild in progress. Per disk it holds only the times on record, the last point and points not yet written."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._disks: dict[str, Disk] = {}
        self._on_record: dict[Disk, set[str]] = {}
        self._buried: dict[Disk, set[str]] = {}
        self._last: dict[Disk, FoundPoint] = {}
        self._restored: set[Disk] = set()
        self._unwritten: dict[Disk, dict[str, RecoveryPoint]] = {}
        self._points = 0
        self._failed: dict[Disk, str] = {}

    async def add(self, found: FoundPoint) -> None:
        """Record a recovery point unless it is on record; points are written in batches."""
        if found.disk in self._failed:
            return
        try:
            await self._add(found)
        except (TidemarkError, ValidationError) as error:  # a row that can't be read
            self._fail(found.disk, error)

    def _fail(self, disk: Disk, error: Exception) -> None:
        reason = explain(error)
        log_event(Event.REBUILD_CATALOGUE_FAILED, disk=disk.name, reason=reason)
        self._failed[disk] = reason

    async def _add(self, found: FoundPoint) -> None:
        disk, point = found.disk, found.point
        if not await self._is_own(disk):
            log_event(Event.BLOB_UNKNOWN, blob=point.backup_blob, snapshot=point.backup_snapshot)
            return
        if disk not in self._on_record:
            self._on_record[disk] = set(await self._services.records.point_times(disk))
            self._buried[disk] = {tombstone.time for tombstone in await self._services.tombstones.of(disk)}
        if point.time in self._buried[disk]:
            return  # deleted on purpose, and undeleted since, or not deleted yet
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
        """Write the remaining points, and create the missing records.

        Raises:
            StepFailedError: some disks failed; the others are done.
        """
        records = 0
        for disk in sorted(self._last.keys() - self._failed.keys()):
            try:
                await self._write(disk)
                records += await self._create_record(disk, self._last[disk])
            except (AzureError, TidemarkError, ValidationError) as error:
                self._fail(disk, error)
        rebuilt_disks = len(self._last.keys() - self._failed.keys())
        log_event(Event.CATALOGUE_REBUILT, disks=rebuilt_disks, records=records, points=self._points)
        if self._failed:
            failed = "; ".join(f"{disk.name}: {reason}" for disk, reason in sorted(self._failed.items()))
            raise StepFailedError(f"all disks were rebuilt except {failed}")

    async def _write(self, disk: Disk) -> None:
        points = self._unwritten.pop(disk, {})
        if not points:
            return
        # Snapshots found in the list were taken before: of one that is not sealed yet the record names run or restore.
        for time in await self._unsealed(disk):
            points.pop(time, None)
        await self._withdraw_approval(disk)
        await self._services.records.add_points(disk, list(points.values()))
        self._points += len(points)

    async def _withdraw_approval(self, disk: Disk) -> None:
        """Have the next plan of the retention looked at: nobody knows which of these points were kept or verified."""
        for _ in range(TRIES):
            found = await self._services.plans.find(disk)
            if found is None or found[0].withdraw() == found[0]:
                return
            with contextlib.suppress(RecordConflictError):
                await self._services.plans.put(found[0].withdraw(), found[1])
                return
        raise RecordConflictError(f"the retention plan of {disk}")

    async def _unsealed(self, disk: Disk) -> list[str]:
        """List the times of the recovery points that a run or a restore is about to seal."""
        found = await self._services.records.get(disk)
        if found is None:
            return []
        record = found[0]
        times = [record.run.snapshot] if record.run else []
        if record.restore:
            row = await self._services.restores.find(restored_of(record), job_row(JobKind.RESTORE, record.restore))
            times += [row[0].target_snapshot] if row else []
        return times

    async def _create_record(self, disk: Disk, last: FoundPoint) -> bool:
        """Create a disk's record if it has none, or one without a backup on it; return whether it was created."""
        services = self._services
        before, etag = await services.records.get(disk) or (None, None)
        if before and not is_blank(before):
            return False
        try:
            blob = await find_backup_blob(services, disk)
        except OtherDiskError:
            blob = None
        was_restored = disk in self._restored and not services.settings.covers(disk)
        adopted = was_restored and await services.disks.exists(disk)
        container = last.point.backup_blob.parent if last.point.backup_blob else services.settings.container
        record = rebuilt(container.blob(disk.backup_name), last, blob, adopted=adopted, before=before)
        with contextlib.suppress(RecordConflictError):
            await services.records.put(disk, record, etag)
            return True
        return False
