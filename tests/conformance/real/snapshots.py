"""Probes of snapshots: the ETag they leave, and what is told of the pages between two of them."""

from azure.core.exceptions import HttpResponseError
from azure.storage.blob.aio import BlobClient

from shared.limits import PAGE
from tests.conformance.real.accounts import Account
from tests.conformance.real.ground import Ground, write
from tests.conformance.real.verdicts import NotSupportedError, NotTriedError
from tests.conformance.real.witness import Seen

type Ranges = list[tuple[int, int, str]]

_PAGES = 4 * 1024 * 1024 // PAGE


async def a_snapshot_leaves_the_etag(ground: Ground, seen: Seen) -> bool:
    """Snapshots without metadata, with it, and with a lease; the base's ETag before and after each."""
    blob = await ground.make(ground.accounts.backups, "etag.vhd")
    before = (await blob.get_blob_properties()).etag
    same = True
    lease = await blob.acquire_lease()
    for what, metadata in (("without metadata", None), ("with metadata", {"tidemark_run": "1"})):
        taken = await blob.create_snapshot(metadata, lease=lease, if_match=before)
        after = (await blob.get_blob_properties()).etag
        seen.note(f"{what}: answered {taken['etag']}, the base had {before} and has {after}")
        same = same and after == before
        await ground.blob(ground.accounts.backups, "etag.vhd", str(taken["snapshot"])).delete_blob()
    after = (await blob.get_blob_properties()).etag
    seen.note(f"both snapshots deleted: the base has {after}")
    await lease.release()
    return same and after == before


async def a_diff_reaches_across_other_snapshots(ground: Ground, seen: Seen) -> bool:
    """What was written before and after somebody else's snapshot, which is deleted again."""
    return await _across(ground, ground.accounts.disks, seen)


async def a_diff_is_told_where_versions_are_kept(ground: Ground, seen: Seen) -> bool:
    """On an account with blob versioning."""
    account = ground.accounts.versioned
    if account is None:
        raise NotTriedError("--versioned-account was not given")
    return await _across(ground, account, seen, versioned=True)


async def _across(ground: Ground, account: Account, seen: Seen, *, versioned: bool = False) -> bool:
    disk = await ground.make(account, "across.vhd", pages=4)
    base = await _snapshot(disk)
    if versioned and "x-ms-version-id" not in seen.last.headers:
        raise NotSupportedError("Snapshot Blob answered without x-ms-version-id: this account keeps no versions")
    await write(disk, 0, b"\2")
    foreign = await _snapshot(disk)
    await disk.clear_page(PAGE, PAGE)
    kept = await _snapshot(disk)
    await write(disk, 2, b"\3")
    taken = await _snapshot(disk)
    expected: Ranges = [(0, 1, "write"), (1, 2, "clear"), (2, 3, "write")]
    told = []
    for what in ("both there", "the first deleted", "both deleted"):
        told.append(await diff(ground.blob(account, "across.vhd", taken), base))
        seen.note(f"two snapshots of others between, {what}: {_said(told[-1])}")
        gone = {"both there": foreign, "the first deleted": kept}.get(what)
        if gone:
            await ground.blob(account, "across.vhd", gone).delete_blob()
    return all(each == expected for each in told)


async def a_diff_reaches_across_resizes(ground: Ground, seen: Seen) -> bool:
    """Grown; shrunk; shrunk and grown; shrunk, grown and written: what the diff gives is applied and compared."""
    cases: dict[str, list[int]] = {
        "grown": [2 * _PAGES],
        "shrunk": [_PAGES // 2],
        "shrunk, then grown": [_PAGES // 2, _PAGES],
        "shrunk, then grown, then written": [_PAGES // 2, _PAGES],
    }
    right = True
    for case, sizes in cases.items():
        name = f"resized-{case.replace(', then ', '-')}.vhd"
        disk = await ground.make(ground.accounts.disks, name, _PAGES * PAGE)
        await write(disk, _PAGES - 1, b"\1")
        base = await _snapshot(disk)
        for size in sizes:
            await disk.resize_blob(size * PAGE)
        if case.endswith("written"):
            await write(disk, _PAGES - 1, b"\2")
        taken = ground.blob(ground.accounts.disks, name, await _snapshot(disk))
        told = await diff(taken, base)
        seen.note(f"{case}: {_said(told)}")
        right = right and not isinstance(told, str) and _gives(case, told)
    return right


def _gives(case: str, told: Ranges) -> bool:
    """Tell whether a diff makes the new content of the old: first and last page written, the middle never."""
    valid = {0, _PAGES - 1}
    size = {"grown": 2 * _PAGES, "shrunk": _PAGES // 2}.get(case, _PAGES)
    made = {page for page in valid if page < size}
    for first, end, kind in told:
        inside = {page for page in valid if first <= page < end}
        made = made | inside if kind == "write" else made - inside
    expected = {"grown": valid, "shrunk": {0}, "shrunk, then grown": {0}}.get(case, valid)
    is_written = not case.endswith("written") or (_PAGES - 1, _PAGES, "write") in told
    return made == expected and is_written


async def diff(blob: BlobClient, base: str) -> Ranges | str:
    """List what changed since a snapshot, by pages; or give the status and the code it was refused with."""
    try:
        listed = blob.list_page_ranges(previous_snapshot=base)
        return [
            ((found.start or 0) // PAGE, ((found.end or 0) + 1) // PAGE, "clear" if found.cleared else "write")
            async for found in listed
        ]
    except HttpResponseError as error:
        return f"{error.status_code} {getattr(error, 'error_code', '')}"


async def _snapshot(blob: BlobClient) -> str:
    return str((await blob.create_snapshot())["snapshot"])


def _said(told: Ranges | str) -> str:
    if isinstance(told, str):
        return told
    return "; ".join(f"{kind} pages {first}-{end - 1}" for first, end, kind in told) or "nothing"
