"""What is on a disk, told by its signatures: of real filesystems and partition tables, made-up ones, and garbage."""

import base64
import shutil
import struct
import subprocess
import uuid
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.disks.disk_image import e2fsprogs_is_installed, make_vhd
from infra.local.disks.vhd import MIB, make_footer
from shared.disk_signatures import (
    HEAD_BYTES,
    NO_TABLE,
    VOLUME_BYTES,
    Partition,
    PartitionTable,
    described,
    filesystem,
    has_vhd_footer,
    partition_table,
)

SECTOR = 512
GIB = 1024 * MIB
BASIC_DATA = uuid.UUID("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7").bytes_le
TOOL_FOLDERS = "/sbin:/usr/sbin:/bin:/usr/bin"

# The first bytes of empty volumes of 300 MiB (FAT12: 2 MiB), as xfsprogs, ntfs-3g, exfatprogs, dosfstools, btrfs-progs,
# LVM and mkswap make them; and of disks of 1 GiB that sfdisk divided.
MADE = {
    "XFS": (
        "eNqLcAt2YmAQYAADRh0GdMDYdnGWVarfwQbrlZIvkhbfgwgysEGlG6B0I5RuAssyeIPYLBAhB4YtS5kYmBgYOJDN5eHkZOZnYJBkgCmCAFsI"
        "9foBA37Age5MIOqCYDDgBWJuEKPqvkYryC0AQQASqg=="
    ),
    "NTFS": (
        "eNp7HTTBL8QtWAEIGJg4GCDgBwMKaADC//GcYDYLVOz/VAj9DYgZgfjO120y35/NzAKJ8cnvK6xZo3SghDtsC99udoazAnGvPxg9OSt2VvL1"
        "v5CMzGIFIMrLL1FIVEjKzy9JTMpJVUjJLM7WUwjISU0sTlXIzCtOLUKRTsvJLyioVEjMS+HlKihKLS4GMisVslMrFUryFUqKgDLpiZl5Cnp6"
        "egq8XAyjgEgQugoAiBE/RA=="
    ),
    "exFAT": ("eNp7XTbBNcLNMURBQYGBIpDACaE5GBgaQLQAA4ODKgMDC5A54/3t3wyMDAycbIwNDKNgEIHQVQAvUQoh"),
    "FAT12": (
        "eNp7bTMhNzutWC8tsYSBiYWRgQkIBX4wMwgAaRhoYNAUlWv56eev4Ofo66oABG6OIYZGQJpPfl90zRqlAyXcYVv4drMznBWIe/3B6MlZsbOS"
        "r/+FZGQWKwBRXn6JQqJCUn5+SWJSTqpCSmZxtp6CQkBOamJxqkJmXnFqEYp8Wk5+QUGlQmJeCi9XQVFqcTGQWamQnVqpUJKvUFIElElPzMxT"
        "0NPTU+DlYhgFlIDQVQB9FjyZ"
    ),
    "FAT32": (
        "eNp7HTEhNzutWC8tsYSBiUOBgYkBCH4wMNgzCIBYDC/iORkiwIIMYDlGBjYGZNDAoJkwqeWnn7+Cn6OvqwIQuDmGGBsBaT75feU1a5QOlHCH"
        "beHbzc5wViDu9QejJ2fFzkq+/heSkVmsAER5+SUKiQpJ+fkliUk5qQopmcXZegoKATmpicWpCpl5xalFKPJpOfkFBZUKiXkpvFwFRanFxUBm"
        "pUJ2aqVCSb5CSRFQJj0xM09BT09PgZeLYRQQAqGrABFQP5A="
    ),
    "btrfs": (
        "eNrtz8FKQkEUBuCZxBYRGLptEbhqmdDebgRCBDd1nbseoY0g9R65c9MTtL37NmLvILjsDarrHRERn+D7YJjh/OfMMCEAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABACHeN049D+ep78ng5yebvt5/TZfuiEUIs67HKR1mv"
        "/zwYPRyngWKxjrp53H9j0VznR+WW5jbNZ/9Ztf7Ob1s9Sa3ab2pbxbj7QHitby5M66Bpa/zUOb9/mQ1P8q+fq+vdr/8CJFQfUQ=="
    ),
    "LVM2": (
        "eNpjYBgFIxn4ODq5+vj7uTJC+dFh65gUQOJhvkYKBgaGOSHpvh6R3j5Vuf7e+Y5GuRbBGS5mnsEmlt4lVU55JZEMDAeEIDoF8FsEk/7Aj1Wa"
        "CQC+hRIy"
    ),
    "swap": ("eNpjYBgFo2AUjFTACMT/tRnB7BV/Jt5ewuq6bfGJNGZWPn6r0dAZBaNgFIyCUTAKRsEoGAWjYDiA4HDHgOAAR2dXIwBrUArq"),
    "GPT": (
        "eNpjYBgFQxkwMbz7//8/I5D1/788ybpDV7m6eSoEOAaFMDAwMsQARcS2HWADyTBCVcBN5YBQ96D8vOCECQELnbJ6JUzeB/VF/2KCqm+AYtED"
        "Dl9HY2fwg/W2x/ibW4rc+yptM2+41z4RX5xvLXvaQ2W135EnlVtW7WWoYIakg+/yNLHfIzFD0TMlP6/ELzU1BZgYI9Wm69cd9ffZl1C25p3f"
        "4VRYuvuvThv/axRrHZT/cUlwlzfDgpN2J6131fh9/Mzs29ZWf9Ht8L0cPwYNqP3lzAD1l0vE"
    ),
    "MBR": ("eNpjYBgFQxEUvHyjyMDQoKDIwB5nocbAARRK4GRgiLNUa74rZ8+QAWQ7sDEw3JW3b+7iaGJYwc/AECGAYUroKgAhnAx9"),
}
VOLUMES = {name: name.removesuffix("12").removesuffix("32") for name in MADE if name not in {"GPT", "MBR"}}
NAMES = {"", *VOLUMES.values(), "ext2", "ext3", "ext4", "ReFS", "BitLocker", "LUKS"}

