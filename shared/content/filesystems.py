"""Recognizing what is on a disk by signatures: pure functions of some of its bytes. Offsets and sizes are in bytes.

They recognize, they don't check: a filesystem whose superblock is found may be damaged elsewhere.
"""

import struct
from typing import NamedTuple

from shared.content.partition_tables import (
    NO_TABLE,
    SECTOR,
    UNPROTECTED,
    PartitionTable,
    Reading,
    Span,
    partition_table,
)
from shared.model.inspection import DOUBTFUL

VOLUME_BYTES = 129 * SECTOR
"""The start of a volume, up to the end of the last signature below, that of btrfs."""

_CHECKSUM = slice(64, 68)  # of a VHD's footer
_BOOT_SIGNATURE = b"\x55\xaa"  # ends MBRs and boot sectors

# Offset in the volume, the bytes there, and what they identify.
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

NO_FOOTER, NO_FILESYSTEM = "no VHD footer", "no known filesystem"

MAX_PARTITIONS = 128
"""At most so many partitions are checked for a filesystem: as many as a GPT usually has room for."""


class DiskContent(NamedTuple):
    """What was found on a disk.

    Attributes:
        has_footer: whether it ends in a valid VHD footer.
        table: its partition table.
        filesystems: of each partition or, if there is none, of the disk as one volume; empty for an unknown one.
    """

    has_footer: bool
    table: PartitionTable
    filesystems: tuple[str, ...]

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the disk may be unusable even if its bytes are right."""
        footer = () if self.has_footer else (NO_FOOTER,)
        return (*footer, *self.table.doubts, *(() if any(self.filesystems) else (NO_FILESYSTEM,)))

    @property
    def described(self) -> str:
        """A line for people, with any doubts and what was not checked."""
        table, count = self.table, len(self.table.partitions)
        names = ", ".join(name or "unknown" for name in self.filesystems)
        if table.scheme:
            found = f"{table.scheme} with {count or 'no'} partition{'' if count == 1 else 's'}"
            found += f": {names}" if count else ""
        else:
            found = f"no partition table; {names if any(self.filesystems) else NO_FILESYSTEM}"
        left_out = list(table.left_out)
        if count > MAX_PARTITIONS:
            left_out.append(f"the content of {count - MAX_PARTITIONS} partitions")
        parts = ["VHD footer valid" if self.has_footer else NO_FOOTER, found, *table.doubts]
        return "; ".join([*parts, *(f"not checked: {what}" for what in left_out)])


def doubts_text(doubts: str) -> str:
    """Say that a disk may be unusable, though its copy matches the recovery point."""
    return f"{DOUBTFUL}: {doubts}"


def recognize(size: int) -> Reading[DiskContent]:
    """Recognize the footer, partitions and filesystems of a disk.

    Args:
        size: bytes of the disk, including a VHD footer if it has one.
    """
    has_footer = has_vhd_footer((yield Span(max(0, size - SECTOR), SECTOR)))
    table = yield from partition_table(size - SECTOR if has_footer else size)
    if not table.partitions or UNPROTECTED in table.doubts:
        name = filesystem((yield Span(0, VOLUME_BYTES)))
        if name:
            return DiskContent(has_footer, NO_TABLE, (name,))  # any table is then left over from an older use
    names = []
    for partition in table.partitions[:MAX_PARTITIONS]:
        length = 0 if partition.is_extended else min(VOLUME_BYTES, partition.end - partition.start)
        found = filesystem((yield Span(partition.start, length)))
        names.append("extended" if partition.is_extended else found)
    return DiskContent(has_footer, table, tuple(names))


def has_vhd_footer(last_page: bytes) -> bool:
    """Return whether a disk's last 512 bytes are a valid VHD footer: cookie and checksum (VHD specification, 2006)."""
    if len(last_page) != SECTOR or not last_page.startswith(b"conectix"):
        return False
    checksum = ~(sum(last_page) - sum(last_page[_CHECKSUM])) & 0xFFFFFFFF
    return int.from_bytes(last_page[_CHECKSUM], "big") == checksum


def filesystem(volume: bytes) -> str:
    """Name what a volume holds, by its first `VOLUME_BYTES`: a filesystem, swap, LVM2, encryption; empty if unknown."""
    names = (name for offset, magic, name in _SIGNATURES if volume.startswith(magic, offset))
    return next(names, "") or _ext(volume[1024:2048]) or ("FAT" if _is_fat(volume[:SECTOR]) else "")


def _number(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "little")


def _ext(superblock: bytes) -> str:
    """Recognize ext2, 3 and 4: a feature that ext3 lacks makes it ext4 (ext4 Data Structures, "The Super Block")."""
    if superblock[56:58] != b"\x53\xef" or _number(superblock, 24, 4) > _EXT_LARGEST_BLOCK:
        return ""
    compatible, incompatible, read_only = (_number(superblock, at, 4) for at in (92, 96, 100))
    if incompatible & ~_EXT3_FEATURES[0] or read_only & ~_EXT3_FEATURES[1]:
        return "ext4"
    return "ext3" if compatible & _EXT_JOURNAL else "ext2"


def _is_fat(boot: bytes) -> bool:
    """Check a boot sector by the fields that every FAT has (Microsoft FAT specification, "BPB")."""
    if boot[510:] != _BOOT_SIGNATURE or boot[0] not in {0xE9, 0xEB} or boot[21] < 0xF0:  # noqa: PLR2004 - as specified
        return False
    sector, cluster, reserved, tables = struct.unpack_from("<HBHB", boot, 11)
    return sector in {512, 1024, 2048, 4096} and cluster.bit_count() == 1 and reserved > 0 and tables > 0
