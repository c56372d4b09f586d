"""Probes of what is told of a managed disk's content: pages of lists and of differences, and the footer in them."""

import asyncio
from collections.abc import Sequence

from infra.local.disks.vhd import check_footer
from shared.changes.ranges import Change
from shared.limits import FOOTER, RANGES_PER_REQUEST
from tests.conformance.real.ground import Ground
from tests.conformance.real.managed.ground import ManagedGround
from tests.conformance.real.managed.pages import Listed, covers, is_given, is_whole, ranges_of, said
from tests.conformance.real.managed.place import BLOCK
from tests.conformance.real.managed.urls import Opened
from tests.conformance.real.verdicts import NotSettledError, NotTriedError
from tests.conformance.real.witness import Seen

_PARTS = 3


async def a_list_comes_in_pages(ground: Ground, seen: Seen) -> bool:
    """A disk of single blocks is uploaded and snapshotted; its list asked for as it comes, and in small pages."""
    managed = ground.managed
    scale, url = managed.scale, await managed.opened(await managed.uploaded())
    seen.note(f"{scale.fragments} blocks of 4 KiB were uploaded, one in each {scale.apart} bytes, and a footer")
    whole, pages = await url.pages(), await url.pages(most=scale.ranges)
    seen.note(f"asked for the list: {said(whole)}")
    seen.note(f"asked with maxresults={scale.ranges}: {said(pages)}")
    listed = {start for found in ranges_of(pages) for start in range(found.start, found.end, BLOCK)}
    lost = sum(number * scale.apart not in listed for number in range(scale.fragments))
    if lost:
        seen.note(f"{lost} of the blocks are not in the list")
    return is_whole(whole, pages) and not lost


async def a_difference_comes_in_pages(ground: Ground, seen: Seen) -> bool:
    """A disk that a VM writes to is snapshotted twice; the difference is asked for as it comes, and in small pages."""
    managed = ground.managed
    if not managed.place.written:
        raise NotTriedError("--written-disk was not given: snapshots that differ need a disk that a VM writes to")
    older = await managed.opened(await managed.snapshot("written-0", managed.place.written))
    newer, whole = await _written_since(managed, older)
    found = ranges_of(whole)
    seen.note(f"asked for the difference: {said(whole)}, {sum(change.clear for change in found)} of them cleared")
    most = max(1, len(found) // _PARTS)
    pages = await newer.pages(older, most)
    seen.note(f"asked with maxresults={most}: {said(pages)}")
    if len(found) <= RANGES_PER_REQUEST:
        seen.note(f"it takes more than {RANGES_PER_REQUEST:,} to see a page end by itself")
    is_complete = await _is_same_elsewhere(older, newer, found, managed.scale.reads, seen)
    return is_whole(whole, pages) and is_complete


async def the_footer_follows_the_disk(ground: Ground, seen: Seen) -> bool:
    """An empty disk is snapshotted twice as it is, and once after it has grown; the footer in lists and differences."""
    managed = ground.managed
    disk = await managed.empty("footer")
    first, same = [await managed.opened(await managed.snapshot(f"footer-{n}", disk)) for n in (1, 2)]
    size = await _size(managed, "footer")
    is_right = await _ends_with_a_footer(first, size, seen)
    seen.note(f"the list of its pages: the footer is {_shown(ranges_of(await first.pages()), size)}")
    unchanged = await same.pages(first)
    seen.note(
        "the difference of two snapshots between which nothing was done: "
        + (f"the footer is {_shown(ranges_of(unchanged), size)}" if is_given(unchanged) else said(unchanged))
    )
    await managed.empty("footer", 2 * managed.scale.gib)
    grown = await managed.opened(await managed.snapshot("footer-3", disk))
    new_size = await _size(managed, "footer")
    is_right = await _ends_with_a_footer(grown, new_size, seen) and is_right
    across = await grown.pages(same)
    if not is_given(across):
        seen.note(f"the difference across a resize: {said(across)}")
        return False
    told = ranges_of(across)
    seen.note(f"the difference across a resize: the footer is {_shown(told, new_size)}")
    is_empty = not any((await grown.read(size, FOOTER)).body)
    left = "zeros" if is_empty else "still the old footer, or something else"
    seen.note(f"where it was before is {_shown(told, size)}, and holds {left}")
    return is_right


async def _written_since(managed: ManagedGround, older: Opened) -> tuple[Opened, list[Listed]]:
    """Let the VM write for a while; give a later snapshot, and what it changed."""
    for number in range(1, managed.scale.writes + 1):
        await asyncio.sleep(managed.scale.write_seconds)
        path = await managed.snapshot(f"written-{number}", managed.place.written)
        newer = await managed.opened(path)
        listed = await newer.pages(older)
        # A footer alone is no write of the VM's.
        if not is_given(listed) or len(ranges_of(listed)) > 1:
            return newer, listed
        await managed.end(path)
    raise NotSettledError(f"nothing was written to it while {managed.scale.writes} more snapshots were taken")


async def _is_same_elsewhere(older: Opened, newer: Opened, changes: Sequence[Change], most: int, seen: Seen) -> bool:
    """Read blocks that did not change, it is said; tell whether they did not."""
    written = [found.start for found in (await newer.page()).ranges]
    apart = max(1, len(written) // (most * _PARTS))
    others = [start for start in written[::apart] if not (covers(changes, start) or covers(changes, start, clear=True))]
    looked_at = others[:: max(1, len(others) // most)][:most]
    reads = [(await older.read(start, BLOCK), await newer.read(start, BLOCK)) for start in looked_at]
    wrong = sum(not (one.is_good and one.body == other.body) for one, other in reads)
    right = f"{len(reads)} of the blocks that it does not list are the same in both snapshots"
    seen.note(f"{wrong} of the blocks that it does not list are NOT the same in both snapshots" if wrong else right)
    return not wrong


async def _size(managed: ManagedGround, disk: str) -> int:
    found = await managed.properties(f"{managed.place.group.compute}/disks/{managed.run}-{disk}")
    return int(found["diskSizeBytes"])


async def _ends_with_a_footer(url: Opened, size: int, seen: Seen) -> bool:
    length = await url.size()
    try:
        end = f"it ends with the footer of a VHD of {check_footer(await url.footer()).size} bytes"
    except ValueError:
        end = "it ends with no VHD footer"
    seen.note(f"the disk has {size} bytes, its export {length}; {end}")
    return length == size + FOOTER and end.endswith(f" {size} bytes")


def _shown(ranges: Sequence[Change], start: int) -> str:
    if covers(ranges, start):
        return "written"
    return "cleared" if covers(ranges, start, clear=True) else "not listed"
