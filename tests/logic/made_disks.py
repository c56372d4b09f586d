"""Disks for the tests, mostly empty, with partition tables and the first bytes of volumes."""

import base64
import struct
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.content.filesystems import VOLUME_BYTES
from shared.content.partition_tables import SECTOR, Reading

BASIC_DATA = uuid.UUID("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7").bytes_le
PROTECTIVE = (0, 0xEE, 1, 2**32 - 1)

# The first bytes of empty volumes of 300 MiB (FAT12: 2 MiB), as xfsprogs, ntfs-3g, exfatprogs, dosfstools, btrfs-progs,
# LVM and mkswap make them; and of disks of 1 GiB partitioned by sfdisk.
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


@dataclass
class MadeDisk:
    """A disk of zeros, except for some parts.

    Attributes:
        size: bytes.
        parts: the content of these parts, by their first byte; of overlapping ones the last counts.
        reads: what was read of it: first byte and bytes.
    """

    size: int
    parts: list[tuple[int, bytes]] = field(default_factory=list)
    reads: list[tuple[int, int]] = field(default_factory=list)

    def read(self, start: int, length: int) -> bytes:
        """Read a part of it; what is beyond its end is left out."""
        self.reads.append((start, length))
        end = max(start, min(start + length, self.size))
        content = bytearray(end - start)
        for at, part in self.parts:
            first, last = max(at, start), min(at + len(part), end)
            if first < last:
                content[first - start : last - start] = part[first - at : last - at]
        return bytes(content)

    def by[Result](self, reading: Reading[Result]) -> Result:
        """Read what a reading asks for, and give its result."""
        try:
            wanted = next(reading)
            while True:
                wanted = reading.send(self.read(*wanted))
        except StopIteration as done:
            result: Result = done.value
            return result


def made(name: str, length: int = VOLUME_BYTES) -> bytes:
    return zlib.decompress(base64.b64decode(MADE[name])).ljust(length, b"\0")[:length]


def mbr(entries: Sequence[tuple[int, int, int, int]], code: bytes = b"") -> bytes:
    """Make an MBR of entries: status, type, first sector, sectors."""
    packed = b"".join(struct.pack("<B3xB3xII", *entry) for entry in entries)
    return code.ljust(446, b"\0") + packed.ljust(64, b"\0") + b"\x55\xaa"


def with_bit_flipped(data: bytes, bit: int) -> bytes:
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


def gpt_copy(
    spans: Sequence[tuple[int, int]],
    *,
    here: int = 1,
    other: int,
    at: int = 2,
    count: int = 128,
    step: int = 128,
    length: int = 92,
    signature: bytes = b"EFI PART",
    kind: bytes = BASIC_DATA,
) -> list[tuple[int, bytes]]:
    """Make a copy of a GPT of spans (first and last sector), with valid checksums whatever else it has.

    UEFI specification, "GPT Header" and "GPT Partition Entry Array". Give header and entries with their first bytes.
    """
    packed = [struct.pack("<16s16sQQ", kind, bytes(16), *span).ljust(max(48, min(step, 4096)), b"\0") for span in spans]
    array = b"".join(packed)[: count * step].ljust(min(count * step, 2 * 1024**2), b"\0")
    disk = (here, other, 34, max(here, other) - 34, bytes(16))
    fields = struct.pack("<QQQQ16sQIII", *disk, at, count, step, zlib.crc32(array))
    header = struct.pack("<8sIIII", signature, 0x10000, length, 0, 0) + fields
    covered = header.ljust(SECTOR, b"\0")[:length]
    header = header[:16] + struct.pack("<I", zlib.crc32(covered)) + header[20:]
    return [(at * SECTOR, array), (here * SECTOR, header)]


def gpt_disk(spans: Sequence[tuple[int, int]], sectors: int, *, count: int = 128, at: int = 2) -> MadeDisk:
    """Make a disk with both copies of a GPT, the second one's entries before its header."""
    last = sectors - 1
    entry_sectors = -(-count * 128 // SECTOR)
    first = gpt_copy(spans, other=last, count=count, at=at)
    second = gpt_copy(spans, here=last, other=1, count=count, at=last - entry_sectors)
    return MadeDisk(sectors * SECTOR, [(0, mbr([PROTECTIVE])), *first, *second])
