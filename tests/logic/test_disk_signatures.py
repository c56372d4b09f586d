"""What is on a disk, recognized by signatures: real filesystems and partition tables, made-up ones, and garbage."""

import shutil
import struct
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.disks.disk_image import e2fsprogs_is_installed, make_vhd
from infra.local.disks.vhd import MIB, make_footer
from shared.content.filesystems import VOLUME_BYTES, DiskContent, filesystem, has_vhd_footer, recognize
from shared.content.partition_tables import NO_TABLE, SECTOR
from shared.inspection.conclude import drill_result, identical
from tests.logic.made_disks import MADE, MadeDisk, gpt_disk, made, mbr, with_bit_flipped

GIB = 1024 * MIB
TOOL_FOLDERS = "/sbin:/usr/sbin:/bin:/usr/bin"

VOLUMES = {name: name.removesuffix("12").removesuffix("32") for name in MADE if name not in {"GPT", "MBR"}}
NAMES = {"", *VOLUMES.values(), "ext2", "ext3", "ext4", "ReFS", "BitLocker", "LUKS"}

needs_e2fsprogs = pytest.mark.skipif(not e2fsprogs_is_installed(), reason="e2fsprogs is not installed")


def superblock(compatible: int, incompatible: int, read_only: int) -> bytes:
    """Make the start of an ext filesystem with these features."""
    return bytes(1080) + b"\x53\xef" + bytes(34) + struct.pack("<III", compatible, incompatible, read_only)


@given(st.integers(1, 8 * 1024).map(MIB.__mul__), st.uuids(), st.integers(946_684_800, 2**32))
def test_the_footer_of_a_vhd_is_recognized(size: int, unique_id: uuid.UUID, created: int) -> None:
    assert has_vhd_footer(make_footer(size, unique_id, created))


def test_a_flipped_bit_of_the_footer_is_found() -> None:
    footer = make_footer(GIB, uuid.UUID(int=5), 1_767_225_600)
    assert not [bit for bit in range(SECTOR * 8) if has_vhd_footer(with_bit_flipped(footer, bit))]


@given(st.binary(max_size=1024))
def test_garbage_is_not_a_footer(garbage: bytes) -> None:
    assert not has_vhd_footer(garbage)
    assert not has_vhd_footer(b"conectix" + garbage)


def test_a_part_of_a_footer_is_not_a_footer() -> None:
    footer = make_footer(GIB, uuid.UUID(int=5), 1_767_225_600)
    assert not has_vhd_footer(footer[:511])  # the last byte is 0: the checksum would be right
    assert not has_vhd_footer(footer + b"\0")


@pytest.mark.parametrize("name", VOLUMES)
def test_a_filesystem_without_partitions_has_no_partition_table(name: str) -> None:
    found = MadeDisk(300 * MIB, [(0, made(name))]).by(recognize(300 * MIB))
    assert (found.table, found.filesystems) == (NO_TABLE, (VOLUMES[name],))


@given(st.text(st.characters(min_codepoint=1, max_codepoint=127), min_size=64, max_size=64))
def test_the_text_of_a_boot_sector_is_not_a_partition_table(text: str) -> None:
    boot = made("FAT32", SECTOR)
    disk = MadeDisk(8 * 1024 * GIB, [(0, boot[:446] + text.encode() + boot[510:])])
    assert disk.by(recognize(disk.size)).table == NO_TABLE


@pytest.mark.parametrize(("name", "expected"), VOLUMES.items())
def test_a_filesystem_made_by_a_real_tool_is_recognized(name: str, expected: str) -> None:
    assert filesystem(made(name)) == expected


@given(st.sampled_from(sorted(VOLUMES)), st.integers(0, VOLUME_BYTES))
def test_a_truncated_volume_is_not_misreported(name: str, length: int) -> None:
    assert filesystem(made(name)[:length]) in {VOLUMES[name], ""}


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b"\0\0\0ReFS\0\0\0\0", "ReFS"),
        (b"\xeb\x58\x90-FVE-FS-", "BitLocker"),
        (b"LUKS\xba\xbe\0\x02", "LUKS"),
        (bytes(24) + b"LVM2 001", "LVM2"),
        (bytes(3 * SECTOR + 24) + b"LVM2 001", "LVM2"),
        (bytes(4 * SECTOR + 24) + b"LVM2 001", ""),
        *((bytes(page - 10) + b"SWAPSPACE2", "swap") for page in (4096, 8192, 16384, 65536)),
        (superblock(0, 0x2, 0x3), "ext2"),
        (superblock(0x4, 0x2, 0x3), "ext3"),
        (superblock(0x4, 0x42, 0x3), "ext4"),  # extents
        (superblock(0, 0x2, 0x13), "ext4"),  # gdt_csum
        (bytes(1048) + b"\x07".ljust(32, b"\0") + b"\x53\xef", ""),  # blocks of 128 KiB
        (b"", ""),
    ],
)
def test_a_signature_is_recognized(start: bytes, expected: str) -> None:
    assert filesystem(start) == filesystem(start.ljust(VOLUME_BYTES, b"\0")) == expected


