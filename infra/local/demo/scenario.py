"""The demo's scenario: three backups of a disk on a local Azure and a restore, each proved at once and again later."""

from dataclasses import dataclass, field
from pathlib import Path

from infra.local.demo.disk_states import DiskState, changed_after_restore, changed_state, initial_state
from infra.local.demo.environment import DemoEnvironment, ProtectedDisk, run_environment
from infra.local.demo.proof_result import ProofResult, check_extracted, check_moved, check_restored, compare
from infra.local.demo.restoring import request
from infra.local.demo.terminal import Step, Terminal, amount
from infra.local.disks.disk_changes import data_extents
from infra.local.graceful_shutdown import in_thread
from shared.model.names import RESTORE_REQUESTS_QUEUE


@dataclass(frozen=True, slots=True)
class ByteProgress:
    """Counts bytes for a step, of so many."""

    step: Step
    total: int
    done: list[int] = field(default_factory=lambda: [0])

    def __call__(self, length: int) -> None:
        """Count `length` more, and show it."""
        self.done[0] += length
        self.step.show_bytes(self.done[0], self.total)


async def run_scenario(
    terminal: Terminal, folder: Path, log: Path, size: int, own: Path | None, *, by_identity: bool = False
) -> list[ProofResult]:
    """Back a disk up, restore its first recovery point and back up what came of it; give the recovery points, proved.

    Args:
        terminal: says what is done.
        folder: for the images; emptied by the caller.
        log: the functions host's.
        size: of the example disk, in bytes.
        own: the user's own disk, in the place of the example.
        by_identity: whether keys are off, and the app gets in by its managed identity alone.

    Raises:
        BackupError: a backup failed.
        RestoreError: the restore was refused, or failed.
        ValueError, OSError: the user's own disk can't be used.
        RuntimeError: something of the local Azure failed.
    """
    with terminal.step("Copying your disk" if own else "Making a disk") as step:
        first = await in_thread(lambda: initial_state(folder, size, own))
        step.result = f"{amount(first.size)}, {first.about}"
    async with run_environment(terminal, folder, log, first.image.name, by_identity=by_identity) as environment:
        points = await _three_backups(environment, first)
        return points + await _restore(environment, points[0])


async def _three_backups(environment: DemoEnvironment, first: DiskState) -> list[ProofResult]:
    """Back the disk up as it is, after a guest changed it, and once more unchanged."""
    disk = environment.original
    with environment.terminal.step("Uploading it as a page blob") as step:
        data = sum(end - start for start, end in data_extents(first.image, first.size))
        await disk.source.upload(first.image, ByteProgress(step, data))
        step.result = f"{amount(data)} of data, the rest is left out"
    points = [await _back_up(environment, disk, "First backup", first)]
    with environment.terminal.step("Changing the disk as a guest does") as step:
        second = await in_thread(lambda: changed_state(environment.folder, first))
        await _apply(disk, second, step)
    points.append(await _back_up(environment, disk, "Second backup", second))
    points.append(await _back_up(environment, disk, "Third backup, nothing changed", second))
    for number, result in enumerate(points, 1):
        await _extract(environment, disk, f"Extracting recovery point {number} of {len(points)}", result)
    with environment.terminal.step("Drill: a restore of the newest, tried and thrown away") as step:
        drill = await environment.drills.done(disk.address, step.show)
        step.result = str(drill.state)
    environment.terminal.say(f"  on record: {drill.reason}")
    return points


async def _restore(environment: DemoEnvironment, first: ProofResult) -> list[ProofResult]:
    """Restore the first recovery point, change the restored disk as a guest does, and back it up."""
    address, state = environment.original.address, first.state
    with environment.terminal.step(f"Putting a message on the queue {RESTORE_REQUESTS_QUEUE}") as step:
        step.result = request(address, first.point.time)
        restore = await environment.restores.ask(step.result)
    with environment.terminal.step("Restoring the first recovery point") as step:
        row = await environment.restores.done(address, restore, step.show)
        disk = environment.disks.of(row.known_target.address)
        step.result = f"{row.state}, a new disk, {disk.address.blob}"
    environment.terminal.say(f"  proof on record: {row.proof}")
    restored = ProofResult(disk.address.blob, await disk.backups.last_point(), state)
    await _compare(environment, disk, restored)
    with environment.terminal.step("  reading the restored disk back") as step:
        step.result = await check_restored(disk.source, environment.folder, restored, ByteProgress(step, state.size))
    with environment.terminal.step("Changing the restored disk as a guest does") as step:
        after = await in_thread(lambda: changed_after_restore(environment.folder, state))
        await _apply(disk, after, step)
    last = await _back_up(environment, disk, "Backup of the restored disk", after)
    check_moved(last)
    await _extract(environment, disk, "Extracting its recovery point", last)
    return [restored, last]


async def _apply(disk: ProtectedDisk, state: DiskState, step: Step) -> None:
    """Do to the disk what a guest did to it to bring it into a state."""
    total = sum(change.end - change.start for change in state.changes)
    await disk.source.apply(state.image, state.changes, ByteProgress(step, total))
    step.result = state.about


async def _back_up(environment: DemoEnvironment, disk: ProtectedDisk, title: str, state: DiskState) -> ProofResult:
    """Back the disk up, and compare the recovery point while its source snapshot is there."""
    with environment.terminal.step(title) as step:
        result = ProofResult(disk.address.blob, await disk.backups.back_up(step.show), state)
        written, cleared = result.point.bytes_written, result.point.bytes_cleared
        step.result = f"{result.point.kind}, {amount(written)} written, {amount(cleared)} cleared"
    await _compare(environment, disk, result)
    return result


async def _compare(environment: DemoEnvironment, disk: ProtectedDisk, result: ProofResult) -> None:
    """Compare the last recovery point of a disk with its source snapshot, which is there until the next one."""
    with environment.terminal.step("  comparing it with its source snapshot") as step:
        step.result = await compare(disk.backup, disk.source, result, ByteProgress(step, result.state.size))


async def _extract(environment: DemoEnvironment, disk: ProtectedDisk, title: str, result: ProofResult) -> None:
    """Extract a recovery point as a disk, and check that disk."""
    with environment.terminal.step(title) as step:
        step.result = await check_extracted(
            disk.backup, environment.folder, result, ByteProgress(step, result.state.size)
        )