some = settings(max_examples=60, deadline=None)
needs_e2fsprogs = pytest.mark.skipif(not e2fsprogs_is_installed(), reason="e2fsprogs is not installed")


def made(name: str, length: int = VOLUME_BYTES) -> bytes:
    return zlib.decompress(base64.b64decode(MADE[name])).ljust(length, b"\0")[:length]


def with_bit_flipped(data: bytes, bit: int) -> bytes:
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


def superblock(compatible: int, incompatible: int, read_only: int) -> bytes:
    """Make the start of an ext filesystem with these features."""
    return bytes(1080) + b"\x53\xef" + bytes(34) + struct.pack("<III", compatible, incompatible, read_only)


def mbr(entries: Sequence[tuple[int, int, int, int]], code: bytes = b"") -> bytes:
    """Make an MBR of entries: status, type, first sector, sectors."""
    packed = b"".join(struct.pack("<B3xB3xII", *entry) for entry in entries)
    return code.ljust(446, b"\0") + packed.ljust(64, b"\0") + b"\x55\xaa"


def gpt(
    spans: Sequence[tuple[int, int]],
    *,
    at: int = 2,
    count: int = 128,
    step: int = 128,
    length: int = 92,
    signature: bytes = b"EFI PART",
    kind: bytes = BASIC_DATA,
) -> bytes:
    """Make a GPT of spans (first and last sector) whose checksums are right, whatever else it says."""
    packed = [struct.pack("<16s16sQQ", kind, bytes(16), *span).ljust(max(48, min(step, 4096))) for span in spans]
    array = b"".join(packed).ljust(min(count * step, HEAD_BYTES), b"\0")
    disk = (1, 2**20, 34, 2**20 - 34, bytes(16))
    fields = struct.pack("<QQQQ16sQIII", *disk, at, count, step, zlib.crc32(array))
    header = struct.pack("<8sIIII", signature, 0x10000, length, 0, 0) + fields
    covered = header.ljust(SECTOR, b"\0")[:length]
    header = header[:16] + struct.pack("<I", zlib.crc32(covered)) + header[20:]
    front = (mbr([(0, 0xEE, 1, 2**32 - 1)]) + header).ljust(min(at, 64) * SECTOR, b"\0")
    return (front + array).ljust(HEAD_BYTES, b"\0")[:HEAD_BYTES]


