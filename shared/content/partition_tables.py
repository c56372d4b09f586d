"""How a disk is divided, told by its MBR or GPT: pure. Offsets and sizes are bytes, numbers of sectors say so.

What is to be read depends on what was read before: so these are generators, which yield the parts of the disk that they
want next, and are sent their content.
"""

import zlib
from collections.abc import Generator, Sequence
from typing import NamedTuple

SECTOR = 512
"""Bytes of a sector: what partition tables count in, and the size of a VHD's footer."""

MOST_ENTRY_BYTES = 1024**2
"""Bytes of a GPT's entries that are read at most: 8,192 of the usual 128 bytes, where tools make 128 of them."""

_BOOT_SIGNATURE = b"\x55\xaa"  # ends MBRs and boot sectors
_PROTECTIVE = 0xEE  # type of the partition that stands in an MBR for a GPT
_EXTENDED = frozenset({0x05, 0x0F, 0x85})
_GPT_HEADER_BYTES, _GPT_ENTRY_BYTES = 92, 128

UNPROTECTED = "no protective MBR for the GPT"
"""What is doubtful of a GPT that may be left over from an older use of the disk."""


class Span(NamedTuple):
    """A part of a disk that is to be read.

    Attributes:
        start: first byte.
        length: bytes; some of them, or all, may lie after the disk's end, and are left out then.
    """

    start: int
    length: int


type Reading[Result] = Generator[Span, bytes, Result]


class Partition(NamedTuple):
    """A part of a disk.

    Attributes:
        start: first byte.
        end: first byte after the partition.
        is_extended: whether it is an MBR's extended partition, with partitions of its own.
    """

    start: int
    end: int
    is_extended: bool = False


class PartitionTable(NamedTuple):
    """How a disk is divided.

    Attributes:
        scheme: `GPT` or `MBR`; empty for a disk without a sound table.
        partitions: in the table's order; those that don't lie on the disk are left out.
        doubts: what is wrong with it.
        left_out: what was not looked at.
    """

    scheme: str
    partitions: tuple[Partition, ...]
    doubts: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


NO_TABLE = PartitionTable("", ())


class _Header(NamedTuple):
    """A GPT's header whose checksum is right.

    Attributes:
        other: sector of the other copy.
        at: first byte of the entries.
        number, step: how many there are, and the bytes of each.
        checksum: of all of them.
    """

    other: int
    at: int
    number: int
    step: int
    checksum: int


class _Copy(NamedTuple):
    """One of a GPT's two copies, as far as it is sound; the entries are None where they are not."""

    header: _Header | None
    entries: bytes | None


def partition_table(size: int) -> Reading[PartitionTable]:
    """Read the GPT, its second copy where the first is damaged; or else the MBR's four entries. Garbage is no table.

    Args:
        size: of the disk, without a VHD's footer.
    """
    sectors = size // SECTOR
    first = yield Span(0, SECTOR)
    entries = [first[at : at + 16] for at in range(446, 510, 16)] if first[510:] == _BOOT_SIGNATURE else []
    is_protected = any(entry[4] == _PROTECTIVE for entry in entries)
    # A filesystem's boot sector ends in the same signature, and has code or text where an MBR has its entries.
    used = [entry for entry in entries if entry[4]] if all(entry[0] in {0, 0x80} for entry in entries) else []
    if used and not is_protected:
        return _mbr(used, sectors)
    return (yield from _gpt(sectors, is_protected=is_protected))


def _mbr(entries: Sequence[bytes], sectors: int) -> PartitionTable:
    """Give an MBR's partitions; where none lies on the disk, these may be no entries at all."""
    spans = [(_number(entry, 8, 4), _number(entry, 12, 4), entry[4] in _EXTENDED) for entry in entries]
    partitions = [
        Partition(start * SECTOR, (start + length) * SECTOR, is_extended)
        for start, length, is_extended in spans
        if 0 < start < start + length <= sectors
    ]
    if not partitions:
        return NO_TABLE._replace(doubts=("MBR partitions outside the disk",))
    left_out = ("the logical partitions in the extended partition",) if any(found[2] for found in partitions) else ()
    return PartitionTable("MBR", tuple(partitions), _outside(len(spans) - len(partitions), len(spans)), left_out)


def _gpt(sectors: int, *, is_protected: bool) -> Reading[PartitionTable]:
    """Read a GPT by the first of its copies that is sound (UEFI specification, "GUID Partition Table (GPT)").

    The second is at the disk's end, or, where the disk has grown since, where the first one's header says.
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
    spans = [(_number(entry, 32, 8), _number(entry, 40, 8) + 1) for entry in entries if any(entry[:16])]
    partitions = [Partition(a * SECTOR, b * SECTOR) for a, b in spans if 0 < a < b <= sectors]
    doubts += _outside(len(spans) - len(partitions), len(spans))
    read = len(cut) // header.step
    left_out = (f"{header.number - read} of {header.number} GPT entries",) if read < header.number else ()
    return PartitionTable("GPT", tuple(partitions), tuple(doubts), left_out)


def _copy(sector: int, sectors: int) -> Reading[_Copy]:
    """Read a copy of a GPT: its header, and its entries wherever they are."""
    header = _header((yield Span(sector * SECTOR, SECTOR)), sector)
    if header is None:
        return _Copy(None, None)
    length = header.number * header.step
    if header.at < 2 * SECTOR or header.at + length > sectors * SECTOR:
        return _Copy(header, None)
    array = yield Span(header.at, min(length, MOST_ENTRY_BYTES // header.step * header.step))
    is_right = len(array) < length or zlib.crc32(array) == header.checksum
    return _Copy(header, array if is_right else None)


def _header(sector: bytes, number: int) -> _Header | None:
    """Read a GPT's header (UEFI specification, "GPT Header"); None where it is damaged, or another's."""
    length = _number(sector, 12, 4)
    header = sector[:length]
    if not header.startswith(b"EFI PART") or not _GPT_HEADER_BYTES <= length <= SECTOR:
        return None
    step = _number(header, 84, 4)
    is_right = zlib.crc32(header[:16] + bytes(4) + header[20:]) == _number(header, 16, 4)
    if not is_right or _number(header, 24, 8) != number or not step or step % _GPT_ENTRY_BYTES:
        return None
    if step > MOST_ENTRY_BYTES:
        return None
    at, count = _number(header, 72, 8) * SECTOR, _number(header, 80, 4)
    return _Header(_number(header, 32, 8), at, count, step, _number(header, 88, 4))


def _outside(outside: int, count: int) -> tuple[str, ...]:
    return (f"{outside} of {count} partitions outside the disk",) if outside else ()


def _number(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "little")
