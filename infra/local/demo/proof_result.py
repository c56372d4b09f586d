"""A recovery point and what is proved of it: what held, and what did not."""

from dataclasses import dataclass, field
from pathlib import Path

from infra.local.demo.disk_states import DiskState
from infra.local.demo.proof import (
    ITSELF,
    BrokenProofError,
    Moved,
    extract,
    of_snapshot,
    require_identical,
    require_only_changes,
    require_restorable,
    require_same_file,
    require_size,
)
from infra.local.demo.terminal import amount
from infra.local.disks.page_blob import PageBlob
from shared.model.point import RecoveryPoint


@dataclass(slots=True)
class ProofResult:
    """A recovery point and its proofs.

    Attributes:
        disk: the name of the disk that it is of.
        point: the recovery point.
        state: the disk as it should be.
        held: what was proved.
        broken: what did not hold.
    """

    disk: str
    point: RecoveryPoint
    state: DiskState
    held: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether all was proved."""
        return bool(self.held) and not self.broken

    def __str__(self) -> str:
        """Say how it was proved, or what did not hold."""
        return "; ".join(self.held if self.holds else [f"BROKEN: {line}" for line in self.broken])


async def compare(backup: PageBlob, disk: PageBlob, result: ProofResult, moved: Moved) -> str:
    """Compare a recovery point with its source snapshot and the disk as it was; note what came of it, and say so."""
    try:
        await require_identical(backup, disk, result.point, result.state, moved)
    except BrokenProofError as error:
        return _broken(result, error)
    result.held.append("identical to its source snapshot")
    return f"{result.held[-1]}, all {amount(result.state.size)}"


async def check_extracted(backup: PageBlob, folder: Path, result: ProofResult, moved: Moved) -> str:
    """Extract a recovery point into a folder for as long as it is checked; note what came of it, and say so."""
    target = folder / "extracted.vhd"
    try:
        await extract(of_snapshot(backup, result.point.backup_snapshot), result.state.size, target, moved)
        held = await require_restorable(target, result.state)
    except BrokenProofError as error:
        return _broken(result, error)
    finally:
        target.unlink(missing_ok=True)
    result.held.append(held)
    return held


async def check_restored(disk: PageBlob, folder: Path, result: ProofResult, moved: Moved) -> str:
    """Read a restored disk back, itself and whole, for as long as it is checked; note what came of it, and say so."""
    target = folder / "read-back.vhd"
    try:
        await require_size(disk, result.state)
        await extract(of_snapshot(disk, ITSELF), result.state.size, target, moved)
        await require_same_file(target, result.state)
        held = await require_restorable(target, result.state)
    except BrokenProofError as error:
        return _broken(result, error)
    finally:
        target.unlink(missing_ok=True)
    result.held.append(f"so is the disk; {held}")
    return f"identical to the disk of that day; {held}"


def check_moved(result: ProofResult) -> None:
    """Check that a run moved what a guest had changed and nothing else; note it if it did not."""
    try:
        require_only_changes(result.point, result.state)
    except BrokenProofError as error:
        _broken(result, error)


def _broken(result: ProofResult, error: BrokenProofError) -> str:
    result.broken.append(str(error))
    return f"BROKEN: {error}"
