"""Where the filesystems of a disk are, and which of them is meant. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from shared.content.filesystems import DiskContent
from tidemark.content.errors import NoSuchPathError
from tidemark.content.place import READABLE, Place

_MOUNT_OPTIONS = {
    **dict.fromkeys(("ext3", "ext4"), "ro,noload"),  # a journal can't be replayed on what is read-only
    "XFS": "ro,norecovery,nouuid",
    "btrfs": "ro,rescue=nologreplay",
    **dict.fromkeys(("ext2", "NTFS", "FAT", "exFAT"), "ro"),
}


def places(content: DiskContent, size: int) -> list[Place]:
    """List the places of a disk: its partitions, or all of it.

    Args:
        content: what was recognized on it.
        size: its bytes, without a VHD footer.
    """
    found = content.table.partitions
    names = [*content.filesystems, *[""] * (len(found) + 1)]
    if not found:
        return [Place(0, 0, size, names[0])]
    return [
        Place(part.number, part.start, part.end, name)
        for part, name in zip(found, names, strict=False)
        if not part.is_extended
    ]


def chosen(found: Sequence[Place], number: int | None) -> Place:
    """Return the place of a number; without one, the largest whose files can be read.

    Raises:
        NoSuchPathError: there is none, or its files can't be read.
    """
    named = [place for place in found if number is None or place.number == number]
    if not named:
        raise NoSuchPathError(f"there is no partition {number}. What to do: leave the path out to see which there are")
    readable = [place for place in named if place.is_readable]
    if not readable:
        names = ", ".join(place.name for place in named)
        raise NoSuchPathError(
            f"no files can be read from {names}: only from {', '.join(sorted(READABLE))}. What to do: use --mount, with"
            " which your system reads what it knows"
        )
    return max(readable, key=lambda place: place.length)


class MountCommands(NamedTuple):
    """What a person types to mount what is served, on Linux.

    Attributes:
        attach: makes a block device of it, and shows what is on that.
        mount: a command for each filesystem.
        detach: takes it away again.
    """

    attach: Sequence[str]
    mount: Sequence[str]
    detach: Sequence[str]


def mount_commands(found: Sequence[Place], socket: str) -> MountCommands:
    """Give what a person types to mount the places of a disk that is served on a socket."""
    mounts = [
        f"sudo mount -o {_MOUNT_OPTIONS[place.filesystem]} /dev/nbd0{f'p{place.number}' if place.number else ''} /mnt"
        for place in found
        if place.filesystem in _MOUNT_OPTIONS
    ]
    attach = ("sudo modprobe nbd", f"sudo nbd-client -unix {socket} /dev/nbd0 -readonly", "lsblk --fs /dev/nbd0")
    return MountCommands(attach, mounts, ("sudo umount /mnt; sudo nbd-client -d /dev/nbd0",))
