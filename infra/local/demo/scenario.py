"""The demo's scenario: three backups and a restore on a local Azure, each verified at once and again later."""

from dataclasses import dataclass, field
from pathlib import Path

from infra.local.demo.disk_states import DiskState, changed_after_restore, changed_state, initial_state
from infra.local.demo.environment import DemoEnvironment, ProtectedDisk, run_environment
from infra.local.demo.proof_result import ProofResult, check_extracted, check_moved, check_restored, compare
from infra.local.demo.restoring import request
from infra.local.demo.terminal import Step, Terminal
from infra.local.disks.disk_changes import data_extents
from infra.local.graceful_shutdown import in_thread
from shared.model.names import RESTORE_REQUESTS_QUEUE
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


async def run_scenario(
    terminal: Terminal, folder: Path, log: Path, size: int, own: Path | None, *, by_identity: bool = False
) -> tuple[list[ProofResult], list[str]]:
    """Back up a disk, restore its first recovery point, back up that disk.

    Returns:
        The recovery points, verified; and the report of the retention.

    Args:
        terminal: prints each step.
        folder: for the images; the caller deletes it.
        log: the functions host's.
        size: of the example disk, in bytes.
        own: the user's own disk, used instead of the example.
        by_identity: disable account keys; the app uses its managed identity only.

    Raises:
        BackupError: a backup failed.
        RestoreError: the restore was refused or failed.
        ValueError, OSError: the user's own disk can't be used.
        RuntimeError: the local Azure failed.
    """
    with terminal.step("Copying your disk" if own else "Creating a disk") as step:
        first = await in_thread(lambda: initial_state(folder, size, own))
        step.result = f"{human_size(first.size)}, {first.about}"
    async with run_environment(terminal, folder, log, first.image.name, by_identity=by_identity) as environment:
        points = await _three_backups(environment, first)
        points += await _restore(environment, points[0])
        with environment.terminal.step("Reading what the retention would keep") as step:
            retention = await environment.retention.report(environment.original.address, step.show)
            step.result = "on record"
        return points, retention


async def _three_backups(environment: DemoEnvironment, first: DiskState) -> list[ProofResult]:
    """Back up the disk as it is, after a guest changed it, and once more unchanged."""
    disk = environment.original
    with environment.terminal.step("Uploading it as a page blob") as step:
        data = sum(end - start for start, end in data_extents(first.image, first.size))
        await disk.source.upload(first.image, ByteProgress(step, data))
        step.result = f"{human_size(data)} of data; empty pages are skipped"
    points = [await _back_up(environment, disk, "First backup", first)]
    with environment.terminal.step("Changing the disk as a guest would") as step:
        second = await in_thread(lambda: changed_state(environment.folder, first))
        await _apply(disk, second, step)
    points.append(await _back_up(environment, disk, "Second backup", second))
    points.append(await _back_up(environment, disk, "Third backup, nothing changed", second))
    for number, result in enumerate(points, 1):
        await _extract(environment, disk, f"Extracting recovery point {number} of {len(points)}", result)
    with environment.terminal.step("Drilling a restore of the newest recovery point") as step:
        drill = await environment.drills.done(disk.address, step.show)
        step.result = str(drill.state)
    environment.terminal.say(f"  recorded result: {drill.reason}")
    return points


async def _restore(environment: DemoEnvironment, first: ProofResult) -> list[ProofResult]:
    """Restore the first recovery point, change the restored disk as a guest would, and back it up."""
    address, state = environment.original.address, first.state
    with environment.terminal.step(f"Sending a message to the queue {RESTORE_REQUESTS_QUEUE}") as step:
        step.result = request(address, first.point.time)
        restore = await environment.restores.ask(step.result)
    with environment.terminal.step("Restoring the first recovery point") as step:
        row = await environment.restores.done(address, restore, step.show)
        disk = environment.disks.of(row.known_target.address)
        step.result = f"{row.state}, to the new disk {disk.address.blob}"
    environment.terminal.say(f"  recorded proof: {row.proof}")
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
