"""A recovery point and the result of its checks."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.demo.disk_states import DiskState
from infra.local.demo.proof import (
    ITSELF,
    BrokenProofError,
    Moved,
    Readable,
    extract,
    of_snapshot,
    require_identical,
    require_only_changes,
    require_restorable,
    require_same_file,
    require_size,
)
from shared.model.point import RecoveryPoint
from shared.model.texts import human_size


@dataclass(slots=True)
class ProofResult:
    """A recovery point and the result of its checks.

    Attributes:
        disk: the name of its disk.
        point: the recovery point.
        state: the expected disk.
        held: the checks that passed.
        broken: the checks that failed.
    """

    disk: str
    point: RecoveryPoint
    state: DiskState
    held: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether every check passed."""
        return bool(self.held) and not self.broken

    def __str__(self) -> str:
        """List the checks that passed, or those that failed."""
        return "; ".join(self.held if self.holds else [f"FAILED: {line}" for line in self.broken])


async def compare(backup: Readable, disk: Readable, result: ProofResult, moved: Moved) -> str:
    """Compare a recovery point with its source snapshot and the original image; note and return the result."""
    try:
        await require_identical(backup, disk, result.point, result.state, moved)
    except BrokenProofError as error:
        return _broken(result, error)
    result.held.append("identical to its source snapshot")
    return f"{result.held[-1]}, all {human_size(result.state.size)}"


async def check_extracted(backup: Readable, folder: Path, result: ProofResult, moved: Moved) -> str:
    """Extract a recovery point to a temporary file and check it; note and return the result."""
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


async def check_restored(disk: Readable, folder: Path, result: ProofResult, moved: Moved) -> str:
    """Read back the restored disk itself, not its snapshot, and check it; note and return the result."""
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
    return f"identical to the original; {held}"


def check_copied(copy: Path, name: str, result: ProofResult) -> str:
    """Check a file that was copied out of a recovery point; return the result, and note it if it is wrong."""
    expected = (result.state.files or {}).get(name)
    if hashlib.sha256(copy.read_bytes()).hexdigest() != expected:
        return _broken(result, BrokenProofError(f"{name}, copied out of it, differs from the original"))
    return "identical to the original"


def check_moved(result: ProofResult) -> None:
    """Check that a run copied only what a guest had changed; note it if it did not."""
    try:
        require_only_changes(result.point, result.state)
    except BrokenProofError as error:
        _broken(result, error)


def _broken(result: ProofResult, error: BrokenProofError) -> str:
    result.broken.append(str(error))
    return f"FAILED: {error}"
