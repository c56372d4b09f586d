"""What can go wrong in a restore: copies that fail, workers that die, foreign hands; and how it ends all the same."""

import asyncio
import json
from urllib.parse import unquote

import pytest

from infra.local.gateway import Fault
from infra.local.local_azure import BACKUP_CONTAINER, BACKUPS
from shared.events import Event
from shared.limits import PAGE
from shared.model.disk import PageBlobDisk
from shared.model.job import Stage
from shared.model.messages import RestoreMessage
from shared.model.names import BACKUPS_TABLE, restore_lease_id
from shared.model.restore import Restore
from shared.model.retry_policy import GIVE_UP_AFTER, MIN_FAILURES
from shared.model.run import Kind
from tests.app.cloud import MIB, App, Cloud, Disk, pages, until
from tests.app.restoring import ask, ended, over, request, restore_of

SHORT_LEASE = 2


async def one_point(app: App, disk: Disk) -> bytes:
    await disk.write(0, pages(8))
    await disk.write(MIB, pages(8))
    await app.back_up(disk)
    return bytes(disk.expected)


async def require_nothing_left(cloud: Cloud, disk: Disk, target: str) -> None:
    """See to it that nothing is left of a restore to a new disk that has failed."""
    new = await cloud.existing_disk(target, b"")

    async def gone() -> bool:
        return not (await new.blob.exists() or await new.backup_blob.exists())

    await until(gone, "the end of the clean-up")
    kept = [found for found in cloud.azure.gateway.deletions.kept if found.path in {new.path, new.backup_path}]
    assert {found.operation for found in kept} >= {"Delete Blob"}
    assert [found for found in kept if found.bytes] == [], "soft delete keeps nothing of what was half made"
    assert await cloud.read(disk.blob, disk.account) == disk.expected


