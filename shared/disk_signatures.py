"""What is on a disk, told by its signatures: pure functions of its first and last bytes. Offsets and sizes are bytes.

They only tell what is there, they don't check it: a filesystem whose superblock is found may be damaged elsewhere.
"""

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

SECTOR = 512
"""Bytes of a sector: what partition tables count in, and the size of a VHD's footer."""

HEAD_BYTES = 34 * SECTOR
"""From the start of a disk: MBR, GPT header, 128 GPT entries of 128 bytes (UEFI specification, "GPT Disk Layout")."""

VOLUME_BYTES = 129 * SECTOR
"""From the start of a volume: as far as the last of the signatures below, that of btrfs."""

_CHECKSUM = slice(64, 68)  # of a VHD's footer
_BOOT_SIGNATURE = b"\x55\xaa"  # ends MBRs and boot sectors
_PROTECTIVE = 0xEE  # type of the partition that stands in an MBR for a GPT
_GPT_HEADER_BYTES, _GPT_ENTRY_BYTES = 92, 128

# Offset in the volume, what is there, and what has it.
_SIGNATURES = (
    *((3, b"NTFS    ", "NTFS"), (3, b"-FVE-FS-", "BitLocker")),  # their boot sectors' OEM ids
    (3, b"EXFAT   ", "exFAT"),  # exFAT specification, "FileSystemName Field"
    (0, b"\0\0\0ReFS\0", "ReFS"),
    (0, b"XFSB", "XFS"),  # XFS Algorithms & Data Structures, "Superblocks"
    (0, b"LUKS\xba\xbe", "LUKS"),  # LUKS1 and LUKS2 On-Disk Format Specification
    (0x10040, b"_BHRfS_M", "btrfs"),  # btrfs On-disk Format, "Superblock"
    *((sector * SECTOR + 24, b"LVM2 001", "LVM2") for sector in range(4)),  # LVM2's label_header, in any of four
    *((page - 10, b"SWAPSPACE2", "swap") for page in (4096, 8192, 16384, 65536)),  # mkswap(8): ends the first page
)

_EXT_JOURNAL = 0x4  # has_journal
_EXT3_FEATURES = (0x2 | 0x4 | 0x10, 0x1 | 0x2 | 0x4)  # filetype, recover, meta_bg; sparse_super, large_file, btree_dir
_EXT_LARGEST_BLOCK = 6  # 64 KiB, as the power of two over 1 KiB


class Partition(NamedTuple):
    """A part of a disk.

    Attributes:
        start: first byte.
        end: first byte after the partition.
    """

    start: int
    end: int


class PartitionTable(NamedTuple):
    """How a disk is divided.

    Attributes:
        scheme: `GPT` or `MBR`; empty for a disk without a sound table.
        partitions: in the table's order; those that don't lie on the disk are left out.
    """

    scheme: str
    partitions: tuple[Partition, ...]


NO_TABLE = PartitionTable("", ())


def has_vhd_footer(last_page: bytes) -> bool:
    """Tell whether a disk's last 512 bytes are a VHD's footer: cookie and checksum (VHD specification, 2006)."""
    if len(last_page) != SECTOR or not last_page.startswith(b"conectix"):
        return False
    checksum = ~(sum(last_page) - sum(last_page[_CHECKSUM])) & 0xFFFFFFFF
    return int.from_bytes(last_page[_CHECKSUM], "big") == checksum


def partition_table(head: bytes, size: int) -> PartitionTable:
    """Read the GPT, or else the MBR's four entries, an extended partition as one; garbage is no table.

    Args:
        head: the disk's first `HEAD_BYTES`, or all of a shorter disk.
        size: of the disk. Its VHD footer may count or not: no partition reaches so far.
    """
    if head[510:SECTOR] != _BOOT_SIGNATURE:
        return NO_TABLE
    entries = [head[at : at + 16] for at in range(446, 510, 16)]
    if any(entry[4] == _PROTECTIVE for entry in entries):
        return _gpt(head, size)
    # A filesystem's boot sector ends in the same signature, and has code or text where an MBR has its entries.
    if any(entry[0] not in {0, 0x80} for entry in entries):
        return NO_TABLE
    spans = ((_number(entry, 8, 4), _number(entry, 12, 4)) for entry in entries if entry[4])
    partitions = _on_disk([(start, start + length) for start, length in spans], size)
    return PartitionTable("MBR", partitions) if partitions else NO_TABLE


