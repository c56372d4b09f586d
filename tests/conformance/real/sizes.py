"""Probes of what is long: lists of fragments, clears, and copies between accounts."""

import asyncio
import time

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContentSettings

from shared.limits import PAGE, STORAGE_API_VERSION
from tests.conformance.real.ground import Ground, write
from tests.conformance.real.snapshots import diff
from tests.conformance.real.sources import ended
from tests.conformance.real.verdicts import NotSettledError
from tests.conformance.real.witness import Seen

_AT_ONCE = 32
_BLOB, _SNAPSHOT = "fragmented.vhd", "fragmented"


async def fragments_are_listed_and_cleared(ground: Ground, seen: Seen) -> bool:
    """A blob of single pages far apart: its diff asked for whole, then one clear as long as the app's."""
    disks, scale = ground.accounts.disks, ground.scale
    blob = ground.blob(disks, _BLOB)
    await blob.create_page_blob(scale.size)
    base = str((await blob.create_snapshot())["snapshot"])
    began, turns = time.monotonic(), asyncio.Semaphore(_AT_ONCE)

    async def put(fragment: int) -> None:
        async with turns:
            await write(blob, fragment * scale.apart // PAGE, b"\1")

    async with asyncio.TaskGroup() as writing:
        for fragment in range(scale.fragments):
            writing.create_task(put(fragment))
    seen.note(f"{scale.fragments} pages, one in each {scale.apart} bytes, took {time.monotonic() - began:.1f} s")
    taken = str((await blob.create_snapshot())["snapshot"])
    ground.kept[_SNAPSHOT] = taken
    listed = await _timed_diff(ground, taken, base, seen)
    cleared = [await _clear(ground, 0, scale.clear, seen), await _clear(ground, scale.clear, scale.size, seen)]
    left = await diff(blob, taken)
    is_clear = not isinstance(left, str) and all(kind == "clear" for _, _, kind in left)
    seen.note(f"after both: {left if isinstance(left, str) else f'{len(left)} ranges since the snapshot'}")
    # The second is longer than any that the app asks for: it is only looked at.
    return listed == scale.fragments and cleared[0] and (is_clear or not cleared[1])


async def _timed_diff(ground: Ground, taken: str, base: str, seen: Seen) -> int:
    began = time.monotonic()
    told = await diff(ground.blob(ground.accounts.disks, _BLOB, taken), base)
    said = told if isinstance(told, str) else f"{len(told)} ranges"
    seen.note(f"the diff of the whole {ground.scale.size} bytes: {said}, {time.monotonic() - began:.1f} s")
    # Refused with 500 or a connection that is cut, the app asks for half of it.
    if isinstance(told, str):
        return ground.scale.fragments if told.startswith("500") else -1
    return len(told)


async def _clear(ground: Ground, start: int, end: int, seen: Seen) -> bool:
    began = time.monotonic()
    try:
        await ground.blob(ground.accounts.disks, _BLOB).clear_page(start, end - start, retry_total=0)
        said = "201"
    except HttpResponseError as error:
        said = f"{error.status_code} {getattr(error, 'error_code', '')}"
    seen.note(f"one clear of {end - start} bytes: {said}, {time.monotonic() - began:.1f} s")
    return said == "201"


async def a_copy_keeps_its_mark_and_forgets_its_source(ground: Ground, seen: Seen) -> bool:
    """Copy the fragments to the other account; look at the copy at once, at its end, and after that."""
    if _SNAPSHOT not in ground.kept:
        disk = await ground.make(ground.accounts.disks, _BLOB, ground.scale.size)
        ground.kept[_SNAPSHOT] = str((await disk.create_snapshot())["snapshot"])
    url = await ground.signed(ground.accounts.disks, _BLOB, ground.kept[_SNAPSHOT], STORAGE_API_VERSION)
    target, began = ground.blob(ground.accounts.backups, "copied.vhd"), time.monotonic()
    await target.start_copy_from_url(url, metadata={"tidemark_copy": "1"})
    first = await target.get_blob_properties()
    is_marked = (first.metadata or {}).get("tidemark_copy") == "1"
    seen.note(f"at once: {first.copy.status}, the mark is {'there' if is_marked else 'NOT there'}")
    status = await ended(target, ground.scale.copy_seconds)
    seen.note(f"after {time.monotonic() - began:.1f} s: {status}")
    if status == "pending":
        await target.abort_copy(str(first.copy.id))
        return False
    shown = "x-ms-copy-source" in seen.last.headers
    signed = "sig=" in seen.last.headers.get("x-ms-copy-source", "")
    seen.note(f"its source is {'shown' if shown else 'not shown'}, {'with' if signed else 'without'} the signature")
    await target.set_http_headers(ContentSettings(content_type="application/octet-stream"))
    await target.get_blob_properties()
    forgotten = "x-ms-copy-source" not in seen.last.headers
    seen.note(f"after Set Blob Properties it is {'shown no more' if forgotten else 'STILL shown'}")
    holds = status == "success" and is_marked and forgotten
    if holds and first.copy.status != "pending":
        raise NotSettledError("all else holds, but the copy was never seen pending")
    return holds
