"""Managed disks behind the interface to disks: what the app finds, snapshots, lists, reads and deletes."""

import traceback
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ConnectionTimeoutError
from azure.core import AsyncPipelineClient
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceRequestError, ServiceResponseError
from azure.core.rest import HttpRequest

from infra.local.gateway.roles import Role
from infra.local.local_azure import APP, LocalAzure
from infra.local.managed_disks import GROUP, SUBSCRIPTION, ArmFault, ManagedDisks
from infra.local.managed_disks import Disk as FakeDisk
from shared.azure.answers import explain, is_busy, is_transient
from shared.azure.resource_manager import ResourceManager
from shared.azure.services import Services, open_services
from shared.azure.sources.managed_reading import ManagedReader
from shared.azure.sources.source import COPY_URL_LIFETIME
from shared.changes.ranges import Change, Window
from shared.errors import DiffRefusedError, DiskError, ListingTimedOutError, SourceGoneError
from shared.limits import FOOTER
from shared.model.addresses import ContainerAddress
from shared.model.disk import Disk, ManagedDisk
from shared.settings import Settings
from tests.managed_disks.conftest import NewDisk
from tests.managed_disks.storage import MIB

BLOCK = 4096
GROUP_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"


@pytest.fixture
async def services(
    azure: LocalAzure, managed: ManagedDisks, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Services]:
    for name, value in managed.settings.items():
        monkeypatch.setenv(name, value)
    # aiohttp read SSL_CERT_FILE when it was imported, as it does at the start of an app.
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", managed.trusted())
    chosen = azure.app_settings([f"{GROUP_ID}/providers/Microsoft.Compute/disks/*"], **managed.settings)
    async with open_services(Settings.model_validate(chosen | {k.lower(): v for k, v in chosen.items()})) as opened:
        yield opened


async def known(services: Services, made: FakeDisk) -> Disk:
    [disk] = [found for found in await found_by(services) if found.name.split("#")[0].endswith(f"/{made.id.name}")]
    return disk


async def found_by(services: Services) -> list[Disk]:
    return await services.disks.find(services.settings.source_disks[0])


async def changes(
    services: Services, disk: Disk, snapshot: str, since: str = "", window: Window | None = None
) -> Sequence[tuple[int, int, bool]]:
    version = services.disks.version(disk, snapshot)
    size = (await services.pages.properties(version)).size
    older = services.disks.version(disk, since) if since else None
    return [
        (change.start, change.end, change.clear)
        async for change in services.pages.changes(version, older, window or Window(0, size))
    ]


async def test_disks_are_found_by_a_pattern_each_with_its_unique_id(services: Services, new_disk: NewDisk) -> None:
    one, other = await new_disk(), await new_disk()
    found = await found_by(services)
    assert [disk.name for disk in found] == [
        f"{GROUP_ID}/providers/Microsoft.Compute/disks/{made.id.name}#{made.unique_id}"
        for made in sorted((one, other), key=lambda made: made.id.name)
    ]
    assert [await services.disks.exists(disk) for disk in found] == [True, True]


async def test_a_disk_that_is_made_anew_under_its_name_is_another(
    services: Services, managed: ManagedDisks, disk: FakeDisk
) -> None:
    before = await known(services, disk)
    await managed.create_disk(disk.id.name, MIB)
    after = await known(services, disk)
    assert isinstance(before, ManagedDisk)
    assert isinstance(after, ManagedDisk)
    assert (before.id, before == after, before.key == after.key) == (after.id, False, False)
    assert not await services.disks.exists(before)
    with pytest.raises(SourceGoneError):
        await services.disks.take_snapshot(before)


async def test_a_snapshot_holds_what_was_there_and_its_footer(services: Services, disk: FakeDisk) -> None:
    of = await known(services, disk)
    await disk.write(BLOCK, b"a" * BLOCK)
    taken = await services.disks.take_snapshot(of)
    await disk.write(BLOCK, b"b" * BLOCK)
    assert await services.disks.pending(of, taken) == ""
    assert (await services.pages.properties(services.disks.version(of, taken))).size == MIB + FOOTER
    ranges = await changes(services, of, taken)
    assert ranges[0] == (BLOCK, 2 * BLOCK, False)
    assert ranges[-1] == (MIB, MIB + FOOTER, False)


