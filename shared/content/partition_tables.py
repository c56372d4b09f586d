"""Reading a disk's partitions from its MBR or GPT: pure. Offsets and sizes are in bytes unless they say sectors.

What to read next depends on what was read before: so these are generators, which yield the part of the disk to read and
are sent its content.
"""

import zlib
from collections.abc import Generator, Sequence
from typing import NamedTuple

SECTOR = 512
"""Bytes of a sector, the unit of partition tables, and of a VHD footer."""

MAX_ENTRY_BYTES = 1024**2
"""At most so many bytes of GPT entries are read: 8,192 of the usual 128 bytes; tools create 128 of them."""

_BOOT_SIGNATURE = b"\x55\xaa"  # ends MBRs and boot sectors
_PROTECTIVE = 0xEE  # the type of the MBR partition that protects a GPT
_EXTENDED = frozenset({0x05, 0x0F, 0x85})
_GPT_HEADER_BYTES, _GPT_ENTRY_BYTES = 92, 128

UNPROTECTED = "no protective MBR for the GPT"
"""A GPT without one may be left over from an older use of the disk."""


class Span(NamedTuple):
    """A part of a disk to read.

    Attributes:
        start: first byte.
        length: in bytes; any part of it past the disk's end is left out.
    """

    start: int
    length: int


type Reading[Result] = Generator[Span, bytes, Result]


class Partition(NamedTuple):
    """A partition.

    Attributes:
        start: first byte.
        end: first byte after the partition.
        is_extended: whether it is an MBR's extended partition, which contains logical partitions.
        number: its place in the table, from 1: what Linux calls it by, `sda1`.
    """

    start: int
    end: int
    is_extended: bool = False
    number: int = 0


class PartitionTable(NamedTuple):
    """A partition table.

    Attributes:
        scheme: `GPT` or `MBR`; empty for a disk without a valid table.
        partitions: in the table's order, without those outside the disk.
        doubts: what is wrong with the table.
        left_out: what was not checked.
    """

    scheme: str
    partitions: tuple[Partition, ...]
    doubts: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


NO_TABLE = PartitionTable("", ())


class _Header(NamedTuple):
    """A GPT header with a valid checksum.

    Attributes:
        other: sector of the other copy's header.
        at: first byte of the entries.
        number, step: the number of entries, and the bytes of each.
        checksum: of all entries.
    """

    other: int
    at: int
    number: int
    step: int
    checksum: int


class _Copy(NamedTuple):
    """One of the two copies of a GPT; header and entries are None if invalid."""

    header: _Header | None
    entries: bytes | None


def partition_table(size: int) -> Reading[PartitionTable]:
    """Read the GPT, from its backup copy if the primary is damaged; else the MBR's four entries. Garbage is no table.

    Args:
        size: bytes of the disk, without a VHD footer.
    """
    sectors = size // SECTOR
    first = yield Span(0, SECTOR)
    entries = [first[at : at + 16] for at in range(446, 510, 16)] if first[510:] == _BOOT_SIGNATURE else []
    is_protected = any(entry[4] == _PROTECTIVE for entry in entries)
    # A filesystem's boot sector ends in the same signature, but has code or text where an MBR has its entries.
    used = (
        [(number, entry) for number, entry in enumerate(entries, 1) if entry[4]]
        if all(entry[0] in {0, 0x80} for entry in entries)
        else []
    )
    if used and not is_protected:
        return _mbr(used, sectors)
    return (yield from _gpt(sectors, is_protected=is_protected))


def _mbr(entries: Sequence[tuple[int, bytes]], sectors: int) -> PartitionTable:
    """Return an MBR's partitions; if none is on the disk, the bytes may not be a partition table at all."""
    spans = [(_number(entry, 8, 4), _number(entry, 12, 4), entry[4] in _EXTENDED, place) for place, entry in entries]
    partitions = [
        Partition(start * SECTOR, (start + length) * SECTOR, is_extended, place)
        for start, length, is_extended, place in spans
        if 0 < start < start + length <= sectors
    ]
    if not partitions:
        return NO_TABLE._replace(doubts=("MBR partitions outside the disk",))
    left_out = ("the logical partitions in the extended partition",) if any(found[2] for found in partitions) else ()
    return PartitionTable("MBR", tuple(partitions), _outside(len(spans) - len(partitions), len(spans)), left_out)


def _gpt(sectors: int, *, is_protected: bool) -> Reading[PartitionTable]:
    """Read the first valid copy of a GPT (UEFI specification, "GUID Partition Table (GPT)").

    The backup copy is at the disk's end or, if the disk has grown since, where the primary header says.
    """
    found = yield from _copy(1, sectors)
    doubts = [] if is_protected else [UNPROTECTED]
    if found.entries is None:
        doubts += ["primary GPT damaged, backup GPT used"]
        other = found.header.other if found.header else 0
        for sector in dict.fromkeys((other, sectors - 1)):
            if found.entries is None and 1 < sector < sectors:
                found = yield from _copy(sector, sectors)
    if found.header is None or found.entries is None:
        return NO_TABLE._replace(doubts=("both copies of the GPT damaged",)) if is_protected else NO_TABLE
    header, cut = found.header, found.entries
    entries = (cut[at : at + header.step] for at in range(0, len(cut) - header.step + 1, header.step))
    spans = [
        (_number(entry, 32, 8), _number(entry, 40, 8) + 1, place)
        for place, entry in enumerate(entries, 1)
        if any(entry[:16])
    ]
    partitions = [Partition(a * SECTOR, b * SECTOR, number=place) for a, b, place in spans if 0 < a < b <= sectors]
    doubts += _outside(len(spans) - len(partitions), len(spans))
    read = len(cut) // header.step
    left_out = (f"{header.number - read} of {header.number} GPT entries",) if read < header.number else ()
    return PartitionTable("GPT", tuple(partitions), tuple(doubts), left_out)


def _copy(sector: int, sectors: int) -> Reading[_Copy]:
    """Read a copy of a GPT: its header, and the entries where the header says."""
    header = _header((yield Span(sector * SECTOR, SECTOR)), sector)
    if header is None:
        return _Copy(None, None)
    length = header.number * header.step
    if header.at < 2 * SECTOR or header.at + length > sectors * SECTOR:
        return _Copy(header, None)
    array = yield Span(header.at, min(length, MAX_ENTRY_BYTES // header.step * header.step))
    is_right = len(array) < length or zlib.crc32(array) == header.checksum
    return _Copy(header, array if is_right else None)


def _header(sector: bytes, number: int) -> _Header | None:
    """Read a GPT header (UEFI specification, "GPT Header"); None if it is damaged or belongs to another sector."""
    length = _number(sector, 12, 4)
    header = sector[:length]
    if not header.startswith(b"EFI PART") or not _GPT_HEADER_BYTES <= length <= SECTOR:
        return None
    step = _number(header, 84, 4)
    is_right = zlib.crc32(header[:16] + bytes(4) + header[20:]) == _number(header, 16, 4)
    if not is_right or _number(header, 24, 8) != number or not step or step % _GPT_ENTRY_BYTES:
        return None
    if step > MAX_ENTRY_BYTES:
        return None
    at, count = _number(header, 72, 8) * SECTOR, _number(header, 80, 4)
    return _Header(_number(header, 32, 8), at, count, step, _number(header, 88, 4))


def _outside(outside: int, count: int) -> tuple[str, ...]:
    return (f"{outside} of {count} partitions outside the disk",) if outside else ()


def _number(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "little")
