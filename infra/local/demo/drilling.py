"""Restore drills as an admin requests them and as their rows show them."""

import asyncio
import json
import time
from collections.abc import Callable

from azure.data.tables.aio import TableClient
from azure.storage.queue.aio import QueueClient

from infra.local.demo.backing_up import PATIENCE_SECONDS, require_host
from infra.local.demo.restoring import RestoreError
from infra.local.host.process import HostProcess
from shared.azure.tables.index import Index, IndexRows
from shared.azure.tables.job_rows import JobRows
from shared.model.addresses import BlobAddress
from shared.model.disk import PageBlobDisk
from shared.model.inspection import Inspection
from shared.model.job import JobKind, Stage, job_row

_LOOK_SECONDS = 0.2


class Drills:
    """The app's drills."""

    def __init__(self, host: HostProcess, requests: QueueClient, table: TableClient) -> None:
        self._host = host
        self._requests = requests
        self._rows = JobRows(table, Index(IndexRows(table)), Inspection, [JobKind.DRILL])

    async def done(self, disk: BlobAddress, show: Callable[[str], None]) -> Inspection:
        """Drill a disk's newest recovery point and wait for the result.

        Raises:
            RestoreError: it was refused, it failed, or it took longer than `PATIENCE_SECONDS`.
            RuntimeError: the host no longer responds.
        """
        drill = str((await self._requests.send_message(json.dumps({"disk": disk.url}))).id)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            await require_host(self._host)
            found = await self._rows.find(PageBlobDisk(disk), job_row(JobKind.DRILL, drill))
            row = found[0] if found else None
            if row and row.state is Stage.DONE:
                return row
            if row and row.has_ended:
                raise RestoreError(f"Drill of {disk.url} {row.state}: {row.reason}")
            show(str(row.state) if row else "waiting for the app to read the message")
            await asyncio.sleep(_LOOK_SECONDS)
        raise RestoreError(f"The drill of {disk.url} did not finish within {PATIENCE_SECONDS:.0f} s")
