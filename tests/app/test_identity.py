"""Everything by one managed identity: no key in any setting, and keys are off on every account."""

import asyncio
import re
from collections import Counter
from urllib.parse import parse_qsl, unquote

import pytest

from infra.local.gateway import Fault
from infra.local.gateway.roles import BLOB_DATA_CONTRIBUTOR, Role
from infra.local.identity_azure import IdentityAzure
from infra.local.local_azure import ACCOUNTS, APP, BACKUP_CONTAINER, BACKUPS, DISKS, MORE_DISKS, ROOT
from shared.events import Event
from shared.limits import PAGE, STORAGE_API_VERSION
from shared.model.disk import PageBlobDisk
from shared.model.job import Stage
from shared.model.names import BACKUPS_TABLE, PARTS_TABLE
from shared.model.run import SERVER_SIDE, Kind
from tests.app.cloud import MIB, Cloud, Disk, pages, until
from tests.app.restoring import ask, ended, over, request

DISK_READER = Role.read(ROOT / "infra" / "roles" / "disk-reader.json")
READER_DOES = frozenset(
    {"Delete Blob", "Get Blob Properties", "Get Blob", "Get Page Ranges", "List Blobs", "Snapshot Blob"}
)


pytestmark = pytest.mark.usefixtures("_roles_as_at_first")


@pytest.fixture
def azure(identity_azure: IdentityAzure) -> IdentityAzure:
    return identity_azure


def give_disk_reader(azure: IdentityAzure, cloud: Cloud) -> None:
    """Give the app the role for disks, with its condition: of what it deletes a snapshot must be named."""
    azure.give_app(DISK_READER, f"/{DISKS.name}/{cloud.container}", deletes_only_snapshots=True)


async def give_container_for_restores(azure: IdentityAzure, cloud: Cloud) -> str:
    """Make a container that the app may restore to; give the URL of a disk to be made there."""
    name = f"restored-{cloud.container}"
    container = await cloud.services[DISKS].create_container(name)
    azure.give_app(BLOB_DATA_CONTRIBUTOR, f"/{DISKS.name}/{name}")
    return container.get_blob_client("disk.vhd").url


def by_app(cloud: Cloud, container: str = "") -> Counter[str]:
    """Count the operations that the app was let in for, in all accounts or in a container of disks."""
    path = f"/{DISKS.name}/{container}/" if container else "/"
    return Counter(r.operation for r in cloud.requests if r.caller == APP.name and f"{r.path}/".startswith(path))


async def blobs_beside(disk: Disk) -> list[str]:
    """List the blobs of a disk's container."""
    container = disk.cloud.services[disk.account].get_container_client(disk.address.container)
    return [blob.name async for blob in container.list_blobs()]


async def last_error(disk: Disk, word: str) -> str:
    """Give the error on a disk's record if it says this word."""
    record = await disk.known_record()
    return record.last_error if record and word in record.last_error else ""


async def test_backups_and_a_restore_need_no_key(azure: IdentityAzure, cloud: Cloud) -> None:
    give_disk_reader(azure, cloud)
    disk = await cloud.disk(2 * MIB)
    await disk.write(0, pages(4))
    await disk.write(MIB, pages(8, seed=2))
    at_first = azure.endpoint.given
    async with cloud.app(disk) as app:
        [full] = await app.back_up(disk)
        assert await disk.content_of(full) == disk.expected
        await disk.write(PAGE, pages(2, seed=3))
        await disk.clear(MIB, 2 * PAGE)
        cloud.requests.clear()
        [point] = await app.back_up(disk)
        assert (point.kind, point.bytes_written, point.bytes_cleared) == (Kind.INCREMENTAL, 2 * PAGE, 2 * PAGE)
        assert await disk.content_of(point) == disk.expected
        assert by_app(cloud)["Get User Delegation Key"] == 0, "those of the backup before serve"
        assert set(by_app(cloud, cloud.container)) == READER_DOES
        target = await give_container_for_restores(azure, cloud)
        restore = await ended(cloud, await ask(cloud, request(disk, target=target)))
        assert (restore.state, restore.reason) == (Stage.DONE, "")
        assert by_app(cloud)["Get User Delegation Key"] == 1, "one that lasts as long as a copy may take"
        new = await cloud.existing_disk(target, bytes(disk.expected))
        assert await cloud.read(new.blob, new.account) == disk.expected
    assert set(by_app(cloud, cloud.container)) == READER_DOES, "the restore wrote nothing where it may only read"
    assert not azure.authorizer.refused, "nobody has tried a key, or what no role permits"
    invocations = set(re.findall(r" \[([0-9a-f-]{36})\] ", cloud.log.read_text()))
    assert len(invocations) >= 9
    assert azure.endpoint.given - at_first == 2, (
        "however many invocations: one for the app, one for the local host's own queues"
    )
    await assert_no_secret_is_kept(azure, cloud)


