"""The footer of a fixed VHD: what is written, and what is refused."""

import struct
from pathlib import Path

import pytest

from infra.local.disks.disk_image import make_vhd
from infra.local.disks.vhd import MIB, check_footer, read_footer

SIZE = 4 * MIB


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.vhd"
    try:
        make_vhd(path, SIZE, {})
    except RuntimeError as error:
        if "install e2fsprogs" not in str(error):
            raise
        pytest.skip(str(error))
    return path


def changed_footer(disk: Path, field: str, offset: int, value: int) -> bytes:
    """Change a field of the disk's footer, and make its checksum right again."""
    footer = bytearray(disk.read_bytes()[-512:])
    struct.pack_into(field, footer, offset, value)
    footer[64:68] = bytes(4)
    struct.pack_into(">I", footer, 64, ~sum(footer) & 0xFFFFFFFF)
    return bytes(footer)


def test_the_footer_holds_what_the_format_asks_for(disk: Path) -> None:
    footer = disk.read_bytes()[-512:]
    assert footer[:8] == b"conectix"
    assert struct.unpack_from(">IIQ", footer, 8) == (2, 0x00010000, 0xFFFFFFFFFFFFFFFF)
    assert footer[28:32] == b"win ", "by other names QEMU trusts the geometry, not the size"
    assert struct.unpack_from(">QQ", footer, 40) == (SIZE, SIZE)
    assert struct.unpack_from(">I", footer, 60) == (2,)
    assert sum(footer[:64] + footer[68:]) + struct.unpack_from(">I", footer, 64)[0] == 0xFFFFFFFF
    assert footer[84:] == bytes(428)


# Worked out by hand from the format's appendix: 17, then 31, then 63 sectors per track, 255 where 63 don't reach.
@pytest.mark.parametrize(
    ("mebibytes", "geometry"),
    [(4, (120, 4, 17)), (64, (963, 8, 17)), (200, (825, 16, 31)), (1024, (2080, 16, 63)), (65536, (32896, 16, 255))],
)
def test_the_geometry_is_the_formats(disk: Path, mebibytes: int, geometry: tuple[int, int, int]) -> None:
    make_vhd(disk, mebibytes * MIB, {})
    with disk.open("rb") as file:
        file.seek(-512 + 56, 2)
        assert struct.unpack(">HBB", file.read(4)) == geometry


def test_the_footer_of_a_disk_is_read(disk: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.vhd"
    make_vhd(other, SIZE, {})
    assert read_footer(disk).size == SIZE
    assert read_footer(disk).unique_id != read_footer(other).unique_id


def test_a_dynamic_vhd_is_refused_with_the_command_that_converts_it(disk: Path) -> None:
    with pytest.raises(ValueError, match=r"type 3 \(dynamic\).*qemu-img convert .*subformat=fixed,force_size IN OUT"):
        check_footer(changed_footer(disk, ">I", 60, 3))


def test_a_damaged_footer_is_refused(disk: Path) -> None:
    footer = bytearray(disk.read_bytes()[-512:])
    footer[50] ^= 1
    with pytest.raises(ValueError, match="checksum"):
        check_footer(bytes(footer))


def test_a_size_of_part_pages_is_refused(disk: Path) -> None:
    with pytest.raises(ValueError, match="no multiple of 512"):
        check_footer(changed_footer(disk, ">Q", 48, SIZE + 100))


@pytest.mark.parametrize("last", [b"", b"conectix", bytes(512), b"x" * 512])
def test_what_is_no_footer_is_refused(last: bytes) -> None:
    with pytest.raises(ValueError, match="no fixed VHD"):
        check_footer(last)


@pytest.mark.parametrize("size", [SIZE - 512, SIZE + MIB])
def test_a_disk_cut_short_or_grown_behind_its_footers_back_is_refused(disk: Path, size: int) -> None:
    footer = disk.read_bytes()[-512:]
    with disk.open("r+b") as file:
        file.truncate(size)
        file.seek(size)
        file.write(footer)
    with pytest.raises(ValueError, match=f"{disk.name}: the footer is of {SIZE} bytes, {size} are in front"):
        read_footer(disk)


def test_a_file_too_short_for_a_footer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.vhd"
    path.write_bytes(b"conectix")
    with pytest.raises(ValueError, match=r"short\.vhd: This is no fixed VHD"):
        read_footer(path)
