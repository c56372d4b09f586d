"""Where a restore goes: what `--to` and `--as` say. Pure functions."""

from collections.abc import Mapping, Sequence

from shared.model.addresses import AddressError
from shared.model.disk import Disk, ManagedDisk, PageBlobDisk
from shared.model.disk_ids import PREFIX
from tidemark import disks
from tidemark.outcome import Problem

_ID = f"{PREFIX}SUBSCRIPTION/resourceGroups/GROUP/providers/Microsoft.Compute/disks/NAME"
_URL = "https://ACCOUNT.blob.core.windows.net/CONTAINER/NAME.vhd"


def target_of(disk: Disk, to: str, *, in_place: bool, point: str) -> Disk | None:
    """Return the target; None for a new disk whose name is not known before its recovery point is.

    A name alone stands for a disk of the same kind beside the one that was backed up.

    Args:
        disk: the disk that was backed up.
        to: what was typed: a name, a URL or a resource ID; empty for nothing.
        in_place: whether the disk itself is the target.
        point: the recovery point's time; empty if it is not known.

    Raises:
        Problem: what was typed is no target.
    """
    if to.startswith(PREFIX):
        return _new_managed(to)
    if "://" in to:
        return disks.named(to, [])
    if isinstance(disk, PageBlobDisk):
        beside = disks.named(disk.address.parent.blob(to).url, []) if to else None
        return disk if in_place else beside or (disk.restored(point) if point else None)
    if in_place:
        raise Problem(
            f"{disk} is a managed disk, which can't be written over. What to do: name a new disk, --to NAME or --to"
            f" {_ID}; or a page blob, --to {_URL}"
        )
    if isinstance(disk, ManagedDisk) and to:
        return _new_managed(f"{disk.id.parent.compute}/disks/{to}")
    raise Problem(
        f"{disk} is a managed disk. What to do: name the new disk, --to NAME (in its resource group) or --to {_ID};"
        f" or a page blob, --to {_URL}"
    )


def _new_managed(text: str) -> Disk:
    try:
        found = Disk.parse(text)
    except AddressError as error:
        raise Problem(str(error)) from None
    if isinstance(found, ManagedDisk) and (found.unique_id or "*" in found.id.name):
        raise Problem(
            f"{text} is not the ID that a new disk can get. What to do: name one disk, without #UNIQUEID or *"
        )
    return found


def made_as(target: Disk | None, typed: Sequence[str]) -> Mapping[str, str] | None:
    """Return the request's `managedDisk`: what `--as NAME=VALUE` says; None if it says nothing.

    Raises:
        Problem: it is not written so, or the target is no managed disk.
    """
    if not typed:
        return None
    if not isinstance(target, ManagedDisk):
        raise Problem("--as is about a managed disk, and the target is a page blob. What to do: leave it out")
    pairs = [text.partition("=") for text in typed]
    if not all(name and equals for name, equals, _ in pairs):
        raise Problem("--as takes NAME=VALUE, such as --as sku=StandardSSD_LRS")
    return {name: value for name, _, value in pairs}
