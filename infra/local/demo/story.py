"""The demo's course: three backups of one disk on a local Azure, each proved at once and again at the end."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from infra.local.demo.backing_up import Backups
from infra.local.demo.days import Day, first_day, second_day
from infra.local.demo.proof import (
    BrokenProofError,
    Moved,
    extract,
    of_snapshot,
    require_identical,
    require_restorable,
)
from infra.local.demo.terminal import Step, Terminal, amount
from infra.local.disks.disk_changes import data_extents
from infra.local.disks.page_blob import PageBlob
from infra.local.host.process import run_host
from infra.local.local_azure import BACKUP_CONTAINER, BACKUPS, DISKS, ROOT, LocalAzure, run_local_azure
from infra.local.stopping import in_thread
from shared.addresses import BlobAddress
from shared.names import BACKUPS_TABLE, backup_blob_name
from shared.record import RecoveryPoint

_CONTAINER = "vhds"


@dataclass(slots=True)
class Proved:
    """A recovery point and its proofs.

    Attributes:
        point: the recovery point.
        day: the disk as it should be.
        held: what was proved.
        broken: what did not hold.
    """

    point: RecoveryPoint
    day: Day
    held: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether all was proved."""
        return bool(self.held) and not self.broken

    def __str__(self) -> str:
        """Say how it was proved, or what did not hold."""
        return "; ".join(self.held if self.holds else [f"BROKEN: {line}" for line in self.broken])


@dataclass(frozen=True, slots=True)
class Bytes:
    """Counts bytes of a step, and shows them."""

    step: Step
    total: int
    done: list[int] = field(default_factory=lambda: [0])

    def __call__(self, length: int) -> None:
        """Count so many more."""
        self.done[0] += length
        self.step.show_bytes(self.done[0], self.total)


@dataclass(frozen=True, slots=True)
class Stage:
    """What the demo plays on."""

    disk: PageBlob
    backup: PageBlob
    backups: Backups
    folder: Path
    terminal: Terminal


async def tell(terminal: Terminal, folder: Path, log: Path, size: int, own: Path | None) -> list[Proved]:
    """Back the disk up on its first day, on its second and once more unchanged; give the recovery points, proved.

    Args:
        terminal: says what is done.
        folder: for the images; emptied by the caller.
        log: the functions host's.
        size: of the example disk, in bytes.
        own: the user's own disk, in the place of the example.

    Raises:
        BackupError: a backup failed.
        ValueError, OSError: the user's own disk can't be used.
        RuntimeError: something of the local Azure failed.
    """
    with terminal.step("Copying your disk" if own else "Making a disk") as step:
        first = await in_thread(lambda: first_day(folder, size, own))
        step.result = f"{amount(first.size)}, {first.about}"
    async with _stage(terminal, folder, log, first.image.name) as stage:
        with terminal.step("Uploading it as a page blob") as step:
            data = sum(end - start for start, end in data_extents(first.image, first.size))
            await stage.disk.upload(first.image, Bytes(step, data))
            step.result = f"{amount(data)} of data, the rest is left out"
        points = [await _back_up(stage, "First backup", first)]
        with terminal.step("Changing the disk as a guest does") as step:
            second = await in_thread(lambda: second_day(folder, first))
            total = sum(change.end - change.start for change in second.changes)
            await stage.disk.apply(second.image, second.changes, Bytes(step, total))
            step.result = second.about
        points.append(await _back_up(stage, "Second backup", second))
        points.append(await _back_up(stage, "Third backup, nothing changed", second))
        for number, proved in enumerate(points, 1):
            await _extract(stage, f"Extracting recovery point {number} of {len(points)}", proved)
    return points


@contextlib.asynccontextmanager
async def _stage(terminal: Terminal, folder: Path, log: Path, name: str) -> AsyncIterator[Stage]:
    """Run the local Azure with an empty container for the disk, and the app on the local host."""
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        with terminal.step("Starting a local Azure and the app") as step:
            azure: LocalAzure = await enter(run_local_azure())
            http = await enter(aiohttp.ClientSession())
            disks, backups = await enter(azure.blobs(DISKS)), await enter(azure.blobs(BACKUPS))
            await disks.create_container(_CONTAINER)
            disk = PageBlob(disks.get_blob_client(_CONTAINER, name), DISKS, azure, http)
            address = BlobAddress.parse(disk.url)
            backup = PageBlob(
                backups.get_blob_client(BACKUP_CONTAINER, backup_blob_name(address)), BACKUPS, azure, http
            )
            host = await enter(run_host(ROOT, azure.app_settings([disk.url]), log=log))
            table = (await enter(azure.tables())).get_table_client(BACKUPS_TABLE)
            step.result = f"blobs at {azure.gateway.url}, the functions host at {host.url}"
        yield Stage(disk, backup, Backups(host, table, address), folder, terminal)


async def _back_up(stage: Stage, title: str, day: Day) -> Proved:
    """Back the disk up, and compare the recovery point while its source snapshot is there."""
    with stage.terminal.step(title) as step:
        proved = Proved(await stage.backups.back_up(step.show), day)
        written, cleared = proved.point.bytes_written, proved.point.bytes_cleared
        step.result = f"{proved.point.kind}, {amount(written)} written, {amount(cleared)} cleared"
    with stage.terminal.step("  comparing it with its source snapshot") as step:
        await compare(stage.backup, stage.disk, proved, Bytes(step, day.size))
        step.result = f"{proved}, all {amount(day.size)}" if proved.holds else str(proved)
    return proved


async def _extract(stage: Stage, title: str, proved: Proved) -> None:
    """Extract a recovery point as a disk, and check that disk."""
    with stage.terminal.step(title) as step:
        step.result = await restore(stage.backup, stage.folder, proved, Bytes(step, proved.day.size))


async def compare(backup: PageBlob, disk: PageBlob, proved: Proved, moved: Moved) -> None:
    """Compare a recovery point with its source snapshot and that day's disk, and note what came of it."""
    try:
        await require_identical(backup, disk, proved.point, proved.day, moved)
    except BrokenProofError as error:
        proved.broken.append(str(error))
    else:
        proved.held.append("identical to its source snapshot")


async def restore(backup: PageBlob, folder: Path, proved: Proved, moved: Moved) -> str:
    """Extract a recovery point into a folder for as long as it is checked; note what came of it, and say so."""
    target = folder / "extracted.vhd"
    try:
        await extract(of_snapshot(backup, proved.point.backup_snapshot), proved.day.size, target, moved)
        held = await require_restorable(target, proved.day)
    except BrokenProofError as error:
        proved.broken.append(str(error))
        return f"BROKEN: {error}"
    finally:
        target.unlink(missing_ok=True)
    proved.held.append(held)
    return held
