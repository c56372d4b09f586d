"""How a filesystem's own process and the program talk: frames of a line of JSON, and as many bytes as that says."""

import json
from collections.abc import Mapping
from typing import Any

LONGEST = 64 * 1024 * 1024
"""The most bytes of a line, and of what follows it: a folder of many files is one line."""

_BYTES = "bytes"


def packed(values: Mapping[str, Any], content: bytes = b"") -> bytes:
    """Make a frame."""
    return json.dumps({**values, _BYTES: len(content)}).encode() + b"\n" + content


def unpacked(line: bytes) -> tuple[dict[str, Any], int]:
    """Read a frame's line; give what it says, and how many bytes follow it.

    Raises:
        ValueError: it is none.
    """
    values = json.loads(line)
    if not isinstance(values, dict) or not 0 <= int(values.get(_BYTES, -1)) <= LONGEST:
        raise ValueError("no frame")
    return values, values.pop(_BYTES)
