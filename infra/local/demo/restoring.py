"""Restores as an admin requests them and as their rows show them."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace

from azure.data.tables.aio import TableClient
from azure.storage.queue.aio import QueueClient

from infra.local.demo.backing_up import PATIENCE_SECONDS, require_host
from infra.local.disks.vhd import MIB
from infra.local.host.process import HostProcess
from shared.azure.tables.index import Index, IndexRows
from shared.azure.tables.job_rows import JobRows
from shared.azure.tables.records import Records
from shared.azure.tables.status import Status, StatusRows
from shared.model.addresses import BlobAddress
from shared.model.disk import PageBlobDisk
from shared.model.job import JobKind, Stage, job_row
from shared.model.restore import Restore
from shared.model.texts import human_size

_LOOK_SECONDS = 0.2


class RestoreError(Exception):
    """A restore or drill that did not finish; the message holds the recorded reason."""


class Restores:
    """The restores by the app on the local host."""

    def __init__(self, host: HostProcess, requests: QueueClient, table: TableClient) -> None:
        self._host = host
        self._requests = requests
        index = Index(IndexRows(table))
        self._rows = JobRows(table, index, Restore, [JobKind.RESTORE])
        self._records = Records(table, index, Status(StatusRows(table)))

    async def ask(self, message: str) -> str:
        """Send a request as `az storage message put` does, unencoded; return the restore's id."""
        return str((await self._requests.send_message(message)).id)

    async def done(self, disk: BlobAddress, restore: str, show: Callable[[str], None]) -> Restore:
        """Wait until a restore has finished and released its lease on the restored disk.

        Args:
            disk: the disk whose recovery point is restored.
            restore: the restore's id.
            show: receives the progress.

        Raises:
            RestoreError: it was refused, it failed, or its row showed no progress for `PATIENCE_SECONDS`.
            RuntimeError: the host no longer responds.
        """
        seen: Restore | None = None
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            await require_host(self._host)
            found = await self._rows.find(PageBlobDisk(disk), job_row(JobKind.RESTORE, restore))
            row = found[0] if found else None
            if row and row.state in {Stage.REFUSED, Stage.FAILED}:
                raise RestoreError(f"Restore of {disk.url} {row.state}: {row.reason}")
            if row and row.state is Stage.DONE and await self._is_released(row):
                return row
            if _progress(row) != _progress(seen):
                deadline = time.monotonic() + PATIENCE_SECONDS
            seen = row
            show(_said(row))
            await asyncio.sleep(_LOOK_SECONDS)
        raise RestoreError(
            f"The restore of {disk.url} made no progress for {PATIENCE_SECONDS:.0f} s. Recorded error: "
            f"{(seen and (seen.last_error or seen.reason)) or 'none'}"
        )

    async def _is_released(self, restore: Restore) -> bool:
        """Return whether the restored disk's record no longer names the restore: only then can a guest write to it."""
        found = await self._records.get(restore.known_target)
        return found is not None and not found[0].restore


def request(disk: BlobAddress, point: str) -> str:
    """Write a request to restore to a new disk.

    Args:
        disk: the disk whose recovery point to restore.
        point: the recovery point's time.
    """
    return json.dumps({"disk": disk.url, "point": point})


def _progress(restore: Restore | None) -> Restore | None:
    """Return the part of the row that changes when work is done, not on every check or failed attempt."""
    return restore and replace(restore, checked=restore.requested, last_error_at=None)


def _said(restore: Restore | None) -> str:
    if restore is None:
        return "waiting for the app to read the message"
    if restore.state is Stage.PROVING:
        return f"proving, {restore.parts_proved} of {restore.parts_total} parts"
    if restore.state in {Stage.PROMOTING, Stage.COPYING}:
        tried = f", retrying after: {restore.last_error}" if restore.last_error else ""
        return (
            f"{restore.state}, {restore.bytes_done // MIB} of {human_size(restore.bytes_total or restore.size)}{tried}"
        )
    return f"{restore.state}{f', {restore.reason}' if restore.reason else ''}"