@pytest.mark.parametrize("shows_footer", [True, False])
async def test_the_difference_of_two_snapshots_has_what_changed_and_always_the_footer(
    services: Services, managed: ManagedDisks, new_disk: NewDisk, *, shows_footer: bool
) -> None:
    managed.behaviour.shows_footer = shows_footer
    made = await new_disk()
    of = await known(services, made)
    await made.write(0, b"a" * 4 * BLOCK)
    base = await services.disks.take_snapshot(of)
    await made.write(8 * BLOCK, b"b" * BLOCK)
    await made.clear(BLOCK, BLOCK)
    taken = await services.disks.take_snapshot(of)
    assert await changes(services, of, taken, base) == [
        (BLOCK, 2 * BLOCK, True),
        (8 * BLOCK, 9 * BLOCK, False),
        (MIB, MIB + FOOTER, False),
    ]
    assert await changes(services, of, taken, base, Window(0, BLOCK)) == []
    assert (await changes(services, of, taken))[-1] == (MIB, MIB + FOOTER, False)


@pytest.mark.parametrize("shows_footer", [True, False])
async def test_after_a_disk_has_grown_the_place_of_its_old_footer_is_listed(
    services: Services, managed: ManagedDisks, new_disk: NewDisk, *, shows_footer: bool
) -> None:
    managed.behaviour.shows_footer = shows_footer
    made = await new_disk()
    of = await known(services, made)
    base = await services.disks.take_snapshot(of)
    await made.resize(2 * MIB)
    taken = await services.disks.take_snapshot(of)
    of_old = await changes(services, of, taken, base, Window(0, MIB + FOOTER))
    assert any(start <= MIB and end >= MIB + FOOTER for start, end, _ in of_old)
    of_new = await changes(services, of, taken, window=Window(MIB + FOOTER, 2 * MIB + FOOTER))
    assert of_new[-1] == (2 * MIB, 2 * MIB + FOOTER, False)


@pytest.mark.parametrize("end", [MIB + FOOTER, MIB + BLOCK])
async def test_the_footer_is_written_even_if_it_is_listed_as_cleared(
    services: Services, disk: FakeDisk, monkeypatch: pytest.MonkeyPatch, end: int
) -> None:
    of = await known(services, disk)
    base, taken = await services.disks.take_snapshot(of), await services.disks.take_snapshot(of)

    async def listed(*_: object) -> AsyncIterator[Change]:
        yield Change(MIB - BLOCK, end, clear=True)

    monkeypatch.setattr(ManagedReader, "_listed", listed)
    found = await changes(services, of, taken, base)
    assert found[:2] == [(MIB - BLOCK, MIB, True), (MIB, MIB + FOOTER, False)]
    assert all(clear for _, _, clear in found[2:])


async def test_own_snapshots_are_those_taken_for_this_disk_and_container_and_no_others(
    services: Services, disk: FakeDisk, new_disk: NewDisk
) -> None:
    of, other = await known(services, disk), await known(services, await new_disk())
    times = [await services.disks.take_snapshot(of) for _ in range(2)]
    await services.disks.take_snapshot(other)
    assert await services.disks.own_snapshots(of) == times
    await services.disks.delete_snapshot(of, times[0])
    await services.disks.delete_snapshot(of, times[0])
    assert await services.disks.own_snapshots(of) == times[1:]


async def test_snapshots_taken_for_the_container_before_are_still_found_read_and_deleted(
    services: Services, managed: ManagedDisks, disk: FakeDisk
) -> None:
    of, old = await known(services, disk), services.settings.container
    taken = await services.disks.take_snapshot(of)
    changed = {"backup_container": ContainerAddress.parse(f"{old.url}2"), "backup_container_moved_from": old}
    async with open_services(services.settings.model_copy(update=changed)) as moved:
        assert await moved.disks.own_snapshots(of) == [], "another app may back up there"
        assert await moved.disks.own_snapshots(of, old) == [taken]
        assert (await changes(moved, of, taken))[-1] == (MIB, MIB + FOOTER, False)
        await moved.disks.delete_snapshot(of, taken)
    assert managed.snapshots == []


async def test_a_snapshot_that_was_read_is_deleted_once_the_access_to_it_has_ended(
    services: Services, disk: FakeDisk
) -> None:
    of = await known(services, disk)
    taken = await services.disks.take_snapshot(of)
    version = services.disks.version(of, taken)
    url = await services.pages.signed_url(version)
    assert await services.pages.signed_url(version) == url, "one access serves all batches of the process"
    await services.disks.delete_snapshot(of, taken)
    assert await services.disks.own_snapshots(of) == []
    with pytest.raises(SourceGoneError):
        await services.pages.properties(version)
    with pytest.raises(SourceGoneError):
        await services.pages.signed_url(version)


async def test_what_takes_long_to_be_ready_is_waited_for(
    services: Services, managed: ManagedDisks, new_disk: NewDisk
) -> None:
    of = await known(services, await new_disk(sku="PremiumV2_LRS"))
    managed.behaviour.copy_looks = 2
    taken = await services.disks.take_snapshot(of)
    said = [await services.disks.pending(of, taken) for _ in range(4)]
    assert said[0].startswith("waits until Azure has the snapshot ready to be read")
    assert said[-1] == ""


