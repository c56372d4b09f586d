"""What a disk's names and metadata must be like for it to be backed up and restored. Pure functions."""

import string
from collections.abc import Mapping
from typing import Any

from shared.limits import MAX_METADATA, MAX_SOURCE_URL
from shared.model.addresses import ContainerAddress
from shared.model.disk import Disk
from shared.model.run import Mode

_A_TIME = "2026-11-22T12:34:56.1234567Z"
_SNAPSHOT = len(f"?snapshot={_A_TIME}") + len("%3A%3A")
_SIGNATURE = 640
"""Characters of a user delegation SAS, with room to spare."""

_SENDABLE = frozenset(string.printable) - frozenset("\r\n\x0b\x0c")


def backup_problem(disk: Disk, container: ContainerAddress, mode: Mode) -> str:
    """Say why a disk can't be backed up, or its backups could not be restored; empty if all is well.

    Its backup blob and full copies have longer names than the disk itself.

    Args:
        disk: the disk.
        container: the backup container.
        mode: how the disk is backed up.
    """
    if disk.name_problem:
        return f"it {disk.name_problem}"
    is_copied = mode is Mode.FULL
    name = disk.full_copy_name(_A_TIME) if is_copied else disk.backup_name
    backup = container.blob(name)
    if backup.name_problem:
        return f"its backup blob, {name[:60]}..., {backup.name_problem}"
    if is_copied and len(disk.name) + _SNAPSHOT + _SIGNATURE > MAX_SOURCE_URL:
        return _too_long("its URL", disk.name)
    if len(backup.url) + _SNAPSHOT > MAX_SOURCE_URL:
        return _too_long("the URL of its backup", backup.url)
    return ""


def not_a_page_blob(disk: Disk, how_to_exclude: str) -> str:
    """Say that a blob is not a page blob, and what to do."""
    return f"{disk.name} is not a page blob, so it can't be backed up as a disk. What to do: {how_to_exclude}."


def metadata_problem(metadata: Mapping[str, str]) -> str:
    """Say why metadata that a user set can't be sent to the service again; empty if it can.

    The SDK sends only ASCII, and refuses what an HTTP header can't carry.
    """
    for name, value in metadata.items():
        if not (name.isascii() and name.isidentifier() and _SENDABLE.issuperset(value)):
            shown = name.encode("ascii", "backslashreplace").decode()[:60]
            return f"{shown} is not plain ASCII"
    size = sum(len(name) + len(value) for name, value in metadata.items())
    if size > MAX_METADATA:
        return f"with Tidemark's own it takes {size} bytes; Azure allows {MAX_METADATA}"
    return ""


def sendable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the texts that a user set and headers can't carry."""
    return {
        name: value
        for name, value in values.items()
        if not isinstance(value, str) or (_SENDABLE.issuperset(value) and value.isascii())
    }


def _too_long(what: str, url: str) -> str:
    return (
        f"{what} is too long to copy from: {len(url)} characters percent-encoded, and Azure allows {MAX_SOURCE_URL}"
        " including the snapshot time and the SAS"
    )
