"""A restore as an admin asks for it and as its row shows it."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace

from azure.data.tables.aio import TableClient
from azure.storage.queue.aio import QueueClient

from infra.local.demo.backing_up import PATIENCE_SECONDS, require_host
from infra.local.demo.terminal import amount
from infra.local.disks.vhd import MIB
from infra.local.host.process import HostProcess
from shared.azure.tables.index import Index, IndexRows
from shared.azure.tables.job_rows import JobRows
from shared.azure.tables.records import Records
from shared.model.addresses import BlobAddress
from shared.model.disk import PageBlobDisk
from shared.model.job import JobKind, Stage, job_row
from shared.model.restore import Restore

_LOOK_SECONDS = 0.2


class RestoreError(Exception):
    """A restore that did not come to its end; the message holds the reason on record."""


class Restores:
    """The restores by the app on the local host."""

    def __init__(self, host: HostProcess, requests: QueueClient, table: TableClient) -> None:
        self._host = host
        self._requests = requests
        index = Index(IndexRows(table))
        self._rows = JobRows(table, index, Restore, [JobKind.RESTORE])
        self._records = Records(table, index)

    async def ask(self, message: str) -> str:
        """Put a request on the queue as `az storage message put` does: as it is. Give the restore's id."""
        return str((await self._requests.send_message(message)).id)

    async def done(self, disk: BlobAddress, restore: str, show: Callable[[str], None]) -> Restore:
        """Wait for the end of a restore, and until its lease on the restored disk has ended too.

        Args:
            disk: the disk whose recovery point is restored.
            restore: the restore's id.
            show: is told how far it is.

        Raises:
            RestoreError: it was refused, it failed, or nothing moved on record for `PATIENCE_SECONDS`.
            RuntimeError: the host is gone.
        """
        seen: Restore | None = None
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            await require_host(self._host)
            found = await self._rows.find(PageBlobDisk(disk), job_row(JobKind.RESTORE, restore))
            row = found[0] if found else None
            if row and row.state in {Stage.REFUSED, Stage.FAILED}:
                raise RestoreError(f"The restore of {disk.url}: {row.state}. On record: {row.reason}")
            if row and row.state is Stage.DONE and await self._is_let_go(row):
                return row
            if _progress(row) != _progress(seen):
                deadline = time.monotonic() + PATIENCE_SECONDS
            seen = row
            show(_said(row))
            await asyncio.sleep(_LOOK_SECONDS)
        raise RestoreError(
            f"The restore of {disk.url} came no further for {PATIENCE_SECONDS:.0f} s. On record: "
            f"{(seen and (seen.last_error or seen.reason)) or 'no reason'}"
        )

    async def _is_let_go(self, restore: Restore) -> bool:
        """Tell whether the restored disk's record names the restore no more: only then a guest can write to it."""
        found = await self._records.get(restore.known_target)
        return found is not None and not found[0].restore


def request(disk: BlobAddress, point: str) -> str:
    """Write a request for a restore to a new disk.

    Args:
        disk: the disk whose recovery point is to be restored.
        point: the recovery point's time.
    """
    return json.dumps({"disk": disk.url, "point": point})


def _progress(restore: Restore | None) -> Restore | None:
    """Give the part of the row that moves when work is done, and not whenever it is looked at or tried in vain."""
    return restore and replace(restore, checked=restore.requested, last_error_at=None)


def _said(restore: Restore | None) -> str:
    if restore is None:
        return "waiting for the app to read the message"
    if restore.state is Stage.PROVING:
        return f"proving, {restore.parts_proved} of {restore.parts_total} parts"
    if restore.state in {Stage.PROMOTING, Stage.COPYING}:
        tried = f", tried again after: {restore.last_error}" if restore.last_error else ""
        return f"{restore.state}, {restore.bytes_done // MIB} of {amount(restore.bytes_total or restore.size)}{tried}"
    return f"{restore.state}{f', {restore.reason}' if restore.reason else ''}"
