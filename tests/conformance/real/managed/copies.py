"""Probes of a snapshot's URL as a source of copies, and of the network policies of snapshots."""

from azure.core.exceptions import HttpResponseError
from azure.storage.blob.aio import BlobClient

from shared.azure.answers import error_code
from shared.limits import FOOTER
from tests.conformance.real.ground import Ground
from tests.conformance.real.managed.ground import block
from tests.conformance.real.managed.place import BLOCK
from tests.conformance.real.managed.refusals import missing_action, refused
from tests.conformance.real.sources import ended, said_of_source
from tests.conformance.real.witness import Seen

_CLOSED = {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}


async def a_snapshot_is_a_source_of_copies(ground: Ground, seen: Seen) -> bool:
    """Put Page From URL and Copy Blob of a snapshot, by its URL, to page blobs of the backup account."""
    managed, backups = ground.managed, ground.accounts.backups
    url = await managed.opened(await managed.uploaded())
    size = await url.size()
    pages, whole = ground.blob(backups, "pages-of-a-disk.vhd"), ground.blob(backups, "copy-of-a-disk.vhd")
    await pages.create_page_blob(size)
    is_right = True
    try:
        for start, length in ((0, BLOCK), (size - FOOTER, FOOTER)):
            await pages.upload_pages_from_url(url.url, start, length, start)
        is_right = await _holds(pages, size, await url.footer())
        seen.note(f"Put Page From URL: taken; the pages are {'' if is_right else 'NOT '}those of the disk")
    except HttpResponseError:
        seen.note(f"Put Page From URL: {said_of_source(seen.last)}")
        is_right = False
    try:
        await whole.start_copy_from_url(url.url)
    except HttpResponseError as error:
        seen.note(f"Copy Blob: {error.status_code} {error_code(error)}")
        return False
    copied = await ended(whole, ground.scale.copy_seconds)
    seen.note(f"Copy Blob of {size} bytes: taken, then {copied}")
    return is_right and (copied == "pending" or await _holds(whole, size, await url.footer()))


async def _holds(blob: BlobClient, size: int, footer: bytes) -> bool:
    first = await (await blob.download_blob(0, BLOCK)).readall()
    last = await (await blob.download_blob(size - FOOTER, FOOTER)).readall()
    return first == block(0) and last == footer


async def a_snapshot_of_a_closed_disk_is_open(ground: Ground, seen: Seen) -> bool:
    """A disk with DenyAll is snapshotted without a policy, and with the one that the app asks for."""
    managed = ground.managed
    disk = await managed.empty("closed", network=_CLOSED)
    inherits, asked = [
        await managed.snapshot(f"closed-{number}", disk, is_open=is_open) for number, is_open in ((1, False), (2, True))
    ]
    found = await managed.properties(inherits)
    seen.note(f"put without a policy, its snapshot has {_policy(found)}")
    found = await managed.properties(asked)
    try:
        read = await (await managed.grant(asked)).read(0, BLOCK)
        said, is_read = f"a read gives {read.said}", read.is_good
    except HttpResponseError as error:
        if missing_action(error):
            raise
        said, is_read = f"access to it was refused: {refused(error)}", False
    seen.note(f"put with AllowAll and Enabled, it has {_policy(found)}; {said}")
    return is_read and found.get("networkAccessPolicy") == "AllowAll"


def _policy(properties: dict[str, object]) -> str:
    network, public = properties.get("networkAccessPolicy"), properties.get("publicNetworkAccess")
    return f"{network} and public access {public}"
