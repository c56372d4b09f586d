"""Probes of uploads into new managed disks: what the URL that writes takes, and what becomes of what was written."""

from collections.abc import Mapping

from infra.local.disks.vhd import check_footer
from shared.limits import FOOTER, STORAGE_API_VERSION
from tests.conformance.real.ground import Ground, write
from tests.conformance.real.managed.access import granted_twice
from tests.conformance.real.managed.ground import ManagedGround, block, footer
from tests.conformance.real.managed.pages import covers
from tests.conformance.real.managed.place import BLOCK, LEAST_UPLOAD
from tests.conformance.real.managed.refusals import tried
from tests.conformance.real.managed.urls import Opened, require_good
from tests.conformance.real.witness import Seen

_FIRST = bytes([1]) * BLOCK
_PAGES = BLOCK // FOOTER


async def the_url_that_writes_reads(ground: Ground, seen: Seen) -> bool:
    """An upload is begun and a block of it written, then read by the URL that wrote it."""
    _, url = await _begun(ground.managed, "reads")
    properties, listed, read = await url.properties(), await url.page(), await url.read(0, BLOCK)
    seen.note(f"Get Blob Properties: {properties.said}; Get Page Ranges: {listed.given.said}; Get Blob: {read.said}")
    is_listed, is_same = covers(listed.ranges, 0), read.body == block(0)
    if listed.given.is_good:
        seen.note(f"the block is {'' if is_listed else 'NOT '}in the list, {len(listed.ranges)} ranges in all")
    if read.is_good:
        seen.note(f"the block is {'' if is_same else 'NOT '}as it was written")
    return properties.is_good and is_listed and read.is_good and is_same


async def an_upload_is_granted_again(ground: Ground, seen: Seen) -> bool:
    """A second beginGetAccess Write while an upload is under way."""
    path, url = await _begun(ground.managed, "again")
    is_right = await granted_twice(ground.managed, path, url, seen, "Write")
    state = (await ground.managed.properties(path)).get("diskState")
    seen.note(f"the disk is then {state}")
    return is_right


async def pages_are_copied_to_an_upload(ground: Ground, seen: Seen) -> bool:
    """Put Page From URL from a snapshot in the backup account to an upload, which then becomes a disk."""
    managed, backups = ground.managed, ground.accounts.backups
    point = await ground.make(backups, "point.vhd", LEAST_UPLOAD + FOOTER, _PAGES)
    end = footer(LEAST_UPLOAD)
    await point.upload_page(end, LEAST_UPLOAD, FOOTER)
    snapshot = str((await point.create_snapshot())["snapshot"])
    await write(point, 0, b"\2", _PAGES)
    source = await ground.signed(backups, "point.vhd", snapshot, STORAGE_API_VERSION)
    disk = await managed.upload("restored", LEAST_UPLOAD)
    url = await managed.grant(disk, "Write")
    copied = [await url.copy(source, *at) for at in ((0, BLOCK), (LEAST_UPLOAD, FOOTER))]
    seen.note(f"Put Page From URL of a block and of the footer: {', '.join(answer.said for answer in copied)}")
    if not all(answer.is_good for answer in copied):
        return False
    said = await tried(managed.end(disk))
    found = await managed.properties(disk)
    seen.note(f"endGetAccess was {f'refused: {said}' if said else 'taken'}; the disk is then {found.get('diskState')}")
    if said:
        return False
    export = await managed.grant(await managed.snapshot("restored-1", disk))
    has_block, has_footer = (await export.read(0, BLOCK)).body == _FIRST, await export.footer() == end
    seen.note(f"a snapshot of the disk has {'the block' if has_block else 'NOT the block'}")
    # Azure may write a footer of its own, which is none of the disk's bytes.
    seen.note(f"its export ends with {'the footer that was copied' if has_footer else 'another footer'}")
    return has_block


async def what_is_put_again_is_the_same(ground: Ground, seen: Seen) -> bool:
    """A snapshot and an upload are put again as they are; the upload with another size too, and as an empty disk."""
    managed = ground.managed
    disk = await managed.empty("put")
    snapshot = await managed.snapshot("put-1", disk)
    before = await managed.properties(snapshot)
    said = await tried(managed.snapshot("put-1", disk))
    is_same = _is_one(before, await managed.properties(snapshot))
    seen.note(f"a snapshot that was put again: {_taken(said)}; it is {'the same' if is_same else 'ANOTHER'} snapshot")
    upload = await managed.upload("put-again", LEAST_UPLOAD)
    before = await managed.properties(upload)
    again = await tried(managed.upload("put-again", LEAST_UPLOAD))
    larger = await tried(managed.upload("put-again", 2 * LEAST_UPLOAD))
    empty = await tried(managed.empty("put-again"))
    is_same_disk = _is_one(before, await managed.properties(upload))
    kept = "the same" if is_same_disk else "ANOTHER"
    seen.note(f"an upload that was put again: {_taken(again)}; it is {kept} disk")
    seen.note(f"with another size: {_taken(larger)}; as an empty disk: {_taken(empty)}")
    return not said and is_same and not again and is_same_disk and bool(larger and empty)


async def an_upload_without_a_footer_is_refused(ground: Ground, seen: Seen) -> bool:
    """An upload without a footer is ended."""
    managed = ground.managed
    disk, _ = await _begun(managed, "footless")
    said = await tried(managed.end(disk))
    state = (await managed.properties(disk)).get("diskState")
    seen.note(f"endGetAccess was {f'refused: {said}' if said else 'taken'}; the disk is then {state}")
    if not said and state == "Unattached":
        export = await managed.grant(await managed.snapshot("footless-1", disk))
        seen.note(f"its export ends with {_kind(await export.footer())}")
    return bool(said)


async def _begun(managed: ManagedGround, what: str) -> tuple[str, Opened]:
    """Begin an upload of the smallest size, and write its first block; give the disk and the URL."""
    disk = await managed.upload(what, LEAST_UPLOAD)
    url = await managed.grant(disk, "Write")
    require_good(await url.write(0, block(0)))
    return disk, url


def _taken(said: str) -> str:
    return f"refused, {said}" if said else "taken"


def _is_one(before: Mapping[str, object], after: Mapping[str, object]) -> bool:
    """Tell whether a resource is the one that it was, by what Azure gives each one that it makes."""
    return all(before.get(name) == after.get(name) for name in ("uniqueId", "timeCreated"))


def _kind(last: bytes) -> str:
    try:
        return f"the footer of a VHD of {check_footer(last).size} bytes"
    except ValueError:
        return "no VHD footer"
