"""Snapshots whose network access a policy makes private: what is read of them, from where, and what is refused."""

import pytest
from azure.core.exceptions import HttpResponseError

from shared.azure.answers import explain, is_busy, is_permanent, is_transient
from shared.errors import CopyRefusedError, DiffRefusedError, DiskError, SourceUnreachableError
from shared.model.disk import ManagedDisk
from tests.conformance.clouds import RUN
from tests.conformance.machines import BLOCK, Machines


async def taken_of(machines: Machines, disk: ManagedDisk) -> str:
    """Take a source snapshot that can be read."""
    taken = await machines.services.disks.take_snapshot(disk)
    assert await machines.services.disks.pending(disk, taken) == ""
    return taken


@pytest.mark.parametrize("public_access", ["Enabled", "Disabled"])
async def test_a_private_snapshot_is_read_in_its_network_and_so_is_what_changed(
    machines: Machines, public_access: str
) -> None:
    machines.set_policy("AllowPrivate", public_access)
    machines.join_network()
    disk = await machines.disk(1, None, 3)
    base = await taken_of(machines, disk)
    await machines.write(disk, 0, 5)
    await machines.clear(disk, 2)
    taken = await taken_of(machines, disk)
    assert await machines.content(disk, base) == [1, 0, 3]
    assert await machines.changes(disk, base) == [(0, 1, "write"), (2, 3, "write")]
    assert await machines.changes(disk, taken, base) == [(0, 1, "write"), (2, 3, "clear")]


async def test_where_private_snapshots_give_no_difference_it_is_refused_and_all_is_listed(machines: Machines) -> None:
    machines.set_policy("AllowPrivate")
    machines.join_network(gives_diffs=False)
    disk = await machines.disk(1)
    base, taken = [await taken_of(machines, disk) for _ in range(2)]
    with pytest.raises(DiffRefusedError, match="private"):
        await machines.changes(disk, taken, base)
    assert await machines.changes(disk, taken) == [(0, 1, "write")]


async def test_no_difference_is_had_from_a_snapshot_that_was_taken_before_they_were_private(
    machines: Machines,
) -> None:
    machines.join_network()
    disk = await machines.disk(1)
    base = await taken_of(machines, disk)
    machines.set_policy("AllowPrivate")
    taken = await taken_of(machines, disk)
    with pytest.raises(DiffRefusedError, match="private"):
        await machines.changes(disk, taken, base)


async def test_outside_its_network_a_private_snapshot_is_refused_with_what_to_do_until_the_app_joins(
    machines: Machines,
) -> None:
    machines.set_policy("AllowPrivate", "Disabled")
    disk = await machines.disk(1)
    base, taken = [await taken_of(machines, disk) for _ in range(2)]
    for read in (
        lambda: machines.changes(disk, taken, base),
        lambda: machines.changes(disk, taken),
        lambda: machines.content(disk, taken),
    ):
        with pytest.raises(HttpResponseError) as refused:
            await read()
        assert "What to do: join the function app to the virtual network" in explain(refused.value)
        assert "exempt the resource group" in explain(refused.value)
        assert (is_permanent(refused.value), is_transient(refused.value)) == (False, False)
    machines.join_network()
    assert await machines.content(disk, taken) == [1]
    assert await machines.changes(disk, taken, base) == []


async def test_the_service_copies_nothing_from_a_private_snapshot(machines: Machines) -> None:
    machines.set_policy("AllowPrivate")
    machines.join_network()
    disk, services = await machines.disk(1), machines.services
    taken = await taken_of(machines, disk)
    backup = services.backups.address(disk)
    await services.leases.take(backup, RUN, await services.blobs.create(backup, BLOCK + 512, {}))
    url, copy = await machines.source(disk, taken), services.settings.container.blob(disk.full_copy_name(taken))
    with pytest.raises(SourceUnreachableError, match="private"):
        await services.blobs.put_from_url(backup, machines.pages_of(0, 1), url, RUN)
    with pytest.raises(CopyRefusedError, match="private"):
        await services.copies.start(copy, url, {}, etag=None)
    assert await services.pages.find(copy) is None


@pytest.mark.parametrize("policy", [("DenyAll", "Enabled"), ("DenyAll", "Disabled"), ("AllowAll", "Disabled")])
async def test_a_snapshot_that_nobody_can_read_is_refused_by_name(machines: Machines, policy: tuple[str, str]) -> None:
    machines.set_policy(*policy)
    machines.join_network()
    disk = await machines.disk(1)
    taken = await machines.services.disks.take_snapshot(disk)
    with pytest.raises(DiskError, match="What to do: exempt the resource group from the Azure Policy"):
        await machines.services.disks.pending(disk, taken)


async def test_five_private_snapshots_are_read_at_once_and_who_lacks_a_base_lets_go_of_what_it_has(
    machines: Machines,
) -> None:
    machines.set_policy("AllowPrivate")
    machines.join_network()
    theirs = [await machines.others_take(await machines.disk(1, name=f"other-{n}"), f"tool-{n}") for n in range(5)]
    disk = await machines.disk(1)
    base, taken = [await taken_of(machines, disk) for _ in range(2)]
    for resource in theirs[1:]:
        await machines.others_read(resource)
    with pytest.raises(HttpResponseError, match="disk access") as refused:
        await machines.changes(disk, taken, base)
    assert is_busy(refused.value)
    await machines.others_read(theirs[0])
    for resource in theirs[:2]:
        await machines.others_let_go(resource)
    assert await machines.changes(disk, taken, base) == []


@pytest.mark.parametrize("network_access", ["AllowAll", "AllowPrivate"])
async def test_a_private_snapshot_is_let_go_of_for_others_and_can_be_read_again(
    machines: Machines, network_access: str
) -> None:
    machines.set_policy(network_access)
    machines.join_network()
    disk = await machines.disk(1)
    taken = await taken_of(machines, disk)
    version = await machines.version(disk, taken)
    before = await machines.services.pages.signed_url(version)
    await machines.services.disks.let_go(disk, taken)
    assert (await machines.services.pages.signed_url(version) == before) is (network_access == "AllowAll")
    assert await machines.content(disk, taken) == [1]
    await machines.services.disks.delete_snapshot(disk, taken)
    await machines.services.disks.let_go(disk, taken)
