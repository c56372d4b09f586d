"""The demo's scenario: three backups and a restore on a local Azure, each verified at once and again later.

The timer takes the backups, as it does in Azure; what a person asks for, and looks at, goes by the command line.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.demo.disk_states import DiskState, changed_after_restore, changed_state, initial_state
from infra.local.demo.environment import DemoEnvironment, ProtectedDisk, run_environment
from infra.local.demo.proof_result import (
    ProofResult,
    check_copied,
    check_extracted,
    check_moved,
    check_restored,
    compare,
)
from infra.local.demo.terminal import Step, Terminal
from infra.local.disks.disk_changes import data_extents
from infra.local.graceful_shutdown import in_thread
from infra.local.host.process import HostProcess
from shared.model.disk import PageBlobDisk
from shared.model.texts import human_size


@dataclass(frozen=True, slots=True)
class ByteProgress:
    """Counts a step's bytes against a total."""

    step: Step
    total: int
    done: list[int] = field(default_factory=lambda: [0])

    def __call__(self, length: int) -> None:
        """Add `length` bytes and show the progress."""
        self.done[0] += length
        self.step.show_bytes(self.done[0], self.total)


type End = Callable[[list[ProofResult], HostProcess], Awaitable[None]]
"""What is done at the end of a scenario, with its recovery points, while everything still runs."""


async def run_scenario(
    terminal: Terminal, folder: Path, log: Path, size: int, own: Path | None, *, end: End, by_identity: bool = False
) -> None:
    """Back up a disk, restore its first recovery point, and back up that disk.

    Args:
        terminal: prints each step.
        folder: for the images; the caller deletes it.
        log: the functions host's.
        size: of the example disk, in bytes.
        own: the user's own disk, used instead of the example.
        end: told the recovery points, verified, while everything still runs.
        by_identity: disable account keys; the app uses its managed identity only.

    Raises:
        BackupError: a backup failed.
        CommandError: a command failed, or the app refused what it asks for.
        WaitedError: the app did not put on record what was waited for.
        ValueError, OSError: the user's own disk can't be used.
        RuntimeError: the local Azure failed.
    """
    with terminal.step("Copying your disk" if own else "Creating a disk") as step:
        first = await in_thread(lambda: initial_state(folder, size, own))
        step.result = f"{human_size(first.size)}, {first.about}"
    async with run_environment(terminal, folder, log, first.image.name, by_identity=by_identity) as environment:
        points = await _three_backups(environment, first)
        points += await _restore(environment, points[0])
        await environment.watch.until_planned(environment.original.address)
        await environment.command_line.types("points", environment.original.address.blob)
        await end(points, environment.disks.host)


async def _three_backups(environment: DemoEnvironment, first: DiskState) -> list[ProofResult]:
    """Back up the disk as it is, after a guest changed it, and once more unchanged."""
    disk, typing = environment.original, environment.command_line
    with environment.terminal.step("Uploading it as a page blob") as step:
        data = sum(end - start for start, end in data_extents(first.image, first.size))
        await disk.source.upload(first.image, ByteProgress(step, data))
        step.result = f"{human_size(data)} of data; empty pages are skipped"
    points = [await _back_up(environment, disk, "First backup", first)]
    with environment.terminal.step("Changing the disk as a guest would") as step:
        second = await in_thread(lambda: changed_state(environment.folder, first))
        await _apply(disk, second, step)
    await typing.types("changes", disk.address.blob)
    points.append(await _back_up(environment, disk, "Second backup", second))
    await typing.types("backup", disk.address.blob, "--wait")
    points.append(ProofResult(disk.address.blob, await disk.backups.last_point(), second))
    await _compare(environment, disk, points[-1])
    for number, result in enumerate(points, 1):
        await _extract(environment, disk, f"Extracting recovery point {number} of {len(points)}", result)
    await environment.watch.until_succeeded()
    await typing.types("status")
    await typing.types("drill", disk.address.blob, "--wait")
    await _browse(environment, points[0], second)
    return points


async def _restore(environment: DemoEnvironment, first: ProofResult) -> list[ProofResult]:
    """Restore the first recovery point, change the restored disk as a guest would, and back it up."""
    original, state = environment.original.address, first.state
    await environment.command_line.types("restore", original.blob, "--at", first.point.time, "--wait")
    disk = environment.disks.of(PageBlobDisk(original).restored(first.point.time).address)
    await environment.watch.until_released(disk.address)
    restored = ProofResult(disk.address.blob, await disk.backups.last_point(), state)
    await _compare(environment, disk, restored)
    with environment.terminal.step("  reading back the restored disk") as step:
        step.result = await check_restored(disk.source, environment.folder, restored, ByteProgress(step, state.size))
    with environment.terminal.step("Changing the restored disk as a guest would") as step:
        after = await in_thread(lambda: changed_after_restore(environment.folder, state))
        await _apply(disk, after, step)
    last = await _back_up(environment, disk, "Backup of the restored disk", after)
    check_moved(last)
    await _extract(environment, disk, "Extracting its recovery point", last)
    return [restored, last]


async def _browse(environment: DemoEnvironment, first: ProofResult, second: DiskState) -> None:
    """Copy a file that the guest has deleted out of the first recovery point, without a restore."""
    typing, disk = environment.command_line, environment.original.address.blob
    deleted = sorted((first.state.files or {}).keys() - (second.files or {}).keys())
    if not deleted:
        await typing.types("browse", disk, "--at", first.point.time)
        return
    await typing.types("browse", disk, f"/{deleted[-1]}", "--at", first.point.time, "--to", ".")
    copy = typing.folder / Path(deleted[-1]).name
    with environment.terminal.step("  comparing that file, which the guest has deleted since") as step:
        step.result = await in_thread(lambda: check_copied(copy, deleted[-1], first))


async def _apply(disk: ProtectedDisk, state: DiskState, step: Step) -> None:
    """Apply to the disk the changes that lead to a state."""
    total = sum(change.end - change.start for change in state.changes)
    await disk.source.apply(state.image, state.changes, ByteProgress(step, total))
    step.result = state.about


async def _back_up(environment: DemoEnvironment, disk: ProtectedDisk, title: str, state: DiskState) -> ProofResult:
    """Back up the disk, and compare the recovery point while its source snapshot still exists."""
    with environment.terminal.step(title) as step:
        result = ProofResult(disk.address.blob, await disk.backups.back_up(step.show), state)
        written, cleared = result.point.bytes_written, result.point.bytes_cleared
        step.result = f"{result.point.kind}, {human_size(written)} written, {human_size(cleared)} cleared"
    await _compare(environment, disk, result)
    return result


async def _compare(environment: DemoEnvironment, disk: ProtectedDisk, result: ProofResult) -> None:
    """Compare a disk's last recovery point with its source snapshot, which exists until the next backup."""
    with environment.terminal.step("  comparing it with its source snapshot") as step:
        step.result = await compare(disk.backup, disk.source, result, ByteProgress(step, result.state.size))


async def _extract(environment: DemoEnvironment, disk: ProtectedDisk, title: str, result: ProofResult) -> None:
    """Extract a recovery point as a disk, and check that disk."""
    with environment.terminal.step(title) as step:
        step.result = await check_extracted(
            disk.backup, environment.folder, result, ByteProgress(step, result.state.size)
        )