async def assert_no_secret_is_kept(azure: IdentityAzure, cloud: Cloud) -> None:
    """Look for keys, signatures and tokens in the host's log, in the tables, and in all messages there have been."""
    tables = [cloud.tables.get_table_client(name) for name in (BACKUPS_TABLE, PARTS_TABLE)]
    rows = [[row async for row in table.list_entities()] for table in tables]
    messages = b"".join(file.read_bytes() for file in (azure.folder / "data" / "__queuestorage__").iterdir())
    kept = cloud.log.read_text() + str(rows) + messages.decode()
    assert all(word in kept for word in ("run-sealed", "'RowKey': 'disk'", '"plan":0')), "log, tables and messages"
    copied = [request.headers.get("x-ms-copy-source", "") for request in cloud.requests]
    signatures = {field.removeprefix("sig=") for url in copied for field in url.split("&") if field.startswith("sig=")}
    keys = {account.key for account in ACCOUNTS} | set(azure.authorizer.delegation_keys.issued)
    secrets = signatures | keys | set(azure.issuer.issued) | {azure.endpoint.header}
    assert signatures
    versions = [dict(parse_qsl(url)) for url in copied if "sig=" in url]
    assert {(query["sv"], query["skv"]) for query in versions} == {(STORAGE_API_VERSION, STORAGE_API_VERSION)}
    assert not [secret for secret in secrets if secret in kept or unquote(secret) in kept]
    assert not [word for word in ("sig=", "AccountKey", "Bearer ") if word in kept]


@pytest.mark.nightly
async def test_a_tick_waits_for_a_token_and_a_run_goes_on_when_the_keys_that_it_signs_with_are_revoked(
    azure: IdentityAzure, cloud: Cloud
) -> None:
    give_disk_reader(azure, cloud)
    disk = await cloud.disk()
    async with cloud.app(disk) as app:
        azure.endpoint.is_down = True
        try:
            await app.tick()
            waits = await until(lambda: cloud.logged(Event.TICK_WAITS), "the tick without a token")
        finally:
            azure.endpoint.is_down = False
        [point] = await app.next_points([disk], [0])
        assert azure.endpoint.failed > 0
        credential = "ClientAuthenticationError: DefaultAzureCredential failed to retrieve a token"
        assert waits[0]["reason"].startswith(credential)
        assert await disk.content_of(point) == disk.expected

        hold = asyncio.Event()
        await disk.write(0, pages(4))
        held = cloud.azure.gateway.faults.add(Fault("Put Page From URL", disk.backup_path, times=1, delay_until=hold))
        await app.tick()
        await held.struck.wait()
        azure.authorizer.delegation_keys.revoke()
        hold.set()
        [point] = await app.next_points([disk], [1])
    assert cloud.count("Put Page From URL", status=403) == 1
    assert (point.copying, await disk.content_of(point)) == (SERVER_SIDE, bytes(disk.expected))


