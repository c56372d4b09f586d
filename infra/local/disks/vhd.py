"""The footer of a fixed VHD: its last 512 bytes (Virtual Hard Disk Image Format, 2006). Sizes are bytes."""

import struct
import uuid
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
PAGE_BYTES = 512
FOOTER_BYTES = 512

_VHD_EPOCH = 946_684_800  # Unix time at which a VHD's clock starts (2000-01-01, UTC)
# Cookie, features, version, data offset, timestamp, creator's name, version and system, original and current size,
# cylinders, heads, sectors, disk type, checksum, unique id, saved state (Virtual Hard Disk Image Format, 2006).
_FOOTER = struct.Struct(">8sIIQI4sI4sQQHBBII16sB427x")
_FOOTER_START = (b"conectix", 2, 0x00010000, 2**64 - 1)
_CHECKSUM_AT = 64
_FIXED = 2
_KIND_OF_DISK = {3: "dynamic", 4: "differencing"}
_FIXING = "make a fixed one: qemu-img convert -f vpc -O vpc -o subformat=fixed,force_size IN OUT"


@dataclass(frozen=True, slots=True)
class Footer:
    """What the footer of a fixed VHD says: the bytes in front of the footer, and the disk's id."""

    size: int
    unique_id: uuid.UUID


def make_footer(size: int, unique_id: uuid.UUID, created: int) -> bytes:
    """Make the footer of a fixed VHD with `size` bytes in front of it, created at this Unix time."""
    # By a name it doesn't know, QEMU (until 2024) takes the size from the geometry, which rounds it down.
    creator = (b"win ", 0x000A0000, b"Wi2k")
    head = (*_FOOTER_START, created - _VHD_EPOCH, *creator, size, size, *_geometry(size), _FIXED)
    return _FOOTER.pack(*head, _checksum(_FOOTER.pack(*head, 0, unique_id.bytes, 0)), unique_id.bytes, 0)


def read_footer(path: Path) -> Footer:
    """Read and check the footer of a fixed VHD.

    Raises:
        ValueError: what is wrong with it, and what to do.
    """
    size = path.stat().st_size
    with path.open("rb") as image:
        image.seek(max(0, size - FOOTER_BYTES))
        last = image.read(FOOTER_BYTES)
    try:
        footer = check_footer(last)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if footer.size != size - FOOTER_BYTES:
        raise ValueError(f"{path}: the footer is of {footer.size} bytes, {size - FOOTER_BYTES} are in front of it.")
    return footer


def check_footer(footer: bytes) -> Footer:
    """Check the last 512 bytes of a disk: are they the footer of a fixed VHD.

    Raises:
        ValueError: what is wrong with it, and what to do.
    """
    if len(footer) != FOOTER_BYTES or not footer.startswith(b"conectix"):
        raise ValueError(f"This is no fixed VHD: its last {FOOTER_BYTES} bytes don't start with 'conectix'.")
    *_, size, _, _, _, kind, checksum, unique_id, _ = _FOOTER.unpack(footer)
    if checksum != _checksum(footer):
        raise ValueError(f"The VHD's footer is damaged: its checksum is {checksum}, not {_checksum(footer)}.")
    if kind != _FIXED:
        raise ValueError(f"This is a VHD of type {kind} ({_KIND_OF_DISK.get(kind, 'unknown')}); {_FIXING}")
    if size % PAGE_BYTES:
        raise ValueError(f"The VHD's size is no multiple of {PAGE_BYTES} bytes: {size}.")
    return Footer(size=size, unique_id=uuid.UUID(bytes=unique_id))


def _checksum(footer: bytes) -> int:
    return ~sum(footer[:_CHECKSUM_AT] + footer[_CHECKSUM_AT + 4 :]) & 0xFFFFFFFF


def _geometry(size: int) -> tuple[int, int, int]:
    """Compute cylinders, heads and sectors per track (Virtual Hard Disk Image Format, appendix "CHS Calculation")."""
    total = min(size // 512, 65535 * 16 * 255)
    if total >= 65535 * 16 * 63:
        return total // 255 // 16, 16, 255
    heads = max(4, -(-(total // 17) // 1024))
    if heads <= 16 and total // 17 < heads * 1024:  # noqa: PLR2004 - the format's own numbers
        return total // 17 // heads, heads, 17
    sectors = 31 if total // 31 < 16 * 1024 else 63
    return total // sectors // 16, 16, sectors