@pytest.mark.parametrize("place", [0, 12, 13, 14, 16, 21, 511])
def test_a_boot_sector_without_the_fields_of_a_fat_is_not_a_fat(place: int) -> None:
    boot = bytearray(made("FAT12", SECTOR))
    boot[place] = 0
    assert filesystem(bytes(boot)) == ""


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        ("mkfs.xfs", ("-q",), "XFS"),
        ("mkfs.vfat", (), "FAT"),
        ("mkntfs", ("-q", "-F", "-Q"), "NTFS"),
        ("mkfs.exfat", (), "exFAT"),
        ("mkfs.btrfs", ("-q",), "btrfs"),
        ("mkswap", ("-q",), "swap"),
        *((f"mkfs.{kind}", ("-q", "-F"), kind) for kind in ("ext2", "ext3", "ext4")),
    ],
)
def test_what_this_machines_tools_make_is_recognized(
    tool: str, arguments: Sequence[str], expected: str, tmp_path: Path
) -> None:
    head = head_of(volume_of(tool, arguments, tmp_path, 320 * MIB))
    assert filesystem(head) == expected
    assert MadeDisk(320 * MIB, [(0, head)]).by(recognize(320 * MIB)).table == NO_TABLE


def volume_of(tool: str, arguments: Sequence[str], folder: Path, size: int) -> Path:
    """Make a volume with a tool of this machine; skip the test without the tool."""
    if (program := shutil.which(tool, path=TOOL_FOLDERS)) is None:
        pytest.skip(f"no {tool} in {TOOL_FOLDERS}")
    volume = folder / "volume"
    with volume.open("wb") as file:
        file.truncate(size)
    volume.chmod(0o600)
    subprocess.run([program, *arguments, str(volume)], check=True, capture_output=True)
    return volume


def head_of(volume: Path) -> bytes:
    with volume.open("rb") as file:
        return file.read(VOLUME_BYTES)


@given(st.binary(max_size=VOLUME_BYTES), st.integers(0, 8 * 1024 * GIB))
def test_garbage_never_raises_and_its_partitions_lie_on_the_disk(garbage: bytes, size: int) -> None:
    boot = garbage[:510].ljust(510, b"\0") + b"\x55\xaa"
    for head in (garbage, boot + garbage[SECTOR:], boot[:450] + b"\xee" + boot[451:] + b"EFI PART" + garbage[520:]):
        found = MadeDisk(size, [(0, head)]).by(recognize(size))
        assert found.table.scheme in {"GPT", "MBR", ""}
        assert all(0 < partition.start < partition.end <= size for partition in found.table.partitions)
        assert found.described
    assert filesystem(garbage) in NAMES
    assert filesystem(boot + garbage[SECTOR:]) in NAMES


