"""The states of the demo's disk: an image of each, and what a guest did to the disk between two."""

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
    """The disk as it is at some time.

    Attributes:
        image: its content, a sparse file.
        changes: what a guest did to it since the state before.
        files: SHA-256 of each file in its filesystem; None where no filesystem is looked into.
        check: what e2fsck says of it; None where it is not asked.
        about: what is to be said of it.
    """

    image: Path
    changes: tuple[Change, ...]
    files: dict[str, str] | None
    check: FilesystemCheck | None
    about: str

    @property
    def size(self) -> int:
        """Bytes of the disk, its footer among them."""
        return self.image.stat().st_size


def initial_state(folder: Path, size: int, own: Path | None) -> DiskState:
    """Make the example disk of `size` + 512 bytes, or copy the user's own, which is not touched again.

    Raises:
        OSError: the user's file can't be read.
        ValueError: it is no fixed VHD; the message says what to do.
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
    """Change a copy of the disk: its files where e2fsprogs can, else pages."""
    return _changed(first, folder / f"changed-{first.image.name}", {}, _SEED)


def changed_after_restore(folder: Path, first: DiskState) -> DiskState:
    """Change a copy of the disk like that too, yet not into the same: neither can be taken for the other."""
    return _changed(first, folder / f"restored-{first.image.name}", _AFTER_RESTORE, _SEED + 1)


def _changed(first: DiskState, image: Path, more: Mapping[str, bytes], seed: int) -> DiskState:
    """Change a copy of the disk.

    Args:
        first: the disk as it is.
        image: where its copy goes.
        more: files to be written beside those that always are.
        seed: of the content of pages, where these are changed.
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
        return _change_pages_instead(image, f", since its files could not be changed ({error})", seed)
    about = f"{len(write)} files added or edited, {len(delete)} deleted with discard"
    return replace(_state_of(image), changes=tuple(changes(first.image, image)), about=about)


def _state_of(image: Path) -> DiskState:
    if not e2fsprogs_is_installed():
        return DiskState(image, (), None, None, "e2fsprogs is not installed, so no filesystem is made or looked into")
    if find_ext4(image) is None:
        return DiskState(image, (), None, None, "its filesystem is not ext4, so its pages will be changed directly")
    try:
        files, check = checksums(image), check_filesystem(image)
    except RuntimeError as error:
        return DiskState(image, (), None, None, f"its filesystem can't be read ({error})")
    return DiskState(image, (), files, check, f"ext4, {len(files)} files")


def _change_pages_instead(image: Path, why: str, seed: int) -> DiskState:
    changed = tuple(_change_pages(image, seed))
    about = f"{len(changed)} stretches of pages rewritten or cleared directly{why}"
    return replace(_state_of(image), changes=changed, about=about)


def _change_pages(image: Path, seed: int) -> Iterator[Change]:
    """Rewrite and clear a handful of stretches of valid pages in turn, never the footer."""
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
    """Choose where `length` valid bytes lie, far apart; where nothing is valid, the disk's start."""
    found = [start for start, stop in data_extents(image, end) for start in range(start, stop - length + 1, 3 * length)]
    return found[:: max(1, len(found) // _PLACES)][:_PLACES] or [0]
