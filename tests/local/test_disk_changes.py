"""What changed between two states of a disk: extents, changes, and copies that keep the holes."""

import os
import random
import shutil
import sys
from pathlib import Path

import pytest

from infra.local.disks.disk_changes import Change, changes, copy_sparse, data_extents
from infra.local.disks.vhd import MIB

if sys.platform == "win32":
    pytest.skip("holes are not to be seen there", allow_module_level=True)

BLOCK = 65536  # at least as coarse as the holes of any filesystem these files may be on
PAGE = 512
SIZE = 4 * MIB + PAGE
type Blocks = dict[int, bytes]


def sparse_file(path: Path, blocks: Blocks, size: int = SIZE) -> Path:
    """Make a file with data in these blocks (by number) and holes between them."""
    with path.open("wb") as file:
        file.truncate(size)
        for number, content in blocks.items():
            file.seek(number * BLOCK)
            file.write(content[: size - number * BLOCK])
    return path


def random_states(seed: int) -> tuple[Blocks, Blocks]:
    """Make two states of a disk: blocks kept, discarded, added, and changed in a few pages, to zeros at times."""
    rng = random.Random(seed)
    numbers = range(-(-SIZE // BLOCK))
    old = {number: rng.randbytes(BLOCK) for number in numbers if rng.random() < 0.5}
    new = {number: content for number, content in old.items() if rng.random() < 0.7}
    for number in numbers:
        content = bytearray(new.get(number, bytes(BLOCK)))
        for _ in range(rng.randrange(4) if rng.random() < 0.4 else 0):
            page = rng.randrange(BLOCK // PAGE) * PAGE
            content[page : page + PAGE] = rng.choice([bytes(PAGE), rng.randbytes(PAGE), content[page : page + PAGE]])
            new[number] = bytes(content)
    return old, new


def apply(target: Path, new: Path, found: list[Change]) -> None:
    with target.open("r+b") as file, new.open("rb") as source:
        for change in found:
            source.seek(change.start)
            length = change.end - change.start
            file.seek(change.start)
            file.write(bytes(length) if change.cleared else source.read(length))


@pytest.mark.parametrize("seed", range(40))
def test_changes_applied_to_the_old_state_give_the_new_one(tmp_path: Path, seed: int) -> None:
    before, after = random_states(seed)
    old, new, copy = sparse_file(tmp_path / "old", before), sparse_file(tmp_path / "new", after), tmp_path / "copy"
    found = list(changes(old, new))
    copy_sparse(old, copy)
    apply(copy, new, found)
    assert copy.read_bytes() == new.read_bytes()


@pytest.mark.parametrize("seed", range(40, 60))
def test_changes_are_in_order_aligned_apart_and_no_more_than_happened(tmp_path: Path, seed: int) -> None:
    before, after = random_states(seed)
    old, new = sparse_file(tmp_path / "old", before), sparse_file(tmp_path / "new", after)
    last = Change(-1, -1, cleared=False)
    old_bytes, new_bytes = old.read_bytes(), new.read_bytes()
    for change in changes(old, new):
        assert change.start % PAGE == change.end % PAGE == 0
        assert last.end < change.start or (last.end == change.start and last.cleared != change.cleared)
        for page in range(change.start, change.end, PAGE):
            if change.cleared:
                assert page // BLOCK in before
                assert page // BLOCK not in after
            else:
                assert page // BLOCK in after
                assert old_bytes[page : page + PAGE] != new_bytes[page : page + PAGE]
        last = change


def test_a_page_written_is_reported_as_that_page(tmp_path: Path) -> None:
    content = bytearray(b"a" * BLOCK)
    old = sparse_file(tmp_path / "old", {3: bytes(content)})
    content[5 * PAGE + 7] ^= 1
    new = sparse_file(tmp_path / "new", {3: bytes(content)})
    start = 3 * BLOCK + 5 * PAGE
    assert list(changes(old, new)) == [Change(start, start + PAGE, cleared=False)]


def test_a_block_discarded_is_reported_as_cleared_even_if_it_held_zeros(tmp_path: Path) -> None:
    old = sparse_file(tmp_path / "old", {1: b"a" * BLOCK, 2: bytes(BLOCK), 3: b"b" * BLOCK})
    new = sparse_file(tmp_path / "new", {3: b"b" * BLOCK})
    assert list(changes(old, new)) == [Change(BLOCK, 3 * BLOCK, cleared=True)]


def test_zeros_written_over_data_are_a_write_and_over_nothing_are_no_change(tmp_path: Path) -> None:
    old = sparse_file(tmp_path / "old", {1: b"a" * BLOCK})
    new = sparse_file(tmp_path / "new", {1: bytes(BLOCK), 5: bytes(BLOCK)})
    assert list(changes(old, new)) == [Change(BLOCK, 2 * BLOCK, cleared=False)]


def test_the_last_page_behind_the_last_whole_block_is_seen(tmp_path: Path) -> None:
    old = sparse_file(tmp_path / "old", {SIZE // BLOCK: b"a" * PAGE})
    new = sparse_file(tmp_path / "new", {SIZE // BLOCK: b"b" * PAGE})
    assert list(changes(old, new)) == [Change(SIZE - PAGE, SIZE, cleared=False)]


def test_a_state_has_no_changes_against_itself(tmp_path: Path) -> None:
    old, _ = random_states(1)
    path = sparse_file(tmp_path / "old", old)
    assert list(changes(path, path)) == []


@pytest.mark.parametrize("size", [SIZE + PAGE, SIZE - 1])
def test_states_of_different_or_odd_sizes_are_refused(tmp_path: Path, size: int) -> None:
    old, new = sparse_file(tmp_path / "old", {}), sparse_file(tmp_path / "new", {}, size)
    with pytest.raises(ValueError, match="of one size"):
        list(changes(old, new))
    if size % PAGE:
        with pytest.raises(ValueError, match="multiple of 512"):
            list(changes(new, new))


def test_the_extents_are_the_data_in_order_cut_at_the_size_asked_for(tmp_path: Path) -> None:
    path = sparse_file(tmp_path / "disk", dict.fromkeys((1, 2, 7, 9), b"a" * BLOCK))
    assert list(data_extents(path, SIZE)) == [(BLOCK, 3 * BLOCK), (7 * BLOCK, 8 * BLOCK), (9 * BLOCK, 10 * BLOCK)]
    assert list(data_extents(path, 7 * BLOCK + PAGE)) == [(BLOCK, 3 * BLOCK), (7 * BLOCK, 7 * BLOCK + PAGE)]
    assert list(data_extents(path, BLOCK)) == []
    assert list(data_extents(sparse_file(tmp_path / "empty", {}), SIZE)) == []


def test_a_copy_has_the_bytes_and_the_holes(tmp_path: Path) -> None:
    before, _ = random_states(3)
    old = sparse_file(tmp_path / "old", before)
    copy = tmp_path / "copy"
    copy.write_bytes(os.urandom(2 * SIZE))
    copy_sparse(old, copy)
    assert copy.read_bytes() == old.read_bytes()
    assert list(data_extents(copy, SIZE)) == list(data_extents(old, SIZE))


def test_a_copy_onto_itself_is_refused_and_loses_nothing(tmp_path: Path) -> None:
    old = sparse_file(tmp_path / "old", {1: b"a" * BLOCK})
    (tmp_path / "link").hardlink_to(old)
    with pytest.raises(shutil.SameFileError):
        copy_sparse(old, tmp_path / "link")
    assert old.read_bytes()[BLOCK : 2 * BLOCK] == b"a" * BLOCK
