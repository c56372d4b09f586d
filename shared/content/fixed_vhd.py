"""The footer of a fixed VHD (Virtual Hard Disk Image Format, 2006). Pure functions."""

from shared.content.filesystems import has_vhd_footer
from shared.limits import FOOTER

_SIZE, _TYPE = slice(48, 56), slice(60, 64)
_FIXED = 2


def fixed_vhd_problem(last_page: bytes, size: int) -> str:
    """Say why a blob is no fixed VHD of its size; empty if it is one.

    Args:
        last_page: its last 512 bytes.
        size: its bytes, footer included.
    """
    if not has_vhd_footer(last_page):
        return "its last 512 bytes are no valid footer"
    if int.from_bytes(last_page[_TYPE], "big") != _FIXED:
        return "it is a dynamic or differencing VHD"
    said = int.from_bytes(last_page[_SIZE], "big")
    return "" if said == size - FOOTER else f"its footer says {said} bytes, and {size - FOOTER} are before it"
