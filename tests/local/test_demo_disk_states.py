"""The states of the demo's disk: what is changed between the backups, and what never is."""

import random
from pathlib import Path

import pytest

from infra.local.demo.disk_states import DiskState, changed_after_restore, changed_state, initial_state
from infra.local.disks import disk_image
from infra.local.disks.disk_image import e2fsprogs_is_installed, make_vhd
from infra.local.disks.vhd import FOOTER_BYTES, MIB, read_footer

pytestmark = pytest.mark.skipif(not e2fsprogs_is_installed(), reason="e2fsprogs is not installed")
SIZE = 20 * MIB


def applied(first: DiskState, second: DiskState) -> bytes:
    """Do to the first disk what is said to have been done to it."""
    disk, after = bytearray(first.image.read_bytes()), second.image.read_bytes()
    for start, end, cleared in second.changes:
        disk[start:end] = bytes(end - start) if cleared else after[start:end]
    return bytes(disk)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "demo"
    folder.mkdir()
    return folder


def test_the_example_loses_files_gets_new_ones_and_keeps_the_rest(folder: Path) -> None:
    first = initial_state(folder, SIZE, None)
    second = changed_state(folder, first)
    assert applied(first, second) == second.image.read_bytes()
    assert {change.cleared for change in second.changes} == {True, False}
    assert first.files
    assert second.files
    assert first.files.keys() - second.files.keys() > {"var/log/syslog.1"}
    assert second.files.keys() - first.files.keys() > {"home/ana/pictures/new.txt"}
    edited = {name for name in first.files.keys() & second.files.keys() if first.files[name] != second.files[name]}
    assert edited == {"etc/hostname", "var/log/auth.log"}
    assert second.check
    assert second.check.clean


def test_ones_own_ext4_gets_files_in_a_folder_of_their_own_and_loses_a_few(tmp_path: Path, folder: Path) -> None:
    own = tmp_path / "own.vhd"
    make_vhd(own, SIZE, {f"srv/{n}": random.Random(n).randbytes(50_000) for n in range(6)} | {"motd": b"hello\n"})
    first = initial_state(folder, 0, own)
    second = changed_state(folder, first)
    assert applied(first, second) == second.image.read_bytes()
    assert first.files
    assert second.files
    assert first.files.keys() - second.files.keys() == {"srv/0", "srv/1", "srv/2"}
    assert all(name.startswith("tidemark-demo/") for name in second.files.keys() - first.files.keys())


def test_ones_own_ext4_that_is_full_is_changed_by_pages(tmp_path: Path, folder: Path) -> None:
    own = tmp_path / "own.vhd"
    make_vhd(own, SIZE, {"full": random.Random(1).randbytes(14 * MIB + MIB // 2)})
    first = initial_state(folder, 0, own)
    second = changed_state(folder, first)
    assert "because its files could not be changed (" in second.about
    assert applied(first, second) == second.image.read_bytes()


def test_without_a_filesystem_scattered_pages_are_written_and_cleared_but_the_footer(
    tmp_path: Path, folder: Path
) -> None:
    own = tmp_path / "own.vhd"
    make_vhd(own, SIZE, {})
    with own.open("r+b") as file:
        file.write(bytes(SIZE))
        file.seek(7 * MIB)
        file.write(random.Random(1).randbytes(2 * MIB))
    first = initial_state(folder, 0, own)
    second = changed_state(folder, first)
    assert first.files is None
    assert applied(first, second) == second.image.read_bytes()
    assert {change.cleared for change in second.changes} == {True, False}
    assert len(second.changes) > 4
    assert second.changes[-1].end - second.changes[0].start > MIB
    assert second.image.read_bytes()[-FOOTER_BYTES:] == own.read_bytes()[-FOOTER_BYTES:]


def test_without_e2fsprogs_the_example_has_no_filesystem_and_pages_to_change(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(disk_image, "_TOOL_FOLDERS", ())
    first = initial_state(folder, SIZE, None)
    second = changed_state(folder, first)
    assert first.about == "e2fsprogs is not installed, so no filesystem is created or checked"
    assert applied(first, second) == second.image.read_bytes()
    assert {change.cleared for change in second.changes} == {True, False}
    assert read_footer(second.image).size == SIZE


def test_after_the_restore_the_disk_becomes_another_than_before_its_second_backup(folder: Path) -> None:
    first = initial_state(folder, SIZE, None)
    second, after = changed_state(folder, first), changed_after_restore(folder, first)
    assert applied(first, after) == after.image.read_bytes()
    assert first.files
    assert second.files
    assert after.files
    assert after.files.keys() - second.files.keys() == {"tidemark-demo/restored.txt"}
    assert second.image.read_bytes() != after.image.read_bytes()


def test_after_the_restore_pages_get_another_content_than_before_the_second_backup(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(disk_image, "_TOOL_FOLDERS", ())
    first = initial_state(folder, SIZE, None)
    second, after = changed_state(folder, first), changed_after_restore(folder, first)
    assert applied(first, after) == after.image.read_bytes()
    assert second.changes == after.changes
    assert second.image.read_bytes() != after.image.read_bytes()
