"""The retention's plan as its row shows it, and what it would be two days later."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

from azure.data.tables.aio import TableClient

from infra.local.demo.backing_up import PATIENCE_SECONDS, BackupError, require_host
from infra.local.host.process import HostProcess
from shared.azure.tables.index import Index, IndexRows
from shared.azure.tables.records import Records
from shared.azure.tables.retention_rows import Plans
from shared.azure.tables.status import Status, StatusRows
from shared.model.addresses import BlobAddress
from shared.model.disk import PageBlobDisk
from shared.model.point import RecoveryPoint
from shared.model.retention import MIN_AGE, Facts, decide
from shared.model.retention_plan import PlanOnRecord
from shared.model.retention_rules import Rules
from shared.model.texts import human_size

RULES = "last=1 daily=7 weekly=4"
SETTINGS = {"RETENTION": RULES, "RETENTION_MODE": "report"}
"""Settings of the app with which a plan goes on record after each tick, and nothing is deleted."""

_LOOK_SECONDS = 0.2


class Retention:
    """The retention of the app on the local host."""

    def __init__(self, host: HostProcess, table: TableClient) -> None:
        self._host = host
        self._plans = Plans(table)
        self._records = Records(table, Index(IndexRows(table)), Status(StatusRows(table)))

    async def report(self, disk: BlobAddress, show: Callable[[str], None]) -> list[str]:
        """Wait for the plan that knows all recovery points of a disk, and write it for people.

        Raises:
            BackupError: there was none within `PATIENCE_SECONDS`.
            RuntimeError: the host no longer responds.
        """
        points = await self._records.points(PageBlobDisk(disk))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            await require_host(self._host)
            found = await self._plans.find(PageBlobDisk(disk))
            if found and found[0].points == len(points):
                return list(_lines(disk, found[0], points))
            show("waiting for the app to make it")
            await asyncio.sleep(_LOOK_SECONDS)
        raise BackupError(f"The retention of {disk.url} made no plan within {PATIENCE_SECONDS:.0f} s.")


def _lines(disk: BlobAddress, plan: PlanOnRecord, points: Sequence[RecoveryPoint]) -> Iterator[str]:
    stays, goes = _by_time(plan.stay), _by_time(plan.go)
    yield f"retention of {disk.blob}: {plan.rules}, mode {plan.state}"
    for point in points:
        yield f"{point.time}  {point.kind}, added {human_size(point.added_bytes or 0)}"
        yield f"    stays: {stays[point.time]}" if point.time in stays else f"    goes: {goes.get(point.time, '')}"
    later = max(point.sealed for point in points) + MIN_AGE
    going = decide(points, Facts(disk=disk.url), Rules.parse(RULES), ZoneInfo("UTC"), later).go
    yield (
        f"{plan.going} of {plan.points} would be deleted now: none younger than 48 hours ever is. In 48 hours, without"
        f" further backups: {len(going)}."
    )


def _by_time(grouped: str) -> dict[str, str]:
    """Read the times that a plan's row has by their reasons."""
    reasons: Mapping[str, Sequence[str]] = json.loads(grouped)
    return {when: why for why, times in reasons.items() for when in times}