async def test_a_snapshot_whose_state_azure_does_not_know_is_read_once_it_is_complete(
    services: Services, managed: ManagedDisks, disk: FakeDisk
) -> None:
    of = await known(services, disk)
    taken = await services.disks.take_snapshot(of)
    managed.snapshots[0].properties["snapshotAccessState"] = "Unknown"
    assert await services.disks.pending(of, taken) == ""


@pytest.mark.parametrize(
    "policy",
    [
        {"networkAccessPolicy": "DenyAll"},
        {"networkAccessPolicy": "AllowPrivate"},
        {"publicNetworkAccess": "Disabled"},
    ],
)
async def test_a_snapshot_whose_access_a_policy_turns_off_is_refused_with_what_to_do(
    services: Services, managed: ManagedDisks, disk: FakeDisk, policy: dict[str, str]
) -> None:
    of = await known(services, disk)
    managed.behaviour.policy.update(policy)
    taken = await services.disks.take_snapshot(of)
    with pytest.raises(DiskError, match="What to do: exempt the resource group from the Azure Policy"):
        await services.disks.pending(of, taken)


async def test_a_snapshot_that_azure_can_not_make_is_told_at_once_and_deleted(
    services: Services, managed: ManagedDisks, disk: FakeDisk
) -> None:
    of = await known(services, disk)
    failed = ("InternalExecutionError", "An internal execution error occurred.")
    managed.behaviour.looks = 2
    managed.resource_manager.faults.add(ArmFault("Snapshots - Create Or Update", fail=failed))
    with pytest.raises(HttpResponseError, match="An internal execution error"):
        await services.disks.take_snapshot(of)
    managed.release()
    assert await services.disks.own_snapshots(of) == []


async def test_a_snapshot_is_made_before_it_is_read(services: Services, managed: ManagedDisks, disk: FakeDisk) -> None:
    of = await known(services, disk)
    managed.behaviour.looks = 3
    await services.disks.take_snapshot(of)
    [snapshot] = managed.snapshots
    assert snapshot.provisioning.is_done


async def test_a_disk_that_is_just_being_made_keeps_no_other_from_being_found(
    services: Services, new_disk: NewDisk
) -> None:
    made, being_made = await new_disk(), await new_disk(properties={"uniqueId": None})
    assert [disk.name.partition("#")[2] for disk in await found_by(services)] == [made.unique_id]
    being_made.properties.clear()
    assert len(await found_by(services)) == 2


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"properties": {"securityProfile": {"securityType": "ConfidentialVM_DiskEncryptedWithPlatformKey"}}}, "VM"),
        ({"sector_size": 4096}, "VHDX only"),
        ({"data_access_auth_mode": "AzureActiveDirectory"}, "Entra"),
    ],
)
async def test_a_disk_that_can_not_be_backed_up_is_refused_by_name_with_what_to_do(
    services: Services, new_disk: NewDisk, fields: dict[str, Any], why: str
) -> None:
    of = await known(services, await new_disk(**fields))
    problem = await services.disks.problem(of)
    assert why in problem
    assert "What to do" in problem
    with pytest.raises(DiskError, match="can't be backed up"):
        await services.disks.take_snapshot(of)
    assert await services.disks.own_snapshots(of) == []


async def test_a_difference_across_families_is_refused(services: Services, disk: FakeDisk) -> None:
    of = await known(services, disk)
    base = await services.disks.take_snapshot(of)
    disk.begin_family()
    taken = await services.disks.take_snapshot(of)
    with pytest.raises(DiffRefusedError, match="two families"):
        await changes(services, of, taken, base)


async def test_a_difference_from_a_base_that_is_gone_is_refused(services: Services, disk: FakeDisk) -> None:
    of = await known(services, disk)
    base, taken = await services.disks.take_snapshot(of), await services.disks.take_snapshot(of)
    await changes(services, of, taken, base)
    await services.disks.delete_snapshot(of, base)
    with pytest.raises(DiffRefusedError, match="no longer exists"):
        await changes(services, of, taken, base)
    await services.disks.delete_snapshot(of, taken)
    with pytest.raises(SourceGoneError):
        await changes(services, of, taken, base)


async def test_access_that_ended_is_asked_for_anew(services: Services, managed: ManagedDisks, disk: FakeDisk) -> None:
    of = await known(services, disk)
    taken = await services.disks.take_snapshot(of)
    before = await changes(services, of, taken)
    managed.revoke(managed.snapshots[0])
    assert await changes(services, of, taken) == before


