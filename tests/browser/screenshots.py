"""Take the pictures of the page for the README: `python -m tests.browser.screenshots [FOLDER]`.

Made-up disks are put on record in a local Azure as the app does it; the app judges them, and its page is photographed.
"""
# ruff: noqa: T201 - speaks to a person at a terminal

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.local.__main__ import find_browser
from infra.local.host.process import run_host
from infra.local.local_azure import DISKS, ROOT, LocalAzure, run_local_azure
from infra.local.status_page import GROUP, PAGE_SETTINGS, page_url
from shared.azure.tables.index import Index, IndexRows
from shared.azure.tables.records import Records
from shared.azure.tables.status import Status, StatusRows
from shared.model.disk import Disk
from shared.model.job import Stage
from shared.model.names import BACKUPS_TABLE
from shared.model.point import PointState, RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.run import OpenRun
from shared.model.tick import Due
from tests.browser.chromium import NONE_FOUND, run_chromium
from tests.browser.looking import DESK, PHONE, Look, looking
from tests.logic.page_samples import GIB, points_of
from tests.logic.retention_points import printed

FOLDER = ROOT / "docs"
EVERY = timedelta(hours=12)
REFUSED = (
    "AuthorizationPermissionMismatch (403): this request is not authorized. What to do: give the app's identity the"
    " role in infra/roles/disk-reader.json on the container"
)


class Fleet:
    """Some disks of an organisation, as they are on record: most are safe, and each other is in trouble of its own."""

    def __init__(self, container: str, now: datetime) -> None:
        self.now = now
        self.last = now - timedelta(hours=2, minutes=20)
        self.on_record: dict[Disk, tuple[DiskRecord, Sequence[RecoveryPoint]]] = {}
        self._container = container
        for name, size in (("web-01-os", 128), ("web-01-data", 1024), ("mail", 512), ("db-01-log", 256)):
            self.add(name, size, every=1 if name == "db-01-log" else 12)
        self.add_running("db-01-data", 2048)
        self.add_failing("files", 4096)
        self.add_damaged("sales", 256)

    def add(self, name: str, size: int, *, every: float = 12, until: datetime | None = None) -> Disk:
        """Put a disk on record that is safe; its size is in GiB."""
        disk = Disk.parse(f"{self._container}/{name}.vhd")
        points = points_of(40, every=every, size=size * GIB, until=until or self.last)
        last = points[-1]
        record = DiskRecord(
            disk=disk,
            base_size=last.size,
            base_snapshot=last.time,
            last_point=last.time,
            last_success=last.sealed,
            first_tick=points[0].started,
            last_tick=last.started,
            last_verify=self.now - timedelta(days=6),
            last_verify_point=last.time,
            last_verify_result="done: identical",
        )
        self.on_record[disk] = record, points
        return disk

    def add_running(self, name: str, size: int) -> None:
        """Put a disk on record with an open run."""
        disk = self.add(name, size, until=self.last - EVERY)
        record, points = self.on_record[disk]
        run = OpenRun(
            snapshot=printed(self.last),
            state=Stage.COPYING,
            size=size * GIB,
            started=self.last,
            tick=self.last,
            position=3 * size * GIB // 5,
            alive=self.now,
            progressed=self.now,
            checked=self.now,
            batches=24,
            at_work=True,
        )
        self.on_record[disk] = replace(record, run=run, last_tick=self.last), points

    def add_failing(self, name: str, size: int) -> None:
        """Put a disk on record whose backups fail since yesterday."""
        disk = self.add(name, size, until=self.last - EVERY)
        record, points = self.on_record[disk]
        self.on_record[disk] = replace(record, last_error=REFUSED, last_error_at=self.last), points

    def add_damaged(self, name: str, size: int) -> None:
        """Put a disk on record of which an older recovery point is damaged."""
        disk = self.add(name, size)
        record, points = self.on_record[disk]
        number = len(points) - 9
        damage = f"bytes 4096-8191 of {disk.name}?snapshot={points[number].time} differ"
        bad = replace(points[number], state=PointState.DAMAGED, damage=damage, damaged_at=self.last)
        found = [*points[:number], bad, *points[number + 1 :]]
        self.on_record[disk] = replace(record, damaged_points=1, damaged_point=bad.time), found


async def put_on_record(azure: LocalAzure, fleet: Fleet) -> None:
    """Fill the table as the app does."""
    async with azure.tables() as tables:
        await tables.create_table(BACKUPS_TABLE)
        table = tables.get_table_client(BACKUPS_TABLE)
        status = Status(StatusRows(table))
        records = Records(table, Index(IndexRows(table)), status)
        for disk, (record, points) in fleet.on_record.items():
            await records.add_points(disk, points)
            await records.put(disk, record, None)

        async def points_of_disk(disk: Disk) -> Sequence[RecoveryPoint]:
            return fleet.on_record[disk][1]

        due = Due(fleet.last + EVERY, EVERY)
        await status.change_app(lambda app: app.at_tick(fleet.last, due, disks=len(fleet.on_record), absent=0))
        await status.tell_changed(records.read, points_of_disk)


async def take(look: Look, path: Path, height: int) -> None:
    """Save the top of a page, down to so many CSS pixels."""
    width = (look.page.viewport_size or {"width": DESK})["width"]
    await look.page.set_viewport_size({"width": width, "height": height})
    await look.page.screenshot(path=path)
    print(path)


async def main(folder: Path) -> int:
    """Take all pictures; return the exit code."""
    executable = find_browser()
    if executable is None:
        print(NONE_FOUND, file=sys.stderr)
        return 1
    async with run_local_azure() as azure:
        container = f"{azure.blob_url(DISKS)}/vhds"
        fleet = Fleet(container, datetime.now(UTC))
        await put_on_record(azure, fleet)
        settings = azure.app_settings([f"{container}/*.vhd"], **PAGE_SETTINGS)
        log = azure.folder / "host.log"
        async with run_host(ROOT, settings, log=log, signed_in=GROUP) as host, run_chromium(executable) as browser:
            url = f"{page_url(host)}?refresh=off"
            async with looking(browser, url) as look:
                await take(look, folder / "page.png", 1180)
            async with looking(browser, url, width=PHONE, scheme="dark") as look:
                await take(look, folder / "page-phone.png", 812)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)))
