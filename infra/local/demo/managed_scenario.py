"""The demo with a managed disk: two backups by its incremental snapshots, and a restore as another managed disk.

A disk that is too small to be uploaded, or not of whole MiB, is restored as a page blob.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from infra.local.demo.backing_up import Backups
from infra.local.demo.command_line import CommandLine, keys_of
from infra.local.demo.disk_states import DiskState, changed_state, initial_state
from infra.local.demo.environment import ProtectedDisks
from infra.local.demo.proof_result import ProofResult, check_extracted, check_restored, compare
from infra.local.demo.scenario import ByteProgress, End
from infra.local.demo.terminal import Terminal
from infra.local.disks.page_blob import PageBlob
from infra.local.disks.vhd import FOOTER_BYTES
from infra.local.graceful_shutdown import in_thread
from infra.local.host.process import run_host
from infra.local.local_azure import BACKUP_CONTAINER, BACKUPS, DISKS, ROOT, run_local_azure
from infra.local.managed_disks import Disk, ManagedDisks, Snapshot
from infra.local.status_page import GROUP, PAGE_SETTINGS
from shared.model.addresses import BlobAddress
from shared.model.disk import ManagedDisk
from shared.model.disk_ids import DiskId
from shared.model.managed_target import size_problem
from shared.model.names import BACKUPS_TABLE
from shared.model.texts import human_size

_CONTAINER = "restored"
_NAME = "example"
_RESTORED = "example-restored"


@dataclass(frozen=True, slots=True)
class SourceSnapshots:
    """The snapshots of the managed disks, by their times; each is read past the resource manager and without a SAS."""

    managed: ManagedDisks

    async def size(self, snapshot: str) -> int:
        """Give a snapshot's size in bytes, footer included."""
        return self._found(snapshot).size + FOOTER_BYTES

    async def read(self, snapshot: str, start: int, end: int) -> bytes:
        """Read the bytes from `start` to `end` (exclusive) of a snapshot."""
        found = self._found(snapshot)
        return await found.content.read(start, end - start, snapshot=found.time)

    def _found(self, time: str) -> Snapshot:
        digits = time.translate({ord(sign): None for sign in "-:."})
        [found] = [one for one in self.managed.snapshots if one.id.name.endswith(f"-{digits}")]
        return found


@dataclass(frozen=True, slots=True)
class RestoredDisk:
    """The managed disk that was made, read past the resource manager and without a SAS."""

    disk: Disk

    async def size(self, snapshot: str) -> int:  # noqa: ARG002 - the disk itself
        """Give its size in bytes, footer included."""
        return self.disk.size + FOOTER_BYTES

    async def read(self, snapshot: str, start: int, end: int) -> bytes:  # noqa: ARG002 - of the disk itself
        """Read the bytes from `start` to `end` (exclusive)."""
        return await self.disk.read(start, end - start)


@dataclass(frozen=True, slots=True)
class ManagedEnvironment:
    """A running local Azure with a managed disk, and the app for it.

    Attributes:
        disk: the disk, as its guest uses it.
        snapshots: what Tidemark's snapshots of it hold.
        managed: the resource manager.
        disks: the page blobs that it is restored to.
        command_line: somebody with the command line.
        folder: for images.
        terminal: prints each step.
    """

    disk: Disk
    snapshots: SourceSnapshots
    managed: ManagedDisks
    disks: ProtectedDisks
    command_line: CommandLine
    folder: Path
    terminal: Terminal


async def run_managed_scenario(
    terminal: Terminal, folder: Path, log: Path, size: int, own: Path | None, *, end: End
) -> None:
    """Back up a managed disk, change it, back it up again, restore its first recovery point, and back that up.

    Args:
        terminal: prints each step.
        folder: for the images; the caller deletes it.
        log: the functions host's.
        size: of the example disk, in bytes.
        own: the user's own disk, whose content is used instead of the example's.
        end: told the recovery points, verified, while everything still runs.

    Raises:
        BackupError, CommandError, ValueError, OSError, RuntimeError: as of the demo with a page blob.
    """
    with terminal.step("Copying your disk" if own else "Creating a disk") as step:
        first = await in_thread(lambda: initial_state(folder, size, own))
        step.result = f"{human_size(first.size)}, {first.about}"
    async with _environment(terminal, folder, log, first.size - FOOTER_BYTES) as environment:
        await end(await _prove(environment, first), environment.disks.host)


