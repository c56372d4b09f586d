"""Probes of what the service reads by: signatures, and copies of snapshots within an account and between two."""

import asyncio
from collections.abc import Awaitable

from azure.core.exceptions import HttpResponseError
from azure.storage.blob.aio import BlobClient

from shared.limits import NEWEST_SIGNED, PAGE, STORAGE_API_VERSION
from tests.conformance.real.ground import Ground, write
from tests.conformance.real.verdicts import NotTriedError
from tests.conformance.real.witness import Answer, Seen

_LOOK_AGAIN_SECONDS = 0.5


async def a_signature_is_taken(ground: Ground, seen: Seen) -> bool:
    """Read a page of a snapshot, and of the blob itself, by a SAS of the version the app signs for."""
    disks = ground.accounts.disks
    disk = await ground.make(disks, "signed.vhd")
    snapshot = str((await disk.create_snapshot())["snapshot"])
    seen.note(f"signed by {disks.how}")
    taken = True
    for version in (STORAGE_API_VERSION, NEWEST_SIGNED):
        for of, what in ((snapshot, "snapshot"), ("", "blob")):
            url = await ground.signed(disks, "signed.vhd", of, version)
            said = await _read(ground, url)
            seen.note(f"sv={version}, {what}: {said}")
            taken = taken and (said.startswith("206") or version != STORAGE_API_VERSION)
    return taken


async def _read(ground: Ground, url: str) -> str:
    options = {**ground.accounts.disks.options, **ground.witness.hooks}
    async with BlobClient.from_blob_url(url, api_version=STORAGE_API_VERSION, retry_total=0, **options) as reader:
        try:
            content = await (await reader.download_blob(0, PAGE)).readall()
        except HttpResponseError as error:
            return f"{error.status_code} {_code(error)}"
    return f"206, the page {'as written' if content == bytes([1]) * PAGE else 'NOT as written'}"


async def a_copy_within_an_account_needs_no_signature(ground: Ground, seen: Seen) -> bool:
    """Promote a snapshot: Copy Blob of its plain URL over another blob of the account."""
    backups = ground.accounts.backups
    base = await ground.make(backups, "promoted.vhd")
    snapshot = str((await base.create_snapshot())["snapshot"])
    await write(base, 0, b"\2")
    seen.note(f"by {backups.how}, from {'?snapshot=' + snapshot} of the same account")
    for name in ("promoted.vhd", "new.vhd"):
        target = ground.blob(backups, name)
        try:
            await target.start_copy_from_url(f"{ground.address(backups, 'promoted.vhd').url}?snapshot={snapshot}")
        except HttpResponseError as error:
            seen.note(f"Copy Blob to {name}: {error.status_code} {_code(error)}")
            return False
        copied = await ended(target, ground.scale.copy_seconds)
        seen.note(f"Copy Blob to {name}: 202, then {copied}")
        if copied != "success" or await content(target) != b"\1":
            return False
    return True


async def pages_are_copied_from_a_signed_snapshot(ground: Ground, seen: Seen) -> bool:
    """Put Page From URL of another account's snapshot, by SAS, after the disk was written again."""
    disks, backups = ground.accounts.disks, ground.accounts.backups
    disk = await ground.make(disks, "source.vhd")
    snapshot = str((await disk.create_snapshot())["snapshot"])
    await write(disk, 0, b"\2")
    backup = ground.blob(backups, "backup.vhd")
    await backup.create_page_blob(4 * PAGE)
    url = await ground.signed(disks, "source.vhd", snapshot, STORAGE_API_VERSION)
    try:
        await backup.upload_pages_from_url(url, 0, PAGE, 0)
    except HttpResponseError:
        seen.note(said_of_source(seen.last))
        return False
    copied = await content(backup)
    seen.note(f"the page copied is {'the snapshot' if copied == bytes([1]) else 'NOT the snapshot'}'s")
    return copied == b"\1"


async def a_container_that_exists_is_told_to_a_role_on_it_alone(ground: Ground, seen: Seen) -> bool:
    """Create Container of one that exists, by an identity whose role is on that container only."""
    own = ground.service(ground.accounts.backups).get_container_client(ground.name)
    seen.note(f"where the role is on the account: {await _create(own.create_container())}")
    if ground.accounts.scoped is None:
        raise NotTriedError("--scoped-container was not given: a container on which alone this identity has its role")
    account, container = ground.accounts.scoped
    async with account.blobs(**ground.witness.hooks, retry_total=0) as service:
        client = service.get_container_client(container)
        # Only what exists is asked for: else the request would make it.
        if not await client.exists():
            raise NotTriedError(f"{container} does not exist, or is not to be seen")
        said = await _create(client.create_container())
    seen.note(f"where the role is on the container only: {said}")
    return said == "409 ContainerAlreadyExists"


async def _create(request: Awaitable[object]) -> str:
    try:
        await request
    except HttpResponseError as error:
        return f"{error.status_code} {_code(error)}"
    return "201, created"


async def ended(blob: BlobClient, seconds: float) -> str:
    """Wait until the copy to a blob has ended; give its status then, or `pending`."""
    for _ in range(max(1, int(seconds / _LOOK_AGAIN_SECONDS))):
        status = str((await blob.get_blob_properties()).copy.status or "")
        if status != "pending":
            return status
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    return "pending"


async def content(blob: BlobClient, page: int = 0) -> bytes:
    """Give the first byte of a page."""
    return (await (await blob.download_blob(page * PAGE, PAGE)).readall())[:1]


def said_of_source(answer: Answer) -> str:
    """Say what an answer says of the source of a copy, in its status and its two headers."""
    code, status = (answer.headers.get(f"x-ms-copy-source-{what}", "none") for what in ("error-code", "status-code"))
    return f"{answer.status} {answer.code}; x-ms-copy-source-error-code: {code}, x-ms-copy-source-status-code: {status}"


def _code(error: HttpResponseError) -> str:
    return str(getattr(error, "error_code", "") or "")
