"""Counts what two recovery points of a disk hold, in a process that knows no key."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta

from shared.model.addresses import BlobAddress
from shared.model.disk import Disk
from shared.model.record import DiskRecord
from tests.logic.retention_points import point_at
from tidemark.content.access import open_accounts
from tidemark.costs import Rows, cost_of
from tidemark.counting import counting


async def main(name: str, base: str, backup: str, *snapshots: str) -> None:
    identity = os.environ.get("AzureWebJobsStorage__clientId", "")  # noqa: SIM112 - as the app's setting is spelled
    disk, blob, now = Disk.parse(name), BlobAddress.parse(backup), datetime.now(UTC)
    points = [
        point_at(now - timedelta(days=len(snapshots) - number), backup_blob=blob, backup_snapshot=snapshot, size=4096)
        for number, snapshot in enumerate(snapshots)
    ]
    record = DiskRecord(disk=disk, base_snapshot=base, base_size=4096)
    rows = Rows(disk=disk, record=record, points=points, diffs=(), plan=None, jobs=())
    async with open_accounts(client_id=identity) as accounts:
        found = await cost_of(counting(accounts, blob.parent, points, ()), rows, [], lambda: timedelta(minutes=1))
    sys.stdout.write(f"{found.held} {found.older} {found.source} {found.source_problem}")


asyncio.run(main(*sys.argv[1:]))
