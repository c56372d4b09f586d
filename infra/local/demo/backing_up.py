"""Backups as an admin starts them and as the record shows them."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from azure.data.tables.aio import TableClient

from infra.local.demo.watching import LOOK_SECONDS, PATIENCE_SECONDS, require_host
from infra.local.disks.vhd import MIB
from infra.local.host.process import HostProcess
from shared.azure.tables.index import Index, IndexRows
from shared.azure.tables.records import Records
from shared.azure.tables.rows import from_properties, from_row
from shared.azure.tables.status import Status, StatusRows
from shared.model.disk import Disk
from shared.model.point import POINT_ROW_PREFIX, RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.run import OpenRun


class BackupError(Exception):
    """A backup that made no recovery point; the message holds the recorded error."""


class Backups:
    """The backups of one disk by the app on the local host."""

    def __init__(self, host: HostProcess, table: TableClient, disk: Disk) -> None:
        self._host = host
        self._table = table
        self._records = Records(table, Index(IndexRows(table)), Status(StatusRows(table)))
        self._disk = disk

    async def back_up(self, show: Callable[[str], None]) -> RecoveryPoint:
        """Start the timer's function by name and wait for the recovery point.

        Raises:
            BackupError: the record showed no progress for `PATIENCE_SECONDS`.
            RuntimeError: the host no longer responds.
        """
        before, started = await self._record(), datetime.now(UTC)
        await self._host.start("take_snapshots")
        seen, deadline = before, time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            await require_host(self._host)
            record = await self._record()
            if record and record.last_point != (before.last_point if before else ""):
                return await self._point(record.last_point)
            if record and _progress(record) != _progress(seen):
                seen, deadline = record, time.monotonic() + PATIENCE_SECONDS
            show(_said(record, started))
            await asyncio.sleep(LOOK_SECONDS)
        raise BackupError(
            f"The backup of {self._disk.name} made no progress for {PATIENCE_SECONDS:.0f} s. Recorded error: "
            f"{_error(seen, started) or 'none'}"
        )

    async def last_point(self) -> RecoveryPoint:
        """Read the last recovery point.

        Raises:
            BackupError: there is none.
        """
        if (record := await self._record()) is None or not record.last_point:
            raise BackupError(f"{self._disk.name} has no recorded recovery point.")
        return await self._point(record.last_point)

    async def _record(self) -> DiskRecord | None:
        found = await self._records.get(self._disk)
        return found[0] if found else None

    async def _point(self, when: str) -> RecoveryPoint:
        row = await self._table.get_entity(self._disk.key, f"{POINT_ROW_PREFIX}{when}")
        return from_row(RecoveryPoint, from_properties(row))


def _progress(record: DiskRecord | None) -> OpenRun | None:
    """Return the part of the record that changes when work is done, not whenever the app checks on it."""
    run = record.run if record else None
    return replace(run, checked=run.started) if run else None


def _error(record: DiskRecord | None, since: datetime) -> str:
    """Return the recorded error if it belongs to this backup."""
    return record.last_error if record and record.last_error_at and record.last_error_at >= since else ""


def _said(record: DiskRecord | None, since: datetime) -> str:
    if record is None or record.run is None:
        return "taking a snapshot of the disk"
    run = record.run
    if error := _error(record, since):
        return f"retrying after: {error}"
    if not run.opened:
        return "preparing the backup blob"
    written = run.bytes_written // MIB
    return f"{run.kind}, {run.position // MIB} of {run.size // MIB} MiB processed, {written} MiB written"
