"""Disk images: real filesystems in sparse files, made and changed by the real e2fsprogs."""

import hashlib
import os
import random
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from infra.local.disks import disk_image
from infra.local.disks.disk_changes import changes, copy_sparse, data_extents
from infra.local.disks.disk_image import (
    change_filesystem,
    check_filesystem,
    checksums,
    find_ext4,
    list_files,
    make_vhd,
    read_file,
)
from infra.local.disks.vhd import MIB, read_footer

needs_e2fsprogs = pytest.mark.skipif(
    not disk_image.e2fsprogs_is_installed(),
    reason="e2fsprogs is not installed (apt, dnf or brew install e2fsprogs)",
)
SIZE = 16 * MIB
BIG = random.Random(1).randbytes(3_000_000)
FILES = {"motd": b"hello\n", "var/db/big.bin": BIG, "empty": b"", 'odd "names"/ü 1': b"quoted"}
BLOCK = 4096
LINUX_GUID = bytes.fromhex("af3dc60f838472478e793d69d8477de4")


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.vhd"
    make_vhd(path, SIZE, FILES)
    return path


def last_bytes(path: Path) -> bytes:
    return path.read_bytes()[-512:]


def allocated(path: Path) -> int:
    return path.stat().st_blocks * 512


@needs_e2fsprogs
def test_a_file_written_is_read_back(disk: Path) -> None:
    assert list_files(disk) == {name: len(content) for name, content in sorted(FILES.items())}
    for name, content in FILES.items():
        assert read_file(disk, name) == content


@needs_e2fsprogs
def test_the_checksums_are_those_of_the_files(disk: Path) -> None:
    assert checksums(disk) == {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}


@needs_e2fsprogs
def test_a_new_disk_is_clean_sparse_and_of_the_size_asked_for(disk: Path) -> None:
    assert disk.stat().st_size == SIZE + 512
    assert read_footer(disk).size == SIZE
    check = check_filesystem(disk)
    assert check is not None
    assert check.clean, check.output
    assert allocated(disk) < len(BIG) + MIB


@needs_e2fsprogs
def test_the_same_files_give_the_same_bytes(disk: Path, tmp_path: Path) -> None:
    again = tmp_path / "elsewhere" / disk.name
    again.parent.mkdir()
    umask = os.umask(0o077)
    try:
        make_vhd(again, SIZE, FILES)
    finally:
        os.umask(umask)
    assert again.read_bytes() == disk.read_bytes()
    for path in (disk, again):
        change_filesystem(path, write={"motd": b"changed"}, delete=["empty"])
    assert again.read_bytes() == disk.read_bytes()


def last_written(disk: Path) -> int:
    """Read the superblock's time of the last write (s_wtime), as Unix time."""
    (written,) = struct.unpack_from("<I", disk.read_bytes(), 1024 + 48)
    return int(written)


@needs_e2fsprogs
def test_a_change_happens_a_second_after_the_last_one_whatever_the_time_is(disk: Path) -> None:
    before = last_written(disk)
    change_filesystem(disk, write={"motd": b"changed"})
    assert last_written(disk) == before + 1


def run_debugfs(disk: Path, *commands: str) -> str:
    debugfs = disk_image._tool("debugfs")  # noqa: SLF001
    assert debugfs
    typed = "".join(f"{command}\n" for command in commands)
    return subprocess.run(
        [debugfs, "-w", "-f", "-", disk], input=typed, capture_output=True, text=True, check=True, cwd=disk.parent
    ).stdout


@needs_e2fsprogs
def test_what_a_running_guest_left_in_the_journal_is_replayed_before_a_change(disk: Path) -> None:
    number = int(run_debugfs(disk, "blocks /").split()[-1])
    root_folder = disk.read_bytes()[number * BLOCK : (number + 1) * BLOCK]
    (disk.parent / "block").write_bytes(root_folder)
    run_debugfs(disk, "jo", f"jw -b {number} block", "jc")
    change_filesystem(disk, write={"new": b"not undone by the journal"})
    assert read_file(disk, "new") == b"not undone by the journal"


@needs_e2fsprogs
def test_files_are_added_replaced_and_deleted(disk: Path) -> None:
    change_filesystem(disk, write={"motd": b"longer than before", "new/folder/file": b"x" * 9000}, delete=["/empty"])
    assert read_file(disk, "motd") == b"longer than before"
    assert read_file(disk, "new/folder/file") == b"x" * 9000
    assert "empty" not in list_files(disk)
    assert read_file(disk, "var/db/big.bin") == BIG


@needs_e2fsprogs
def test_a_deleted_files_blocks_become_holes(disk: Path, tmp_path: Path) -> None:
    before = tmp_path / "before"
    copy_sparse(disk, before)
    change_filesystem(disk, delete=["var/db/big.bin"])
    cleared = sum(change.end - change.start for change in changes(before, disk) if change.cleared)
    assert len(BIG) <= cleared < len(BIG) + 16 * BLOCK
    assert allocated(disk) < MIB


@needs_e2fsprogs
def test_the_footer_survives_a_filesystem_change(disk: Path) -> None:
    footer = last_bytes(disk)
    change_filesystem(disk, write={"fill": b"f" * 6 * MIB}, delete=["var/db/big.bin"])
    assert disk.stat().st_size == SIZE + 512
    assert last_bytes(disk) == footer


