"""Managed disks behind the interface to disks: what the app finds, snapshots, lists, reads and deletes."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import AioHttpTransport

from infra.local.managed_disks import ArmFault, ManagedDisks
from infra.local.managed_disks import Disk as FakeDisk
from shared.azure.answers import asked_delay, may_pass
from shared.azure.kept_connections import KeptConnections
from shared.azure.services import Services, open_services
from shared.azure.sources.managed_reading import ManagedReader
from shared.changes.ranges import Change, Window
from shared.errors import DiffRefusedError, DiskError, SourceGoneError
from shared.limits import FOOTER
from shared.model.addresses import ContainerAddress
from shared.model.disk import ManagedDisk
from tests.managed_disks.conftest import NewDisk
from tests.managed_disks.source import BLOCK, GROUP_ID, changes, found_by, known
from tests.managed_disks.storage import MIB


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
    settings = services.settings.model_copy(update=changed)
    async with contextlib.aclosing(KeptConnections()) as kept, open_services(settings, kept) as moved:
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


async def test_a_disk_without_room_for_a_snapshot_is_waited_for_and_says_what_to_do(
    services: Services, managed: ManagedDisks, disk: FakeDisk
) -> None:
    of = await known(services, disk)
    managed.behaviour.snapshots_per_disk = 0
    with pytest.raises(HttpResponseError, match="What to do: nothing, if it passes; else delete old ones") as full:
        await services.disks.take_snapshot(of)
    managed.behaviour.snapshots_per_disk = 500
    refused = (429, "OperationNotAllowed", "Too many requests.")
    managed.resource_manager.faults.add(ArmFault("Snapshots - Create Or Update", refuse=refused, retry_after=290))
    with pytest.raises(HttpResponseError, match="7 in 5 minutes, whoever takes them") as often:
        await services.disks.take_snapshot(of)
    assert [may_pass(error.value) for error in (full, often)] == [True, True]
    assert [asked_delay(error.value).seconds for error in (full, often)] == [0, 290]
    assert await services.disks.own_snapshots(of) == []


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


async def test_a_snapshot_that_azure_makes_stays_though_nobody_can_ask_whether_it_has(
    services: Services, managed: ManagedDisks, disk: FakeDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(*_: object) -> None:
        pass

    monkeypatch.setattr(AioHttpTransport, "sleep", at_once)
    of = await known(services, disk)
    managed.resource_manager.faults.add(ArmFault("DiskOperations - Get", refuse=(503, "ServerBusy", "busy")))
    taken = await services.disks.take_snapshot(of)
    assert await services.disks.own_snapshots(of) == [taken]


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
