"""The states of the demo's disk: an image of each, and the guest's changes between two of them."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from infra.local.disks.disk_changes import Change, changes, copy_sparse, data_extents
from infra.local.disks.disk_image import (
    FilesystemCheck,
    change_filesystem,
    check_filesystem,
    checksums,
    e2fsprogs_is_installed,
    find_ext4,
    list_files,
)
from infra.local.disks.example_disk import guest_changes, make_example_disk
from infra.local.disks.vhd import FOOTER_BYTES, PAGE_BYTES, read_footer

_PLACES = 12
_PAGES_AT_A_PLACE = 8
_SEED = 7
_AFTER_RESTORE = {"tidemark-demo/restored.txt": b"written after the restore\n"}


@dataclass(frozen=True, slots=True)
class DiskState:
    """The disk at a point in time.

    Attributes:
        image: a sparse file with its content.
        changes: what a guest changed since the previous state.
        files: SHA-256 of each file in its filesystem; None if the filesystem is not checked.
        check: the output of e2fsck; None if it was not run.
        about: one line about it for the terminal.
    """

    image: Path
    changes: tuple[Change, ...]
    files: dict[str, str] | None
    check: FilesystemCheck | None
    about: str

    @property
    def size(self) -> int:
        """Size of the disk in bytes, footer included."""
        return self.image.stat().st_size


def initial_state(folder: Path, size: int, own: Path | None) -> DiskState:
    """Make the example disk of `size` + 512 bytes, or copy the user's own, which is only read.

    Raises:
        OSError: the user's file can't be read.
        ValueError: it is not a fixed VHD; the message says what to do.
        RuntimeError: e2fsprogs failed.
    """
    if own is None:
        image = folder / "example.vhd"
        make_example_disk(image, size)
    else:
        read_footer(own)
        image = folder / "own-disk.vhd"
        copy_sparse(own, image)
    return _state_of(image)


def changed_state(folder: Path, first: DiskState) -> DiskState:
    """Change a copy of the disk: its files if e2fsprogs can, otherwise its pages."""
    return _changed(first, folder / f"changed-{first.image.name}", {}, _SEED)


def changed_after_restore(folder: Path, first: DiskState) -> DiskState:
    """Change a copy of the disk likewise, but with another result, so that the two can't be confused."""
    return _changed(first, folder / f"restored-{first.image.name}", _AFTER_RESTORE, _SEED + 1)


def changed_once_more(folder: Path, first: DiskState, when: str) -> DiskState:
    """Change a copy of the disk likewise; a file named after `when` makes each result another."""
    more = {f"tidemark-demo/{when}.txt": f"changed at {when}\n".encode()}
    return _changed(first, folder / f"changed-{first.image.name}", more, int.from_bytes(when.encode()))


def _changed(first: DiskState, image: Path, more: Mapping[str, bytes], seed: int) -> DiskState:
    """Change a copy of the disk.

    Args:
        first: the disk to copy.
        image: path of the copy.
        more: further files to write.
        seed: for the random content of changed pages.
    """
    copy_sparse(first.image, image)
    if first.files is None:
        return _change_pages_instead(image, "", seed)
    write, delete = guest_changes(list_files(image))
    write |= more
    try:
        change_filesystem(image, write=write, delete=delete)
    except (RuntimeError, ValueError, FileNotFoundError) as error:
        copy_sparse(first.image, image)
        return _change_pages_instead(image, f" because its files could not be changed ({error})", seed)
    about = f"{len(write)} files added or edited, {len(delete)} deleted with discard"
    return replace(_state_of(image), changes=tuple(changes(first.image, image)), about=about)


def _state_of(image: Path) -> DiskState:
    if not e2fsprogs_is_installed():
        return DiskState(image, (), None, None, "e2fsprogs is not installed, so no filesystem is created or checked")
    if find_ext4(image) is None:
        return DiskState(image, (), None, None, "no ext4 filesystem, so pages will be changed directly")
    try:
        files, check = checksums(image), check_filesystem(image)
    except RuntimeError as error:
        return DiskState(image, (), None, None, f"its filesystem can't be read ({error})")
    return DiskState(image, (), files, check, f"ext4, {len(files)} files")


def _change_pages_instead(image: Path, why: str, seed: int) -> DiskState:
    changed = tuple(_change_pages(image, seed))
    about = f"{len(changed)} page ranges rewritten or cleared directly{why}"
    return replace(_state_of(image), changes=changed, about=about)


def _change_pages(image: Path, seed: int) -> Iterator[Change]:
    """Alternately rewrite and clear a few ranges of valid pages, never the footer."""
    rng = random.Random(seed)  # noqa: S311 - content for a disk, no secret
    end = image.stat().st_size - FOOTER_BYTES
    length = _PAGES_AT_A_PLACE * PAGE_BYTES
    with image.open("r+b") as file:
        for number, start in enumerate(_scattered(image, end, length)):
            cleared = number % 2 == 1
            file.seek(start)
            file.write(bytes(length) if cleared else rng.randbytes(length))
            yield Change(start, start + length, cleared)


def _scattered(image: Path, end: int, length: int) -> list[int]:
    """Choose ranges of `length` valid bytes, far apart; if nothing is valid, the start of the disk."""
    found = [start for start, stop in data_extents(image, end) for start in range(start, stop - length + 1, 3 * length)]
    return found[:: max(1, len(found) // _PLACES)][:_PLACES] or [0]