@some
@given(st.integers(1, 8 * 1024).map(MIB.__mul__), st.uuids(), st.integers(946_684_800, 2**32))
def test_the_footer_of_a_vhd_is_told(size: int, unique_id: uuid.UUID, created: int) -> None:
    assert has_vhd_footer(make_footer(size, unique_id, created))


def test_a_flipped_bit_of_the_footer_is_found() -> None:
    footer = make_footer(GIB, uuid.UUID(int=5), 1_767_225_600)
    assert not [bit for bit in range(SECTOR * 8) if has_vhd_footer(with_bit_flipped(footer, bit))]


@some
@given(st.binary(max_size=1024))
def test_garbage_is_no_footer(garbage: bytes) -> None:
    assert not has_vhd_footer(garbage)
    assert not has_vhd_footer(b"conectix" + garbage)


def test_a_part_of_a_footer_is_none() -> None:
    footer = make_footer(GIB, uuid.UUID(int=5), 1_767_225_600)
    assert not has_vhd_footer(footer[:511])  # the last byte is 0: the checksum would be right
    assert not has_vhd_footer(footer + b"\0")


def test_a_gpt_made_by_a_real_tool_is_read_in_its_order() -> None:
    partitions = ((227_328, 2_095_104), (2048, 10_240), (10_240, 227_328))
    expected = tuple(Partition(start * SECTOR, end * SECTOR) for start, end in partitions)
    assert partition_table(made("GPT", HEAD_BYTES), GIB) == PartitionTable("GPT", expected)


def test_an_mbr_made_by_a_real_tool_is_read() -> None:
    partitions = ((2048, 616_448), (616_448, 1_026_048), (1_026_048, 2_097_152))
    expected = tuple(Partition(start * SECTOR, end * SECTOR) for start, end in partitions)
    assert partition_table(made("MBR", SECTOR), GIB) == PartitionTable("MBR", expected)


@some
@given(st.integers(0, 2**16), st.integers(0, 128 * 128 * 8 - 1))
def test_a_flipped_bit_of_a_gpt_is_found(in_header: int, in_entries: int) -> None:
    head = made("GPT", HEAD_BYTES)
    assert partition_table(with_bit_flipped(head, SECTOR * 8 + in_header % (92 * 8)), GIB) == NO_TABLE
    assert partition_table(with_bit_flipped(head, 2 * SECTOR * 8 + in_entries), GIB) == NO_TABLE


def test_a_damaged_gpt_is_no_mbr_of_its_protective_partition() -> None:
    head = made("GPT", HEAD_BYTES)
    assert partition_table(head[:SECTOR], GIB) == NO_TABLE
    assert partition_table(head[:SECTOR].ljust(HEAD_BYTES, b"\0"), GIB) == NO_TABLE


def test_a_gpt_header_without_a_protective_mbr_is_left_over_from_an_older_disk() -> None:
    older = made("GPT", HEAD_BYTES)[SECTOR:]
    assert partition_table(bytes(SECTOR) + older, GIB) == NO_TABLE
    newer = mbr([(0, 0x83, 2048, 2048)])
    assert partition_table(newer + older, GIB) == PartitionTable("MBR", (Partition(MIB, 2 * MIB),))


def test_of_a_gpt_that_goes_on_behind_the_head_the_partitions_in_it_are_read() -> None:
    spans = [(2048 + 8 * number, 2055 + 8 * number) for number in range(136)]
    read = partition_table(gpt(spans, count=136), GIB)
    assert read == PartitionTable("GPT", tuple(Partition(a * SECTOR, (b + 1) * SECTOR) for a, b in spans[:128]))
    head = made("GPT", HEAD_BYTES)
    first, second, _ = partition_table(head, GIB).partitions
    assert partition_table(head[: 2 * SECTOR + 300], GIB) == PartitionTable("GPT", (first, second))
    assert partition_table(head[: 2 * SECTOR], GIB) == PartitionTable("GPT", ())


