"""Probes of access to snapshots of managed disks: again, six at a time, beside a deletion, and who may poll for it."""

import time
from collections import Counter

from azure.core.exceptions import HttpResponseError

from tests.conformance.real.ground import Ground
from tests.conformance.real.managed.ground import ManagedGround
from tests.conformance.real.managed.pages import Given
from tests.conformance.real.managed.place import BLOCK
from tests.conformance.real.managed.refusals import missing_action, refused, tried
from tests.conformance.real.managed.urls import Opened
from tests.conformance.real.verdicts import NotSettledError
from tests.conformance.real.witness import Seen

_POLLING = "Microsoft.Compute/locations/DiskOperations/read"
_CONFLICT = "409"
_AT_ONCE = 5
"""Snapshots of a family that have access at a time (Create an incremental snapshot for managed disks)."""


async def a_role_on_the_group_polls(ground: Ground, seen: Seen) -> bool:
    """A snapshot is made and access to it granted, which is polled for at an address of the subscription."""
    managed = ground.managed
    try:
        disk = await managed.empty("polling")
        await managed.grant(await managed.snapshot("polling-1", disk))
    except HttpResponseError as error:
        if missing_action(error) != _POLLING:
            raise
        seen.note(f"it was begun, but no role permits {_POLLING} where that is polled for")
        return False
    seen.note("a disk and a snapshot were made, access was granted, and each of these was polled for")
    compute = f"/subscriptions/{managed.place.group.subscription}/providers/Microsoft.Compute"
    try:
        others = [one async for one in managed.manager.list(f"{compute}/disks") if not _is_in_group(managed, one)]
    except HttpResponseError as error:
        if not missing_action(error):
            raise
        seen.note("it may not list the disks of the subscription: its role is on the group")
        return True
    raise NotSettledError(
        f"it lists the disks of the subscription, {len(others)} of them of other groups: this identity's role may be on"
        " the subscription. If its role is on the group alone, the assumption holds"
    )


async def access_is_granted_again(ground: Ground, seen: Seen) -> bool:
    """A second beginGetAccess while there is access to a snapshot."""
    managed = ground.managed
    path = await managed.snapshot("second-1", await managed.empty("second"))
    first = await managed.grant(path)
    is_right = await granted_twice(managed, path, first, seen)
    await managed.end(path)
    seen.note(f"after endGetAccess a read by the first gives {(await first.read(0, BLOCK)).said}")
    return is_right


async def granted_twice(managed: ManagedGround, path: str, first: Opened, seen: Seen, access: str = "Read") -> bool:
    """Ask for access that there is; tell whether it is one of the outcomes that Tidemark is made for."""
    try:
        second = await managed.grant(path, access)
    except HttpResponseError as error:
        if missing_action(error):
            raise
        still, said = await first.read(0, BLOCK), refused(error)
        seen.note(f"a second one was refused: {said}; by the first a read gives {still.said}")
        return said.startswith(_CONFLICT) and still.is_good
    if second.is_same_as(first):
        seen.note("a second one gave the same URL")
        return (await first.read(0, BLOCK)).is_good
    newer, older = await second.read(0, BLOCK), await first.read(0, BLOCK)
    seen.note(f"a second one gave another URL, by which a read gives {newer.said}; by the first it gives {older.said}")
    return newer.is_good and older.is_good


async def a_sixth_access_waits(ground: Ground, seen: Seen) -> bool:
    """Access to six snapshots of a disk, one after the other."""
    managed = ground.managed
    disk = await managed.empty("sixth")
    paths = [await managed.snapshot(f"sixth-{number}", disk) for number in range(1, _AT_ONCE + 2)]
    opened: list[Opened] = []
    for number, path in enumerate(paths[:-1], 1):
        try:
            opened.append(await managed.grant(path))
        except HttpResponseError as error:
            if missing_action(error):
                raise
            seen.note(f"access {number} was refused: {refused(error)}")
            return False
    said = await tried(managed.grant(paths[-1]))
    if not said:
        raise NotSettledError("six accesses were granted: nothing was refused")
    reads = [await each.read(0, BLOCK) for each in opened]
    seen.note(f"the sixth access was refused: {said}; reads of the five others give {_counted(reads)}")
    await managed.end(paths[0])
    began = time.monotonic()

    async def is_granted() -> bool:
        return not await tried(managed.grant(paths[-1]))

    is_let_in = await managed.wait(is_granted)
    took = f"{time.monotonic() - began:.1f} s later"
    seen.note(
        f"after the access to one had ended, the sixth was {f'granted, {took}' if is_let_in else 'still refused'}"
    )
    return said.startswith(_CONFLICT) and all(read.is_good for read in reads)


async def a_snapshot_is_deleted_beside_another(ground: Ground, seen: Seen) -> bool:
    """A snapshot is deleted while there is access to it, then when that has ended; the next one is read meanwhile."""
    managed = ground.managed
    disk = await managed.empty("deleted")
    older, newer = [await managed.snapshot(f"deleted-{number}", disk) for number in (1, 2)]
    await managed.grant(older)
    other = await managed.grant(newer)
    said = await tried(managed.manager.delete(older))
    seen.note(f"a delete while there was access was {f'refused: {said}' if said else 'taken'}")
    if said:
        await managed.end(older)
        said = await tried(managed.manager.delete(older))
        seen.note(f"right after its access had ended the snapshot was {f'not deleted: {said}' if said else 'deleted'}")
    reads = [await other.read(0, BLOCK) for _ in range(managed.scale.reads)]
    bad = [read for read in reads if not read.is_good]
    if bad:
        seen.note(f"{len(bad)} of {len(reads)} reads of the other were refused: {_counted(bad)}")
    else:
        seen.note(f"{len(reads)} reads of the other give {_counted(reads)}")

    async def is_gone() -> bool:
        return not await managed.properties(older)

    began, is_there = time.monotonic(), said or not await managed.wait(is_gone)
    seen.note("the snapshot is still there" if is_there else f"it was gone {time.monotonic() - began:.1f} s later")
    after = await other.page()
    seen.note(f"then Get Page Ranges of the other gives {after.given.said}")
    return not said and not bad and after.given.is_good


def _is_in_group(managed: ManagedGround, found: dict[str, object]) -> bool:
    return str(found["id"]).lower().startswith(f"{managed.place.group.compute.lower()}/")


def _counted(reads: list[Given]) -> str:
    return ", ".join(Counter(read.said for read in reads))
