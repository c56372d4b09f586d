"""The Blob service's rules for names: a name that it refuses, or takes for another, is none of a disk or a backup.

REST: Naming and referencing containers, blobs, and metadata. That page only advises against some of what is refused
here; the service takes it, and stores or finds another blob: a path's dot segments are resolved, percent-encoded ones
too (by yarl under the SDK, and by the service: azure-sdk-for-rust#5275), dots at the end of a segment are dropped
(azure-sdk-for-java#36674), a backslash becomes a slash (azure-sdk-for-js#5405).
"""

import re
import unicodedata

from shared.limits import LONGEST_NAME, MOST_SEGMENTS

ROOT_CONTAINER = "$root"

SPECIAL_CONTAINERS = frozenset({ROOT_CONTAINER, "$web"})
"""Containers with a meaning to the service, in which there may be disks; others that begin with `$` are its own."""

_CONTAINER = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
# Controls, private use, surrogates, and what Unicode gives to nobody: refused with 400, or not to be had in XML.
_REFUSED = frozenset({"Cc", "Co", "Cs"})
_REPLACEMENT = "\ufffd"


def container_mistake(name: str) -> str:
    """Say why a container can't have this name; empty where it can."""
    if name in SPECIAL_CONTAINERS or _CONTAINER.fullmatch(name):
        return ""
    if "*" in name:
        return "should have * in the blob's name only, not in its container"
    return "names a container that can't be: 3 to 63 lower-case letters, digits and single dashes"


def blob_mistake(container: str, name: str) -> str:
    """Say why a blob in a container can't have this name, or would get another; empty where it can."""
    segments = name.split("/")
    mistakes = {
        f"should name one blob, by at most {LONGEST_NAME} characters": not 0 < length(name) <= LONGEST_NAME,
        "has a control character in it, or another that the service takes in no name": any(map(_is_refused, name)),
        "has a backslash in its name, which the service takes for a slash": "\\" in name,
        "has a dot at the end of its name, or before a slash: such dots are dropped on the way, or lead elsewhere": any(
            segment.endswith(".") for segment in segments
        ),
        "has a slash at the end of its name, where a blob should have none": name.endswith("/"),
        f"has more than {MOST_SEGMENTS} segments in its name": len(segments) > MOST_SEGMENTS,
        "has a slash in its name, which no blob in the container $root may have": (
            container == ROOT_CONTAINER and len(segments) > 1
        ),
    }
    return next((said for said, is_so in mistakes.items() if is_so), "")


def length(name: str) -> int:
    """Count the characters of a name as the service does."""
    return len(name.encode("utf-16-le", "surrogatepass")) // 2


def _is_refused(character: str) -> bool:
    return (
        unicodedata.category(character) in _REFUSED
        or character == _REPLACEMENT
        or 0xFDD0 <= ord(character) <= 0xFDEF  # noqa: PLR2004 - Unicode's noncharacters, these and the next
        or ord(character) & 0xFFFE == 0xFFFE  # noqa: PLR2004
    )