def test_a_gpt_may_have_long_entries_and_a_long_header_and_no_partitions() -> None:
    expected = PartitionTable("GPT", (Partition(MIB, 2 * MIB), Partition(2 * MIB, 3 * MIB)))
    spans = [(2048, 4095), (4096, 6143)]
    assert partition_table(gpt(spans, at=10, count=8, step=256, length=512), GIB) == expected
    assert partition_table(gpt([]), GIB) == PartitionTable("GPT", ())
    assert partition_table(gpt(spans, kind=bytes(16)), GIB) == PartitionTable("GPT", ())  # entries not in use


def test_right_checksums_alone_make_no_gpt() -> None:
    spans = [(2048, 4095)]
    assert partition_table(gpt(spans), GIB) != NO_TABLE
    for head in (
        gpt(spans, signature=b"EFI part"),
        gpt(spans, length=91),
        gpt(spans, length=513),
        gpt(spans, step=192),
    ):
        assert partition_table(head, GIB) == NO_TABLE


@pytest.mark.parametrize("scheme", ["GPT", "MBR"])
def test_a_partition_that_ends_behind_the_disk_is_left_out(scheme: str) -> None:
    size = 4096 * SECTOR
    head = gpt([(34, 4095), (34, 4096)]) if scheme == "GPT" else mbr([(0, 7, 34, 4062), (0, 7, 34, 4063)])
    assert partition_table(head, size) == PartitionTable(scheme, (Partition(34 * SECTOR, size),))
    assert partition_table(head, size + 511).partitions == (Partition(34 * SECTOR, size),)


def test_an_mbr_has_primary_partitions_alone() -> None:
    empty, backwards, extended = (0, 0, 2048, 2048), (0, 0x83, 4096, 0), (0, 0x05, 8192, 2048)
    boot, at_the_table = (0x80, 0x07, 2048, 2048), (0, 0x83, 0, 2048)
    table = partition_table(mbr([boot, empty, backwards, extended], code=b"\xeb\x63\x90" * 100), GIB)
    assert table == PartitionTable("MBR", (Partition(MIB, 2 * MIB), Partition(4 * MIB, 5 * MIB)))
    assert partition_table(mbr([empty, backwards, at_the_table]), GIB) == NO_TABLE
    assert partition_table(mbr([boot])[:510] + b"\0\0", GIB) == NO_TABLE


@pytest.mark.parametrize("name", VOLUMES)
def test_a_filesystem_without_partitions_has_no_partition_table(name: str) -> None:
    assert partition_table(made(name)[:HEAD_BYTES], 300 * MIB) == NO_TABLE


@some
@given(st.text(st.characters(min_codepoint=1, max_codepoint=127), min_size=64, max_size=64))
def test_the_text_of_a_boot_sector_is_no_partition_table(text: str) -> None:
    boot = made("FAT32", SECTOR)
    assert partition_table(boot[:446] + text.encode() + boot[510:], 8 * 1024 * GIB) == NO_TABLE


@pytest.mark.parametrize(("name", "expected"), VOLUMES.items())
def test_a_filesystem_made_by_a_real_tool_is_told(name: str, expected: str) -> None:
    assert filesystem(made(name)) == expected


@some
@given(st.sampled_from(sorted(VOLUMES)), st.integers(0, VOLUME_BYTES))
def test_of_a_volume_that_is_cut_off_nothing_wrong_is_told(name: str, length: int) -> None:
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
def test_a_signature_is_told(start: bytes, expected: str) -> None:
    assert filesystem(start) == filesystem(start.ljust(VOLUME_BYTES, b"\0")) == expected


@pytest.mark.parametrize("place", [0, 12, 13, 14, 16, 21, 511])
def test_a_boot_sector_without_the_fields_of_a_fat_is_none(place: int) -> None:
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
def test_what_this_machine_makes_is_told(tool: str, arguments: Sequence[str], expected: str, tmp_path: Path) -> None:
    head = head_of(volume_of(tool, arguments, tmp_path, 320 * MIB))
    assert filesystem(head) == expected
    assert partition_table(head[:HEAD_BYTES], 320 * MIB) == NO_TABLE


def volume_of(tool: str, arguments: Sequence[str], folder: Path, size: int) -> Path:
    """Make a volume with a tool of this machine; without the tool there is nothing to test."""
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