async def test_a_snapshot_that_the_data_of_a_deleted_one_merges_into_is_read_later(
    services: Services, managed: ManagedDisks, disk: FakeDisk
) -> None:
    of = await known(services, disk)
    older, taken = await services.disks.take_snapshot(of), await services.disks.take_snapshot(of)
    before = await changes(services, of, taken)
    managed.behaviour.merging_reads = 1
    await services.disks.delete_snapshot(of, older)
    with pytest.raises(HttpResponseError) as refused:
        await changes(services, of, taken)
    assert is_transient(refused.value)
    assert await changes(services, of, taken) == before


async def test_a_role_that_is_not_assigned_is_named(services: Services, managed: ManagedDisks, disk: FakeDisk) -> None:
    of = await known(services, disk)
    managed.roles.clear()
    for actions in ((), ("Microsoft.Compute/disks/read", "Microsoft.Compute/snapshots/*")):
        managed.give(APP, Role("Some", actions))
        with pytest.raises(HttpResponseError) as refused:
            await services.disks.take_snapshot(of)
        assert "the role Tidemark managed disk reader" in explain(refused.value)


async def test_access_that_others_have_all_is_waited_for_like_a_busy_service(
    services: Services, managed: ManagedDisks, disk: FakeDisk
) -> None:
    of = await known(services, disk)
    managed.behaviour.accesses_per_family = 0
    taken = await services.disks.take_snapshot(of)
    with pytest.raises(HttpResponseError, match=r"SAS URIs of at most 0.*five snapshots of a disk at once") as refused:
        await services.pages.signed_url(services.disks.version(of, taken))
    assert is_busy(refused.value)


async def test_a_copy_of_days_gets_access_for_days_though_a_batch_has_some_for_hours(
    services: Services, managed: ManagedDisks, disk: FakeDisk
) -> None:
    managed.behaviour.second_access = "new"
    of = await known(services, disk)
    version = services.disks.version(of, await services.disks.take_snapshot(of))
    for_batch = await services.pages.signed_url(version)
    for_copy = await services.pages.signed_url(version, COPY_URL_LIFETIME)
    access = managed.snapshots[0].access
    assert access
    assert for_copy != for_batch
    assert access.expires_at - managed.clock.now() > COPY_URL_LIFETIME - timedelta(minutes=1)
    assert await services.pages.signed_url(version) == for_copy, "which serves batches too"


async def test_access_without_a_url_is_none(
    services: Services, disk: FakeDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = await known(services, disk)
    version = services.disks.version(of, await services.disks.take_snapshot(of))

    async def nothing(*_: object) -> dict[str, Any]:
        return {}

    monkeypatch.setattr(ResourceManager, "act", nothing)
    with pytest.raises(ServiceResponseError, match="but no URL"):
        await services.pages.signed_url(version)


async def test_a_resource_group_that_is_not_there_is_told_with_what_to_do(
    services: Services, managed: ManagedDisks, disk: FakeDisk
) -> None:
    of = await known(services, disk)
    managed.give(APP)
    elsewhere = Disk.parse(of.name.replace(f"/{GROUP}/", "/gone/"))
    with pytest.raises(ResourceNotFoundError) as refused:
        await services.disks.own_snapshots(elsewhere)
    assert "ResourceGroupNotFound (404)" in explain(refused.value)
    assert "What to do: check the subscription and the resource group" in explain(refused.value)


async def test_no_secret_is_in_what_is_said(services: Services, disk: FakeDisk) -> None:
    of = await known(services, disk)
    taken = await services.disks.take_snapshot(of)
    version = services.disks.version(of, taken)
    url = await services.pages.signed_url(version)
    secret = url.partition("sig=")[2].partition("&")[0]
    assert secret
    assert secret not in f"{version} {version.name} {version.of}"


async def test_no_secret_is_in_what_the_host_logs_of_a_listing_that_timed_out(
    services: Services, disk: FakeDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = await known(services, disk)
    taken = await services.disks.take_snapshot(of)
    version = services.disks.version(of, taken)
    await services.pages.properties(version)
    secret = (await services.pages.signed_url(version)).partition("sig=")[2].partition("&")[0]

    async def late(_: object, request: HttpRequest, **__: object) -> None:
        said = ConnectionTimeoutError(f"Connection timeout to host {request.url}")  # as aiohttp says it
        raise ServiceRequestError(str(said), error=said)

    monkeypatch.setattr(AsyncPipelineClient, "send_request", late)
    with pytest.raises(ListingTimedOutError) as timed_out:
        async for _ in services.pages.changes(version, None, Window(0, MIB)):
            pass
    assert secret not in "".join(traceback.format_exception(timed_out.value))