@pytest.mark.nightly
async def test_a_full_copy_needs_no_key(azure: IdentityAzure, cloud: Cloud) -> None:
    give_disk_reader(azure, cloud)
    disk = await cloud.disk()
    await disk.write(0, pages(3))
    async with cloud.app({"url": disk.url, "mode": "full"}) as app:
        await app.back_up(disk)
        # The container is there by now: that it may be made is not needed.
        refused = (403, "AuthorizationPermissionMismatch", "not on this container alone")
        cloud.azure.gateway.faults.add(Fault("Create Container", refuse=refused))
        await disk.write(0, pages(3, seed=2))
        [point] = await app.back_up(disk)
    copy = cloud.services[BACKUPS].get_blob_client(
        BACKUP_CONTAINER, PageBlobDisk(disk.address).full_copy_name(point.time)
    )
    assert await cloud.read(copy, BACKUPS) == disk.expected
    assert (await disk.record()).last_error == ""
    started = [request for request in cloud.requests if (request.operation, request.status) == ("Copy Blob", 202)]
    assert ["skoid=" in request.headers["x-ms-copy-source"] for request in started] == [True, True]
    assert not azure.authorizer.refused


@pytest.mark.nightly
async def test_without_the_role_to_write_a_restore_is_refused_and_the_backups_go_on(
    azure: IdentityAzure, cloud: Cloud
) -> None:
    give_disk_reader(azure, cloud)
    disk = await cloud.disk(2 * MIB)
    await disk.write(0, pages(4))
    held = bytes(disk.expected)
    async with cloud.app(disk) as app:
        [first] = await app.back_up(disk)
        over_it = request(disk, first.time, **over(disk, undo=True))
        for text in (request(disk), over_it):
            refused = await ended(cloud, await ask(cloud, text))
            assert refused.state is Stage.REFUSED
            assert "What to do: assign the app's identity the role Storage Blob Data Contributor" in refused.reason
            assert disk.address.parent.url in refused.reason
        assert await blobs_beside(disk) == [disk.address.blob], "nothing was made"
        await disk.write(PAGE, pages(2, seed=2))
        [after] = await app.back_up(disk)
        assert (after.kind, await disk.content_of(after)) == (Kind.INCREMENTAL, bytes(disk.expected))
        azure.give_app(BLOB_DATA_CONTRIBUTOR, f"/{DISKS.name}/{cloud.container}")
        restore = await ended(cloud, await ask(cloud, over_it))
        assert (restore.state, restore.reason) == (Stage.DONE, "")
        assert await cloud.read(disk.blob, disk.account) == held
        disk.expected[:] = held
        await disk.write(3 * PAGE, pages(1, seed=3))
        [last] = await app.back_up(disk)
        assert (last.kind, await disk.content_of(last)) == (Kind.INCREMENTAL, bytes(disk.expected))


@pytest.mark.nightly
async def test_a_disk_without_a_role_says_which_and_where_and_the_others_are_backed_up(
    azure: IdentityAzure, cloud: Cloud
) -> None:
    give_disk_reader(azure, cloud)
    other, disk = await cloud.disk(), await cloud.disk(account=MORE_DISKS)
    await disk.write(0, pages(2))
    delegator = next(given for given in azure.authorizer.roles.given if given.scope == f"/{MORE_DISKS.name}")
    azure.take_from_app(delegator)
    # The queue may give the batch up before the role is given, and the next tick come before that is on record.
    async with cloud.app(other, disk, RUN_STALLED_AFTER_SECONDS="1") as app:
        await app.back_up(other)
        said = await until(lambda: last_error(disk, "disk-reader"), "the error on record")
        role = f"{DISK_READER.name} (infra/roles/disk-reader.json) if it holds disks"
        assert f"assign the app's identity a role on the container of {disk.url}: {role}" in said
        azure.give_app(DISK_READER, f"/{MORE_DISKS.name}/{cloud.container}", deletes_only_snapshots=True)
        await app.tick()
        said = await until(lambda: last_error(disk, "Delegator"), "the next error on record")
        assert f"Storage Blob Delegator on the storage account {disk.address.service_url}." in said
        azure.authorizer.roles.given.append(delegator)
        [point] = await app.back_up(disk)
        assert await disk.content_of(point) == disk.expected