@some
@given(st.binary(max_size=HEAD_BYTES), st.integers(0, 8 * 1024 * GIB))
def test_garbage_never_raises_and_its_partitions_lie_on_the_disk(garbage: bytes, size: int) -> None:
    boot = garbage[:510].ljust(510, b"\0") + b"\x55\xaa"
    for head in (garbage, boot + garbage[SECTOR:], boot[:450] + b"\xee" + boot[451:] + b"EFI PART" + garbage[520:]):
        assert_on_the_disk(partition_table(head, size), size)
    assert filesystem(garbage) in NAMES
    assert filesystem(boot + garbage[SECTOR:]) in NAMES


numbers = st.one_of(st.integers(0, 300), st.integers(0, 2**32 - 1))
sectors = st.one_of(st.integers(0, 5000), st.integers(0, 2**64 - 1))


@some
@given(
    spans=st.lists(st.tuples(sectors, sectors), max_size=8),
    at=sectors,
    count=numbers,
    step=st.one_of(st.sampled_from([0, 128, 256, 2**31]), numbers),
    length=st.one_of(st.sampled_from([92, 512]), numbers),
)
def test_a_gpt_of_right_checksums_and_wrong_numbers_names_no_partition_off_the_disk(
    spans: Sequence[tuple[int, int]], at: int, count: int, step: int, length: int
) -> None:
    head = gpt(spans, at=at, count=count, step=step, length=length)
    assert_on_the_disk(partition_table(head, 4096 * SECTOR), 4096 * SECTOR)


@some
@given(st.lists(st.tuples(sectors, sectors), max_size=128))
def test_every_partition_of_a_gpt_that_lies_on_the_disk_is_read(spans: Sequence[tuple[int, int]]) -> None:
    on_disk = tuple(Partition(a * SECTOR, (b + 1) * SECTOR) for a, b in spans if 0 < a <= b < 4096)
    assert partition_table(gpt(spans), 4096 * SECTOR) == PartitionTable("GPT", on_disk)


@some
@given(st.lists(st.tuples(st.sampled_from([0, 0x80]), st.just(0x83), numbers, numbers), max_size=4))
def test_every_partition_of_an_mbr_that_lies_on_the_disk_is_read(entries: list[tuple[int, int, int, int]]) -> None:
    spans = [(start, start + length) for _, _, start, length in entries]
    on_disk = tuple(Partition(a * SECTOR, b * SECTOR) for a, b in spans if 0 < a < b <= 4096)
    expected = PartitionTable("MBR", on_disk) if on_disk else NO_TABLE
    assert partition_table(mbr(entries), 4096 * SECTOR) == expected


def assert_on_the_disk(table: PartitionTable, size: int) -> None:
    assert table.scheme in {"GPT", "MBR", ""}
    assert table.scheme or not table.partitions
    assert all(0 < start < end <= size for start, end in table.partitions)


@needs_e2fsprogs
def test_a_real_disk_is_described(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhd"
    make_vhd(path, 16 * MIB, {"etc/motd": b"hello\n"})
    head, size = head_of(path), path.stat().st_size
    table = partition_table(head[:HEAD_BYTES], size)
    with path.open("rb") as disk:
        disk.seek(-SECTOR, 2)
        footer = has_vhd_footer(disk.read())
    assert described(footer, table, [filesystem(head)]) == "VHD footer right; no partition table; ext4"


def test_a_disk_is_described_in_a_line() -> None:
    part = Partition(MIB, 2 * MIB)
    gpt_of_three, mbr_of_one = PartitionTable("GPT", (part,) * 3), PartitionTable("MBR", (part,))
    told = described(True, gpt_of_three, ["FAT", "ext4", ""])
    assert told == "VHD footer right; GPT with 3 partitions: FAT, ext4, unknown"
    assert described(False, mbr_of_one, ["NTFS"]) == "no VHD footer; MBR with 1 partition: NTFS"
    assert described(True, PartitionTable("GPT", ()), []) == "VHD footer right; GPT with no partitions"
    assert described(False, NO_TABLE, ["XFS"]) == "no VHD footer; no partition table; XFS"
    nothing = "VHD footer right; no partition table; nothing known on it"
    assert described(True, NO_TABLE, [""]) == described(True, NO_TABLE, []) == nothing
