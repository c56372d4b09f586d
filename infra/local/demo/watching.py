"""Waiting for what the app puts on record, so that what is shown next is the end of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import aiohttp
from azure.data.tables.aio import TableClient

from infra.local.host.process import HostProcess
from shared.azure.tables.index import Index, IndexRows
from shared.azure.tables.records import Records
from shared.azure.tables.retention_rows import Plans
from shared.azure.tables.status import Status, StatusRows
from shared.model.addresses import BlobAddress
from shared.model.disk import PageBlobDisk
from shared.model.tick import Outcome

PATIENCE_SECONDS = 300.0
LOOK_SECONDS = 0.2
SETTINGS = {"RETENTION": "last=1 daily=7 weekly=4", "RETENTION_MODE": "report"}
"""Settings of the app with which a retention plan goes on record after each tick, and nothing is deleted."""


class WaitedError(Exception):
    """The app did not put on record what was waited for."""


class Watch:
    """Looks at what the app on the local host has put on record."""

    def __init__(self, host: HostProcess, table: TableClient) -> None:
        self._host = host
        self._status, self._plans = Status(StatusRows(table)), Plans(table)
        self._records = Records(table, Index(IndexRows(table)), self._status)

    async def until_succeeded(self) -> None:
        """Wait until the last tick is on record as succeeded, which is some seconds after the last backup of it.

        Raises:
            WaitedError: that took longer than `PATIENCE_SECONDS`.
            RuntimeError: the host no longer responds.
        """

        async def has_succeeded() -> bool:
            return (await self._status.read()).app.tick_result == Outcome.SUCCEEDED

        await self._until(has_succeeded, "The tick")

    async def until_planned(self, disk: BlobAddress) -> None:
        """Wait until the retention has planned for all recovery points of a disk.

        Raises:
            WaitedError, RuntimeError: as above.
        """

        async def is_planned() -> bool:
            points, plan = await self._records.points(PageBlobDisk(disk)), await self._plans.find(PageBlobDisk(disk))
            return plan is not None and plan[0].points == len(points)

        await self._until(is_planned, f"The retention plan of {disk.url}")

    async def until_released(self, disk: BlobAddress) -> None:
        """Wait until a restored disk's record no longer names its restore: only then can a guest write to it.

        Raises:
            WaitedError, RuntimeError: as above.
        """

        async def is_released() -> bool:
            found = await self._records.get(PageBlobDisk(disk))
            return found is not None and not found[0].restore

        await self._until(is_released, f"The restore's hold on {disk.url}")

    async def _until(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not await holds():
            if time.monotonic() > deadline:
                raise WaitedError(f"{what} did not end within {PATIENCE_SECONDS:.0f} s.")
            await require_host(self._host)
            await asyncio.sleep(LOOK_SECONDS)


async def require_host(host: HostProcess) -> None:
    """Check that the functions host still responds.

    Raises:
        RuntimeError: it does not.
    """
    try:
        await host.status()
    except aiohttp.ClientError as error:
        raise RuntimeError("The functions host no longer responds; its log says why.") from error
