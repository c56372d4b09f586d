"""Empty disks: made at once, of so many GiB, and grown by being put again (REST: Disks - Create Or Update)."""

from collections.abc import Callable, Mapping
from typing import Any

from .arm_errors import conflict, invalid
from .bodies import check_name, disk_of, section
from .content import DiskContent
from .resource_ids import ResourceId
from .resources import Disk
from .store import Store, new_path

EMPTY = "Empty"
_MOST_GIB = 32_767
"""The limit of `diskSizeGB` of most SKUs (Azure managed disk types)."""
_GIB = 1024**3


class EmptyDisks:
    """Makes empty disks, and grows them."""

    def __init__(self, store: Store, new_content: Callable[[str, int], DiskContent]) -> None:
        self._store = store
        self._new_content = new_content

    async def make(self, at: ResourceId, body: Mapping[str, Any]) -> Disk:
        """Make an empty disk.

        Raises:
            ArmError: a bad body.
        """
        check_name(at)
        size, path = _size(section(body, "properties")), new_path("md-", "abcd")
        content = self._new_content(path, size)
        made = disk_of(at, body, content, size=size, path=path, created=self._store.clock.now())
        made.create_option = EMPTY
        del made.properties["diskSizeGB"]
        await content.create()
        self._store.add(made)
        return made

    async def grow(self, disk: Disk, body: Mapping[str, Any]) -> None:
        """Give a disk the size that it is put with, if that is larger.

        Raises:
            ArmError: it is smaller: no disk shrinks [guess: the code].
        """
        properties = section(body, "properties")
        size = _size(properties) if "diskSizeGB" in properties else disk.size
        if size < disk.size:
            raise conflict(f"{disk.id.text} has {disk.size} bytes, and can't shrink to {size}.")
        if size > disk.size:
            await disk.resize(size)


def is_empty(body: Mapping[str, Any]) -> bool:
    """Return whether a disk is to be made by createOption Empty."""
    return section(section(body, "properties"), "creationData").get("createOption") == EMPTY


def _size(properties: Mapping[str, Any]) -> int:
    gib = properties.get("diskSizeGB")
    if not isinstance(gib, int) or isinstance(gib, bool) or not 0 < gib <= _MOST_GIB:
        raise invalid("diskSizeGB", f"It must be from 1 to {_MOST_GIB}, not {gib!r}.")
    return gib * _GIB
