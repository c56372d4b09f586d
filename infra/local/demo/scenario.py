"""The demo's course: three backups of one disk on a local Azure and a restore, each proved at once and again later."""

from dataclasses import dataclass, field
from pathlib import Path

from infra.local.demo.disk_states import Day, day_after_restore, first_day, second_day
from infra.local.demo.environment import Pair, Stage, set_stage
from infra.local.demo.proof_result import Proved, check_extracted, check_moved, check_restored, compare
from infra.local.demo.restoring import request
from infra.local.demo.terminal import Step, Terminal, amount
from infra.local.disks.disk_changes import data_extents
from infra.local.graceful_shutdown import in_thread
from shared.model.names import RESTORE_REQUESTS_QUEUE


@dataclass(frozen=True, slots=True)
class Bytes:
    """Counts bytes for a step, of so many."""

    step: Step
    total: int
    done: list[int] = field(default_factory=lambda: [0])

    def __call__(self, length: int) -> None:
        """Count `length` more, and show it."""
        self.done[0] += length
        self.step.show_bytes(self.done[0], self.total)


async def tell(
    terminal: Terminal, folder: Path, log: Path, size: int, own: Path | None, *, by_identity: bool = False
) -> list[Proved]:
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
        first = await in_thread(lambda: first_day(folder, size, own))
        step.result = f"{amount(first.size)}, {first.about}"
    async with set_stage(terminal, folder, log, first.image.name, by_identity=by_identity) as stage:
        points = await _three_backups(stage, first)
        return points + await _restore(stage, points[0])


async def _three_backups(stage: Stage, first: Day) -> list[Proved]:
    """Back the disk up on its first day, on its second and once more unchanged."""
    pair = stage.original
    with stage.terminal.step("Uploading it as a page blob") as step:
        data = sum(end - start for start, end in data_extents(first.image, first.size))
        await pair.disk.upload(first.image, Bytes(step, data))
        step.result = f"{amount(data)} of data, the rest is left out"
    points = [await _back_up(stage, pair, "First backup", first)]
    with stage.terminal.step("Changing the disk as a guest does") as step:
        second = await in_thread(lambda: second_day(stage.folder, first))
        await _apply(pair, second, step)
    points.append(await _back_up(stage, pair, "Second backup", second))
    points.append(await _back_up(stage, pair, "Third backup, nothing changed", second))
    for number, proved in enumerate(points, 1):
        await _extract(stage, pair, f"Extracting recovery point {number} of {len(points)}", proved)
    with stage.terminal.step("Drill: a restore of the newest, tried and thrown away") as step:
        drill = await stage.drills.done(pair.address, step.show)
        step.result = str(drill.state)
    stage.terminal.say(f"  on record: {drill.reason}")
    return points


async def _restore(stage: Stage, first: Proved) -> list[Proved]:
    """Restore the first recovery point, change the restored disk as a guest does, and back it up."""
    disk, day = stage.original.address, first.day
    with stage.terminal.step(f"Putting a message on the queue {RESTORE_REQUESTS_QUEUE}") as step:
        step.result = request(disk, first.point.time)
        restore = await stage.restores.ask(step.result)
    with stage.terminal.step("Restoring the first recovery point") as step:
        row = await stage.restores.done(disk, restore, step.show)
        pair = stage.pairs.of(row.target_address)
        step.result = f"{row.state}, a new disk, {pair.address.blob}"
    stage.terminal.say(f"  proof on record: {row.proof}")
    restored = Proved(pair.address.blob, await pair.backups.last_point(), day)
    await _compare(stage, pair, restored)
    with stage.terminal.step("  reading the restored disk back") as step:
        step.result = await check_restored(pair.disk, stage.folder, restored, Bytes(step, day.size))
    with stage.terminal.step("Changing the restored disk as a guest does") as step:
        after = await in_thread(lambda: day_after_restore(stage.folder, day))
        await _apply(pair, after, step)
    last = await _back_up(stage, pair, "Backup of the restored disk", after)
    check_moved(last)
    await _extract(stage, pair, "Extracting its recovery point", last)
    return [restored, last]


async def _apply(pair: Pair, day: Day, step: Step) -> None:
    """Do to the disk what a guest did to it that day."""
    total = sum(change.end - change.start for change in day.changes)
    await pair.disk.apply(day.image, day.changes, Bytes(step, total))
    step.result = day.about


async def _back_up(stage: Stage, pair: Pair, title: str, day: Day) -> Proved:
    """Back the disk up, and compare the recovery point while its source snapshot is there."""
    with stage.terminal.step(title) as step:
        proved = Proved(pair.address.blob, await pair.backups.back_up(step.show), day)
        written, cleared = proved.point.bytes_written, proved.point.bytes_cleared
        step.result = f"{proved.point.kind}, {amount(written)} written, {amount(cleared)} cleared"
    await _compare(stage, pair, proved)
    return proved


async def _compare(stage: Stage, pair: Pair, proved: Proved) -> None:
    """Compare the last recovery point of a disk with its source snapshot, which is there until the next one."""
    with stage.terminal.step("  comparing it with its source snapshot") as step:
        step.result = await compare(pair.backup, pair.disk, proved, Bytes(step, proved.day.size))


async def _extract(stage: Stage, pair: Pair, title: str, proved: Proved) -> None:
    """Extract a recovery point as a disk, and check that disk."""
    with stage.terminal.step(title) as step:
        step.result = await check_extracted(pair.backup, stage.folder, proved, Bytes(step, proved.day.size))
