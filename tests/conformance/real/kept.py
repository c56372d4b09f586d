"""Probes of what an account keeps of what was deleted: versions, and soft delete."""

from tests.conformance.real.ground import Ground, write
from tests.conformance.real.verdicts import NotSupportedError, NotTriedError
from tests.conformance.real.witness import Seen


async def a_snapshot_leaves_a_version(ground: Ground, seen: Seen) -> bool:
    """On an account with versioning a snapshot makes a version, which stays when the snapshot is deleted."""
    account = ground.accounts.versioned
    if account is None:
        raise NotTriedError("--versioned-account was not given")
    blob = await ground.make(account, "versions.vhd")
    snapshot = str((await blob.create_snapshot())["snapshot"])
    if "x-ms-version-id" not in seen.last.headers:
        raise NotSupportedError("Snapshot Blob answered without x-ms-version-id: this account keeps no versions")
    await write(blob, 0, b"\2")
    await ground.blob(account, "versions.vhd", snapshot).delete_blob()
    container = ground.service(account).get_container_client(ground.name)
    listed = [b async for b in container.list_blobs("versions.vhd", include=["versions", "snapshots"])]
    versions = [b for b in listed if b.version_id and not b.is_current_version and not b.snapshot]
    seen.note(f"the snapshot is deleted; listed: {len(listed)} in all, {len(versions)} previous versions")
    return bool(versions)


async def what_is_emptied_leaves_nothing_in_soft_delete(ground: Ground, seen: Seen) -> bool:
    """A scratch blob is deleted as it is, another one emptied first, as the app does; what is kept of each?"""
    backups = ground.accounts.backups
    names = ("scratch-whole.vhd", "scratch-emptied.vhd")
    whole, emptied = [await ground.make(backups, name, pages=4) for name in names]
    await emptied.resize_blob(0)
    for blob in (whole, emptied):
        await blob.delete_blob()
    container = ground.service(backups).get_container_client(ground.name)
    listed = {b.name: b async for b in container.list_blobs("scratch-", include=["deleted"]) if b.deleted}
    if not listed:
        raise NotSupportedError("what was deleted is not listed with include=deleted: no soft delete in this account")
    for name in names:
        found = listed.get(name)
        days = found.remaining_retention_days if found else None
        seen.note(f"{name}: {f'kept, {found.size} bytes, for {days} days' if found else 'not kept'}")
    kept = listed.get(names[1])
    return names[0] in listed and (kept is None or kept.size == 0)
