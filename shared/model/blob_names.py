"""The Blob service's rules for names. A name that the service refuses or changes can't be that of a disk or a backup.

REST: Naming and referencing containers, blobs, and metadata. That page only advises against some names refused here;
the service accepts them, and stores or finds another blob: dot segments are resolved, percent-encoded ones too (by yarl
under the SDK, and by the service: azure-sdk-for-rust#5275), dots at the end of a segment are dropped
(azure-sdk-for-java#36674), a backslash becomes a slash (azure-sdk-for-js#5405).
"""

import re
import unicodedata

from shared.limits import MAX_NAME, MAX_SEGMENTS
from shared.model.texts import utf16_length

ROOT_CONTAINER = "$root"

SPECIAL_CONTAINERS = frozenset({ROOT_CONTAINER, "$web"})
"""Containers with a special meaning, which may hold disks; others that start with `$` belong to the service."""

_CONTAINER = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
# Control characters, private use, surrogates, noncharacters: refused with 400, or not representable in XML. To Python
# none of them is printable; nearly all names are, and are not looked at one character at a time for each row read.
_REFUSED = frozenset({"Cc", "Co", "Cs"})
_REPLACEMENT = "\ufffd"


def container_name_problem(name: str) -> str:
    """Say why a container can't have this name; empty if it can."""
    if name in SPECIAL_CONTAINERS or _CONTAINER.fullmatch(name):
        return ""
    if "*" in name:
        return "may have * only in the blob's name, not in its container"
    return "has an invalid container name: container names are 3 to 63 lowercase letters, digits and single hyphens"


def blob_name_problem(container: str, name: str) -> str:
    """Say why a blob in a container can't have this name, or would get another one; empty if it can."""
    segments = name.split("/")
    mistakes = {
        f"has an empty name, or one longer than {MAX_NAME} characters": not 0 < utf16_length(name) <= MAX_NAME,
        "has a character in its name that Azure does not allow, such as a control character": (
            _REPLACEMENT in name or (not name.isprintable() and any(map(_is_refused, name)))
        ),
        "has a backslash in its name, which Azure turns into a slash": "\\" in name,
        "has a dot at the end of its name or before a slash, which Azure drops or resolves to another path": any(
            segment.endswith(".") for segment in segments
        ),
        "has a slash at the end of its name": name.endswith("/"),
        f"has more than {MAX_SEGMENTS} path segments in its name": len(segments) > MAX_SEGMENTS,
        "has a slash in its name, which the $root container does not allow": (
            container == ROOT_CONTAINER and len(segments) > 1
        ),
    }
    return next((mistake for mistake, is_so in mistakes.items() if is_so), "")


def _is_refused(character: str) -> bool:
    return (
        unicodedata.category(character) in _REFUSED
        or 0xFDD0 <= ord(character) <= 0xFDEF  # noqa: PLR2004 - Unicode's noncharacters, these and the next
        or ord(character) & 0xFFFE == 0xFFFE  # noqa: PLR2004
    )