@needs_e2fsprogs
def test_a_change_that_does_not_fit_is_refused_and_leaves_a_clean_filesystem(disk: Path) -> None:
    with pytest.raises(RuntimeError, match="Could not allocate block"):
        change_filesystem(disk, write={"too big": b"x" * 2 * SIZE})
    check = check_filesystem(disk)
    assert check is not None
    assert check.clean, check.output
    assert read_file(disk, "motd") == b"hello\n"


@needs_e2fsprogs
@pytest.mark.parametrize(
    ("write", "delete", "error", "said"),
    [
        ({}, ["no such file"], FileNotFoundError, "no such file"),
        ({}, ["var/db"], ValueError, "var/db is a folder"),
        ({"var": b""}, [], ValueError, "var is a folder"),
        ({"motd/x": b""}, [], ValueError, "motd is a file"),
        ({"../x": b""}, [], ValueError, "Not the path"),
        ({"a\nrm motd": b""}, [], ValueError, "Not the path"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused_and_changes_no_file(
    disk: Path, write: dict[str, bytes], delete: list[str], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        change_filesystem(disk, write={"other": b"x", **write}, delete=delete)
    assert list_files(disk) == {name: len(content) for name, content in sorted(FILES.items())}


@needs_e2fsprogs
def test_a_file_that_is_not_there_is_not_read(disk: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        read_file(disk, "nothing")


@needs_e2fsprogs
def test_a_damaged_filesystem_is_reported(disk: Path) -> None:
    with disk.open("r+b") as file:
        file.seek(BLOCK)  # the group descriptors
        file.write(b"\xff" * BLOCK)
    check = check_filesystem(disk)
    assert check is not None
    assert not check.clean


@needs_e2fsprogs
def test_a_disk_that_does_not_fit_or_is_no_multiple_of_a_mebibyte_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhd"
    with pytest.raises(ValueError, match="multiple of 1 MiB"):
        make_vhd(path, SIZE + 512, {})
    with pytest.raises(RuntimeError, match="Could not allocate block"):
        make_vhd(path, MIB, {"too big": BIG})
    assert not path.exists()


@pytest.mark.skipif(not shutil.which("mkfs.ext4", path="/sbin:/usr/sbin"), reason="no e2fsprogs in /sbin, /usr/sbin")
def test_the_tools_are_found_where_the_path_has_no_sbin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    make_vhd(tmp_path / "disk.vhd", MIB, {"motd": b"hello\n"})
    assert read_file(tmp_path / "disk.vhd", "motd") == b"hello\n"


def test_missing_tools_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(disk_image, "_TOOL_FOLDERS", ())
    with pytest.raises(RuntimeError, match="install e2fsprogs"):
        make_vhd(tmp_path / "disk.vhd", MIB, {})
    assert check_filesystem(tmp_path / "disk.vhd") is None


def partitioned(disk: Path, path: Path, *, gpt: bool) -> int:
    """Put the disk's filesystem in the second partition of an MBR or GPT disk; return its offset."""
    data = disk.read_bytes()[:SIZE]
    start = 2 * MIB
    with path.open("wb") as file:
        kinds = ((0xEE, 1), (0, 0)) if gpt else ((0x82, 2048), (0x83, start // 512))
        file.write(b"\0" * 446 + b"".join(struct.pack("<B3xB3xII", 0, kind, at, 2048) for kind, at in kinds))
        file.seek(510)
        file.write(b"\x55\xaa")
        if gpt:
            entries = [LINUX_GUID + bytes(16) + struct.pack("<QQ", at, at + 2047) for at in (2048, start // 512)]
            table = b"".join(entry.ljust(128, b"\0") for entry in entries).ljust(128 * 128, b"\0")
            file.write(b"EFI PART".ljust(72, b"\0") + struct.pack("<QIII", 2, 128, 128, zlib.crc32(table)))
            file.seek(1024)
            file.write(table)
        file.seek(start)
        file.write(data)
        file.write(disk.read_bytes()[SIZE:])
    return start


@needs_e2fsprogs
@pytest.mark.parametrize("gpt", [False, True], ids=["MBR", "GPT"])
def test_a_filesystem_in_a_partition_is_found_and_changed(disk: Path, tmp_path: Path, *, gpt: bool) -> None:
    path = tmp_path / "partitioned.vhd"
    start = partitioned(disk, path, gpt=gpt)
    front, footer = path.read_bytes()[:start], last_bytes(path)
    assert find_ext4(path) == start
    change_filesystem(path, write={"new": b"in a partition"}, delete=["var/db/big.bin"])
    assert read_file(path, "new") == b"in a partition"
    assert "var/db/big.bin" not in list_files(path)
    assert path.read_bytes()[:start] == front
    assert last_bytes(path) == footer
    assert sum(end - begin for begin, end in data_extents(path, path.stat().st_size)) < SIZE - len(BIG)


@needs_e2fsprogs
def test_a_filesystem_at_the_start_is_found(disk: Path) -> None:
    assert find_ext4(disk) == 0


@pytest.mark.parametrize("content", [b"", bytes(SIZE), b"\xff" * MIB, random.Random(2).randbytes(MIB)])
def test_where_there_is_no_filesystem_none_is_found(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "disk"
    path.write_bytes(content)
    assert find_ext4(path) is None
    with pytest.raises(ValueError, match="holds no ext2, ext3 or ext4 filesystem"):
        list_files(path)