@contextlib.asynccontextmanager
async def _environment(terminal: Terminal, folder: Path, log: Path, size: int) -> AsyncIterator[ManagedEnvironment]:
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        with terminal.step("Starting a local Azure with managed disks, and the app") as step:
            azure = await enter(run_local_azure())
            managed = await enter(azure.managed_disks())
            http = await enter(aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=azure.trusted())))
            services = {account: await enter(azure.blobs(account)) for account in (DISKS, BACKUPS)}
            container = await services[DISKS].create_container(_CONTAINER)
            disk = await managed.create_disk(_NAME, size)
            known = ManagedDisk(DiskId.parse(disk.id.text), disk.unique_id)
            table = (await enter(azure.tables())).get_table_client(BACKUPS_TABLE)
            # The second names the account for restores, and no disk.
            settings = azure.app_settings(
                [known.id.url, f"{container.url}/none/*.vhd"], **managed.settings, **PAGE_SETTINGS
            )
            host = await enter(run_host(ROOT, settings, log=log, signed_in=GROUP))
            step.result = f"resource manager at {managed.url}, the functions host at {host.url}"
        yield ManagedEnvironment(
            disk,
            SourceSnapshots(managed),
            managed,
            ProtectedDisks(azure, http, services, host, table),
            CommandLine(terminal, host, folder, keys_of(azure)),
            folder,
            terminal,
        )


async def _prove(environment: ManagedEnvironment, first: DiskState) -> list[ProofResult]:
    disk = environment.disk
    with environment.terminal.step("Writing it to a managed disk") as step:
        footer = await disk.content.footer()
        await in_thread(lambda: _give_footer(first.image, footer))
        await disk.load(first.image)
        step.result = disk.id.text
    points = [await _back_up(environment, "First backup", disk, first)]
    with environment.terminal.step("Changing the disk as a guest would") as step:
        second = await in_thread(lambda: changed_state(environment.folder, first))
        await disk.apply(second.image, second.changes)
        step.result = second.about
    points.append(await _back_up(environment, "Second backup", disk, second))
    await environment.command_line.types("points", _NAME)
    if size_problem(first.size):
        await _restore_as_page_blob(environment, points[0])
        return points
    restored = await _restore(environment, points[0])
    await restored.apply(second.image, second.changes)
    return [*points, await _back_up(environment, "Backup of the restored disk", restored, second)]


def _give_footer(image: Path, footer: bytes) -> None:
    """Give an image the footer that Azure exports a managed disk with."""
    with image.open("r+b") as file:
        file.seek(-FOOTER_BYTES, 2)
        file.write(footer)


async def _back_up(environment: ManagedEnvironment, title: str, disk: Disk, state: DiskState) -> ProofResult:
    """Back a disk up, and compare the recovery point with the snapshot that stays, and with the image."""
    known, disks = ManagedDisk(DiskId.parse(disk.id.text), disk.unique_id), environment.disks
    blob = disks.services[BACKUPS].get_blob_client(BACKUP_CONTAINER, known.backup_name)
    backup = PageBlob(blob, BACKUPS, disks.azure, disks.http)
    with environment.terminal.step(title) as step:
        result = ProofResult(disk.id.name, await Backups(disks.host, disks.table, known).back_up(step.show), state)
        written, cleared = result.point.bytes_written, result.point.bytes_cleared
        step.result = f"{result.point.kind}, {human_size(written)} written, {human_size(cleared)} cleared"
    with environment.terminal.step("  comparing it with its source snapshot") as step:
        moved = ByteProgress(step, state.size)
        step.result = await compare(backup, environment.snapshots, result, moved)
    with environment.terminal.step("  extracting it") as step:
        moved = ByteProgress(step, state.size)
        step.result = await check_extracted(backup, environment.folder, result, moved)
    return result


async def _restore(environment: ManagedEnvironment, first: ProofResult) -> Disk:
    """Restore the first recovery point as a managed disk, and compare that with the disk as it was."""
    await environment.command_line.types("restore", _NAME, "--at", first.point.time, "--to", _RESTORED, "--wait")
    with environment.terminal.step("  reading back the managed disk") as step:
        [made] = [disk for disk in environment.managed.disks if disk.id.name == _RESTORED]
        moved = ByteProgress(step, first.state.size)
        step.result = await check_restored(RestoredDisk(made), environment.folder, first, moved)
    return made


async def _restore_as_page_blob(environment: ManagedEnvironment, first: ProofResult) -> None:
    """Restore the first recovery point as a page blob, and compare that with the disk as it was."""
    container = environment.disks.services[DISKS].get_container_client(_CONTAINER)
    target = BlobAddress.parse(container.get_blob_client(f"{_NAME}.vhd").url)
    words = (_NAME, "--at", first.point.time, "--to", target.url, "--no-adopt", "--wait")
    await environment.command_line.types("restore", *words)
    with environment.terminal.step("  reading back the page blob") as step:
        blob, moved = environment.disks.of(target).source, ByteProgress(step, first.state.size)
        step.result = await check_restored(blob, environment.folder, first, moved)