def filesystem(volume: bytes) -> str:
    """Name what a volume holds by its first `VOLUME_BYTES`: a filesystem, swap, LVM2, encryption; empty if unknown."""
    names = (name for offset, magic, name in _SIGNATURES if volume.startswith(magic, offset))
    return next(names, "") or _ext(volume[1024:2048]) or ("FAT" if _is_fat(volume[:SECTOR]) else "")


def described(footer: bool, table: PartitionTable, filesystems: Sequence[str]) -> str:
    """Say it in a line; `filesystems` is what each partition holds or, without a table, the disk as one volume."""
    if table.scheme:
        count = len(table.partitions)
        names = ", ".join(name or "unknown" for name in filesystems)
        found = f"{table.scheme} with {count or 'no'} partition{'' if count == 1 else 's'}{names and f': {names}'}"
    else:
        found = f"no partition table; {', '.join(filesystems) or 'nothing known on it'}"
    return f"{'VHD footer right' if footer else 'no VHD footer'}; {found}"


def _number(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "little")


def _on_disk(spans: Sequence[tuple[int, int]], size: int) -> tuple[Partition, ...]:
    """Keep the spans of sectors that lie on the disk, behind the table's own sector; the second number is exclusive."""
    return tuple(Partition(a * SECTOR, b * SECTOR) for a, b in spans if 0 < a < b <= size // SECTOR)


def _gpt(head: bytes, size: int) -> PartitionTable:
    """Read a GPT whose checksums are right (UEFI specification, "GPT Header" and "GPT Partition Entry Array").

    Of entries that go beyond `head` those in it are taken; their checksum can't be told then.
    """
    length = _number(head, SECTOR + 12, 4)
    header = head[SECTOR : SECTOR + length]
    if not header.startswith(b"EFI PART") or not _GPT_HEADER_BYTES <= length <= SECTOR:
        return NO_TABLE
    at, count, step = _number(header, 72, 8) * SECTOR, _number(header, 80, 4), _number(header, 84, 4)
    array = head[at : at + count * step]
    right = zlib.crc32(header[:16] + bytes(4) + header[20:]) == _number(header, 16, 4)
    cut_off = len(array) < count * step
    if not right or step % _GPT_ENTRY_BYTES or not (cut_off or zlib.crc32(array) == _number(header, 88, 4)):
        return NO_TABLE
    entries = (array[place : place + step] for place in range(0, len(array) - step + 1, step or 1))
    used = [(_number(entry, 32, 8), _number(entry, 40, 8) + 1) for entry in entries if any(entry[:16])]
    return PartitionTable("GPT", _on_disk(used, size))


def _ext(superblock: bytes) -> str:
    """Tell ext2 and 3 by the features they know; any other makes it ext4 (ext4 Data Structures, "The Super Block")."""
    if superblock[56:58] != b"\x53\xef" or _number(superblock, 24, 4) > _EXT_LARGEST_BLOCK:
        return ""
    compatible, incompatible, read_only = (_number(superblock, at, 4) for at in (92, 96, 100))
    if incompatible & ~_EXT3_FEATURES[0] or read_only & ~_EXT3_FEATURES[1]:
        return "ext4"
    return "ext3" if compatible & _EXT_JOURNAL else "ext2"


def _is_fat(boot: bytes) -> bool:
    """Check a boot sector by the fields that every FAT has (Microsoft FAT specification, "BPB")."""
    if boot[510:] != _BOOT_SIGNATURE or boot[0] not in {0xE9, 0xEB} or boot[21] < 0xF0:  # noqa: PLR2004 - its numbers
        return False
    sector, cluster, reserved, tables = struct.unpack_from("<HBHB", boot, 11)
    return sector in {512, 1024, 2048, 4096} and cluster.bit_count() == 1 and reserved > 0 and tables > 0