@needs_e2fsprogs
def test_a_real_disk_is_described(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhd"
    make_vhd(path, 16 * MIB, {"etc/motd": b"hello\n"})
    size = path.stat().st_size
    with path.open("rb") as disk:
        found = MadeDisk(size, [(0, disk.read())]).by(recognize(size))
    assert (found.described, found.doubts) == ("VHD footer valid; no partition table; ext4", ())


def disk_with(volumes: Sequence[str], *, footer: bool = True) -> MadeDisk:
    """Make a disk of 1 GiB with a GPT, a partition of 16 MiB for each volume, and a footer."""
    sectors = GIB // SECTOR
    starts = [(16 * number + 1) * MIB for number in range(len(volumes))]
    disk = gpt_disk([(start // SECTOR, (start + 16 * MIB) // SECTOR - 1) for start in starts], sectors)
    disk.parts += [(start, made(name) if name else b"") for start, name in zip(starts, volumes, strict=True)]
    if footer:
        disk.parts.append((GIB, make_footer(GIB, uuid.UUID(int=5), 1_767_225_600)))
        disk.size += SECTOR
    return disk


def seen(disk: MadeDisk) -> DiskContent:
    return disk.by(recognize(disk.size))


def test_a_disk_is_described_in_a_line() -> None:
    found = seen(disk_with(["FAT32", "XFS", ""]))
    assert found.described == "VHD footer valid; GPT with 3 partitions: FAT, XFS, unknown"
    assert found.doubts == ()
    one = MadeDisk(GIB, [(0, mbr([(0, 7, 2048, 40960)])), (MIB, made("NTFS"))])
    assert seen(one).described == "no VHD footer; MBR with 1 partition: NTFS"
    assert seen(one).doubts == ("no VHD footer",)
    assert seen(MadeDisk(GIB, [(0, made("XFS"))])).described == "no VHD footer; no partition table; XFS"
    assert seen(disk_with([])).described == "VHD footer valid; GPT with no partitions"
    assert seen(disk_with([])).doubts == ("no known filesystem",)


@pytest.mark.parametrize("size", [0, SECTOR, 2 * SECTOR, 34 * SECTOR, GIB])
def test_an_empty_disk_is_described_as_having_nothing_recognized(size: int) -> None:
    found = seen(MadeDisk(size))
    assert found.described == "no VHD footer; no partition table; no known filesystem"
    assert found.doubts == ("no VHD footer", "no known filesystem")


def test_the_second_gpt_of_a_vhd_ends_before_its_footer() -> None:
    disk = disk_with(["XFS"])
    disk.parts.append((0, bytes(34 * SECTOR)))
    found = seen(disk)
    assert found.described == (
        "VHD footer valid; GPT with 1 partition: XFS; no protective MBR for the GPT;"
        " primary GPT damaged, backup GPT used"
    )
    assert found.doubts == ("no protective MBR for the GPT", "primary GPT damaged, backup GPT used")


def test_remains_of_a_gpt_say_nothing_about_a_disk_that_is_one_volume() -> None:
    disk = disk_with(["XFS"])
    disk.parts.append((0, made("swap")))
    assert seen(disk).described == "VHD footer valid; no partition table; swap"


def test_a_truncated_disk_is_doubtful() -> None:
    disk = disk_with(["FAT32", "XFS"], footer=False)
    disk.size = 20 * MIB
    found = seen(disk)
    assert found.described == "no VHD footer; GPT with 1 partition: FAT; 1 of 2 partitions outside the disk"
    assert found.doubts == ("no VHD footer", "1 of 2 partitions outside the disk")


def test_of_very_many_partitions_some_are_skipped() -> None:
    spans = [(4096 + 8 * number, 4096 + 8 * number + 7) for number in range(200)]
    disk = gpt_disk(spans, GIB // SECTOR, count=256)
    found = seen(disk)
    assert "GPT with 200 partitions" in found.described
    assert found.described.endswith("; not checked: the content of 72 partitions")
    assert len(disk.reads) < 140


def test_an_extended_partition_is_skipped_and_the_line_says_so() -> None:
    entries = mbr([(0x80, 0x07, 2048, 40960), (0, 0x05, 65536, 2048)])
    found = seen(MadeDisk(GIB, [(0, entries), (MIB, made("NTFS"))]))
    assert found.described == (
        "no VHD footer; MBR with 2 partitions: NTFS, extended;"
        " not checked: the logical partitions in the extended partition"
    )


def test_the_result_of_a_drill_says_doubts_first() -> None:
    good, empty = seen(disk_with(["XFS"])), seen(MadeDisk(GIB))
    assert drill_result("identical: all 9 B", good, "") == f"identical: all 9 B; {good.described}"
    assert drill_result("identical: all 9 B", good, good.described) == f"identical: all 9 B; {good.described}"
    assert drill_result("identical: all 9 B", empty, good.described) == (
        "the disk may already have been unusable when it was backed up: no VHD footer, no known filesystem;"
        f" identical: all 9 B; {empty.described}; found by the previous drill: {good.described}"
    )


def test_the_result_of_a_comparison_tells_how_much_was_read() -> None:
    size = 64 * MIB + 512
    assert identical(size, 20_251_648) == "identical: all 64 MiB (19.3 MiB compared, the rest empty on both sides)"
    assert identical(size, size) == "identical: all 64 MiB"