@pytest.mark.nightly
async def test_a_copy_that_fails_is_begun_anew_and_one_that_somebody_aborts_leaves_nothing(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    async with cloud.app(disk) as app:
        held = await one_point(app, disk)
        target = f"{disk.url}-2"
        copying = cloud.azure.gateway.copies.hold(f"{disk.path}-2", times=1)
        asked = await ask(cloud, request(disk, target=target))
        await copying.started.wait()
        await copying.fail("500 InternalServerError")
        restore = await ended(cloud, asked)
        assert (restore.state, restore.attempt) == (Stage.DONE, 2)
        assert "500 InternalServerError" in restore.last_error
        assert [
            found for found in cloud.azure.gateway.deletions.kept if target[-20:] in found.path and found.bytes
        ] == []
        new = await cloud.existing_disk(target, held)
        assert await cloud.read(new.blob, new.account) == held
        [point] = await app.back_up(new)
        assert point.kind is Kind.INCREMENTAL

        aborted = await cloud.existing_disk(f"{disk.url}-3", b"")
        copying = cloud.azure.gateway.copies.hold(aborted.path)
        asked = await ask(cloud, request(disk, target=aborted.url))
        await copying.started.wait()
        copy_id = (await aborted.blob.get_blob_properties()).copy.id
        await aborted.blob.abort_copy(str(copy_id), lease=restore_lease_id(asked))
        restore = await ended(cloud, asked)
        assert restore.state is Stage.FAILED
        assert restore.reason == (
            f"the copy to {aborted.url} was aborted. The incomplete copy is deleted."
            f' What to do: send the request again, with "point": "{restore.recovery_point}"'
        )
        copying.remove()
        await require_nothing_left(cloud, disk, aborted.url)
        again = await ended(cloud, await ask(cloud, request(disk, target=aborted.url)))
        assert again.state is Stage.DONE


async def test_a_copy_that_is_not_what_it_should_be_is_not_adopted_but_left_to_be_looked_at(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    async with cloud.app(disk) as app:
        await one_point(app, disk)
        target = f"{disk.url}-2"
        copying = cloud.azure.gateway.copies.hold(f"{disk.path}-2")
        asked = await ask(cloud, request(disk, target=target))
        await copying.started.wait()
        cloud.azure.gateway.pretend_ranges(f"{disk.path}-2", lambda _start, _end: iter([(0, 4 * PAGE, False)]))
        await copying.finish()
        restore = await ended(cloud, asked)
        assert restore.state is Stage.FAILED
        assert "has data in bytes" in restore.reason
        assert "was copied but not verified, and is not being backed up. Inspect it, or delete it" in restore.reason
        new = await cloud.existing_disk(target, b"")
        assert not [*await new.own_snapshots(), *await new.points()]
        await new.blob.delete_blob()
        await app.back_up(disk)
        assert "no longer exists" not in cloud.log.read_text()


@pytest.mark.nightly
async def test_what_somebody_writes_to_before_it_is_adopted_is_copied_anew(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    restored = {}
    async with cloud.app(disk) as app:
        held = await one_point(app, disk)
        for blob in ("blob", "backup_blob"):
            restored[blob] = new = await cloud.existing_disk(f"{disk.url}-{blob}", held)
            hold = asyncio.Event()
            path = new.path if blob == "blob" else new.backup_path
            snapshot = cloud.azure.gateway.faults.add(Fault("Snapshot Blob", path, delay_until=hold, times=1))
            asked = await ask(cloud, request(disk, target=new.url))
            await snapshot.struck.wait()
            await getattr(new, blob).upload_page(pages(1, seed=66), 0, PAGE, lease=restore_lease_id(asked))
            hold.set()
            restore = await ended(cloud, asked)
            assert (restore.state, restore.attempt) == (Stage.DONE, 2), blob
            assert await cloud.read(new.blob, new.account) == held, blob
            [adopted] = await new.points()
            assert await new.content_of(adopted) == held, blob
        points = await app.back_up(*restored.values())
    assert [(point.kind, point.bytes_written) for point in points] == [(Kind.INCREMENTAL, 0)] * 2, list(restored)


@pytest.mark.nightly
async def test_where_the_service_can_not_copy_back_the_bytes_go_through_the_function_and_no_secret_is_kept(
    cloud: Cloud,
) -> None:
    disk = await cloud.disk(2 * MIB)
    other = await cloud.disk(3 * MIB, name="other.bin")
    await other.write(0, pages(4, seed=5))
    await other.write(MIB + 64 * PAGE, pages(4, seed=6))
    async with cloud.app(disk) as app:
        held = await one_point(app, disk)
        targets = (await cloud.existing_disk(f"{disk.url}-2", held), other)
        for target in targets:
            firewall = cloud.azure.gateway.faults.add(
                Fault("Copy Blob", target.path, refuse=(403, "CannotVerifyCopySource", "not from here"))
            )
            where = over(other, replaceOther=True) if target is other else {"target": target.url}
            restore = await ended(cloud, await ask(cloud, request(disk, **where)))
            assert (restore.state, restore.attempt, firewall.hits) == (Stage.DONE, 1, 2), "once more, signed anew"
            assert restore.copying.startswith(
                "through the function, because the service could not copy from the source: "
            )
            assert (
                "CannotVerifyCopySource (403): not from here. What to do: let the destination account"
                in restore.copying
            )
            assert cloud.count("Put Page", target.path)
            assert await cloud.read(target.blob, target.account) == held
        for point in await app.back_up(*targets):
            assert (point.kind, point.bytes_written) == (Kind.INCREMENTAL, 0)
    rows = [row async for row in cloud.tables.get_table_client("backups").list_entities()]
    kept = cloud.log.read_text() + json.dumps(rows, default=str)
    copied = [request.headers.get("x-ms-copy-source", "") for request in cloud.requests]
    signatures = {field.removeprefix("sig=") for url in copied for field in url.split("&") if field.startswith("sig=")}
    secrets = signatures | {account.key for account in cloud.services}
    assert signatures
    assert not [secret for secret in secrets if secret in kept or unquote(secret) in kept]
    assert "sig=" not in kept


@pytest.mark.nightly
async def test_of_two_requests_for_one_target_the_second_is_refused_while_the_first_runs(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    async with cloud.app(disk) as app:
        await one_point(app, disk)
        copying = cloud.azure.gateway.copies.hold(disk.path)
        asked = request(disk, **over(disk))
        first = await ask(cloud, asked)
        await copying.started.wait()
        second = await ended(cloud, await ask(cloud, asked))
        assert second.state is Stage.REFUSED
        assert f"restore {first} to {disk.url} is already under way" in second.reason or "lease" in second.reason
        await copying.finish()
        assert (await ended(cloud, first)).state is Stage.DONE


@pytest.mark.nightly
async def test_a_worker_that_dies_in_the_midst_of_a_restore_leaves_it_to_the_next(cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB)
    promoting, copying = [await cloud.existing_disk(f"{disk.url}-{n}", bytes(2 * MIB)) for n in (2, 3)]
    held_up = [cloud.azure.gateway.copies.hold(path) for path in (promoting.backup_path, copying.path)]
    async with cloud.app(disk, lease=SHORT_LEASE) as app:
        held = await one_point(app, disk)
        asked = [await ask(cloud, request(disk, target=new.url)) for new in (promoting, copying)]
        for copy in held_up:
            await copy.started.wait()
        app.host.kill()
    for copy in held_up:
        await copy.finish()
    async with cloud.app(disk, lease=SHORT_LEASE) as app:
        for new, name in zip((promoting, copying), asked, strict=True):
            restore = await ended(cloud, name)
            assert (restore.state, restore.reason) == (Stage.DONE, ""), new.url
            assert await cloud.read(new.blob, new.account) == held, new.url
        points = await app.back_up(promoting, copying)
    assert [point.kind for point in points] == [Kind.INCREMENTAL] * 2


async def test_the_restored_disk_and_a_full_copy_do_not_say_by_which_signature_they_were_copied(cloud: Cloud) -> None:
    disk, whole = await cloud.disk(2 * MIB), await cloud.disk(MIB)
    async with cloud.app(disk, {"url": whole.url, "mode": "full"}) as app:
        [_, copied] = await app.back_up(disk, whole)
        restore = await ended(cloud, await ask(cloud, request(disk)))
    copies = [r for r in cloud.requests if (r.operation, r.status) == ("Copy Blob", 202)]
    signed = {r.path for r in copies if "sig=" in r.headers["x-ms-copy-source"]}
    full_copy = await cloud.existing_disk(str(copied.backup_blob), b"")
    restored = await cloud.existing_disk(restore.known_target.name, b"")
    # A copy that was refused, as where the backup container is only made then, is asked for again: it may count twice.
    assert signed == {full_copy.path, restored.path}
    for account, container in ((disk.account, cloud.container), (BACKUPS, BACKUP_CONTAINER)):
        blobs = cloud.services[account].get_container_client(container).list_blobs(include=["copy", "snapshots"])
        assert not [blob.name async for blob in blobs if "sig=" in (blob.copy.source or "")]


@pytest.mark.nightly
async def test_a_restore_whose_permission_does_not_come_back_fails_and_lets_its_disk_go(cloud: Cloud) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(2))
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        lost = (403, "AuthorizationPermissionMismatch", "not authorized")
        cloud.azure.gateway.faults.add(Fault("Lease Blob", disk.path, after=2, refuse=lost))
        asked = await ask(cloud, request(disk, **over(disk)))

        async def is_in_trouble() -> Restore | None:
            found = await restore_of(cloud, asked)
            return found if found and found.trouble_since and found.state is Stage.COPYING else None

        restore = await until(is_in_trouble, "a step that goes wrong")
        assert restore
        await app.tick()
        await until(lambda: cloud.logged(Event.BACKUP_LATE), "a tick that finds the disk claimed")
        a_day_ago = {"trouble_since": restore.requested - GIVE_UP_AFTER, "failures": MIN_FAILURES}
        row = {"PartitionKey": PageBlobDisk(disk.address).key, "RowKey": restore.row_key, **a_day_ago}
        await cloud.tables.get_table_client(BACKUPS_TABLE).update_entity(row)
        await cloud.send(RestoreMessage(disk=PageBlobDisk(disk.address), restore=asked))
        restore = await ended(cloud, asked)
        assert restore.state is Stage.FAILED
        assert "every step has failed since" in restore.reason
        assert "AuthorizationPermissionMismatch" in restore.reason
        [failed] = cloud.events(Event.RESTORE_FAILED)
        assert failed["disk"] == disk.url
        # The tick that found it claimed is caught up, though what the restore has left could not be cleaned up.
        [point] = await app.next_points([disk], [1])
    assert await disk.content_of(point) == disk.expected
    assert (point.kind, cloud.events(Event.RESTORE_LEFT_OVER) != []) == (Kind.RESYNC, True)
