"""Leases keep others out of a blob alike in memory and on Azurite."""

import contextlib
from collections.abc import Awaitable, Callable

import pytest

from shared.errors import LeaseLostError, NotAsLeftError, TargetLeasedError
from shared.limits import PAGE
from shared.model.addresses import BlobAddress
from tests.conformance.clouds import LATER_RUN, RUN, SOMEBODY, Cloud, content_of, pages_of


async def _copied(cloud: Cloud, disk: BlobAddress, lease: str) -> None:
    await cloud.services.backups.copy(disk, pages_of(0, 1), await cloud.source(disk), lease)


Write = Callable[[Cloud, BlobAddress, str], Awaitable[None]]
WRITES: dict[str, Write] = {
    "written": lambda cloud, disk, lease: cloud.services.backups.write(disk, pages_of(0, 1), content_of(9), lease),
    "cleared": lambda cloud, disk, lease: cloud.services.backups.clear(disk, pages_of(0, 1, clear=True), lease),
    "resized": lambda cloud, disk, lease: cloud.services.backups.resize(disk, 8 * PAGE, lease),
    "copied to": _copied,
}


async def test_a_lease_is_acquired_and_seen(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.backup(disk, 1)
    assert await cloud.services.backups.acquire_lease(disk, RUN, etag) is False
    found = await cloud.services.backups.look(disk)
    assert found
    assert (found.leased, found.etag) == (True, etag)
    assert (await cloud.target(cloud.services.backups.address(disk))).leased


async def test_a_lease_acquired_again_is_the_same(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.leased_backup(disk, 1)
    assert await cloud.services.backups.acquire_lease(disk, RUN, etag) is False
    await cloud.services.copies.acquire_lease(cloud.services.backups.address(disk), RUN, etag)
    assert await cloud.services.backups.renew_lease(disk, RUN)


async def test_no_lease_is_acquired_of_another_etag(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.backup(disk, 1)
    backup = cloud.services.backups.address(disk)
    await cloud.write(backup, 0, 1)
    with pytest.raises(NotAsLeftError):
        await cloud.services.backups.acquire_lease(disk, RUN, etag)
    with pytest.raises(NotAsLeftError):
        await cloud.services.copies.acquire_lease(backup, RUN, etag)
    assert not (await cloud.target(backup)).leased


async def test_a_lease_is_not_acquired_again_of_another_etag(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.leased_backup(disk, 1)
    await WRITES["written"](cloud, disk, RUN)
    with pytest.raises(NotAsLeftError):
        await cloud.services.backups.acquire_lease(disk, RUN, etag)
    with pytest.raises(NotAsLeftError):
        await cloud.services.copies.acquire_lease(cloud.services.backups.address(disk), RUN, etag)


async def test_a_run_breaks_the_lease_of_another(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.leased_backup(disk, 1)
    assert await cloud.services.backups.acquire_lease(disk, LATER_RUN, etag) is True
    assert await cloud.services.backups.renew_lease(disk, LATER_RUN)
    assert not await cloud.services.backups.renew_lease(disk, RUN)
    assert await cloud.etag(cloud.services.backups.address(disk)) == etag


async def test_no_lease_is_broken_of_another_etag(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.leased_backup(disk, 1)
    await WRITES["written"](cloud, disk, RUN)
    with pytest.raises(NotAsLeftError):
        await cloud.services.backups.acquire_lease(disk, LATER_RUN, etag)
    assert await cloud.services.backups.renew_lease(disk, RUN)


async def test_a_restore_does_not_break_the_lease_of_somebody_else(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.etag(disk)
    await cloud.lease(disk)
    assert (await cloud.target(disk)).leased
    with pytest.raises(TargetLeasedError):
        await cloud.services.copies.acquire_lease(disk, RUN, etag)
    with pytest.raises(NotAsLeftError):
        await cloud.services.copies.renew_lease(disk, RUN)
    await cloud.services.copies.renew_lease(disk, SOMEBODY)


async def test_no_lease_is_acquired_of_a_blob_that_is_gone(cloud: Cloud) -> None:
    with pytest.raises(NotAsLeftError):
        await cloud.services.copies.acquire_lease(cloud.disks.blob("disk.vhd"), RUN, '"0x1"')


async def test_only_the_lease_that_there_is_can_be_renewed(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    backups, backup = cloud.services.backups, cloud.services.backups.address(disk)
    assert not await backups.renew_lease(disk, RUN)
    with pytest.raises(NotAsLeftError):
        await cloud.services.copies.renew_lease(backup, RUN)
    etag = await cloud.backup(disk, 1)
    assert not await backups.renew_lease(disk, RUN)
    await backups.acquire_lease(disk, RUN, etag)
    assert await backups.renew_lease(disk, RUN)
    await cloud.services.copies.renew_lease(backup, RUN)
    assert not await backups.renew_lease(disk, LATER_RUN)
    with pytest.raises(NotAsLeftError):
        await cloud.services.copies.renew_lease(backup, LATER_RUN)


async def test_a_lease_that_was_broken_is_not_renewed_but_may_be_acquired_again(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.leased_backup(disk, 1)
    await cloud.break_lease(cloud.services.backups.address(disk))
    found = await cloud.services.backups.look(disk)
    assert found
    assert not found.leased
    assert not await cloud.services.backups.renew_lease(disk, RUN)
    assert await cloud.services.backups.acquire_lease(disk, RUN, etag) is False
    assert await cloud.services.backups.renew_lease(disk, RUN)


async def test_after_a_broken_lease_anybody_may_acquire_one(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.leased_backup(disk, 1)
    await cloud.break_lease(cloud.services.backups.address(disk))
    await cloud.services.copies.acquire_lease(cloud.services.backups.address(disk), LATER_RUN, etag)
    assert await cloud.services.backups.renew_lease(disk, LATER_RUN)


async def test_a_lease_is_changed_at_one_stroke_and_again_harmlessly(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    await cloud.leased_backup(disk, 1)
    for _ in range(2):
        await cloud.services.backups.change_lease(disk, RUN, LATER_RUN)
        assert await cloud.services.backups.renew_lease(disk, LATER_RUN)
        assert not await cloud.services.backups.renew_lease(disk, RUN)


async def test_only_the_lease_that_there_is_can_be_changed(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    await cloud.services.backups.change_lease(disk, RUN, LATER_RUN)
    await cloud.backup(disk, 1)
    backup = cloud.services.backups.address(disk)
    await cloud.services.backups.change_lease(disk, RUN, LATER_RUN)
    assert not (await cloud.target(backup)).leased
    await cloud.lease(backup)
    await cloud.services.backups.change_lease(disk, RUN, LATER_RUN)
    assert await cloud.services.backups.renew_lease(disk, SOMEBODY)
    await cloud.break_lease(backup)
    await cloud.services.backups.change_lease(disk, SOMEBODY, LATER_RUN)
    assert not (await cloud.target(backup)).leased


async def test_a_lease_released_twice_is_fine(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    await cloud.leased_backup(disk, 1)
    backup = cloud.services.backups.address(disk)
    for _ in range(2):
        await cloud.services.backups.release_lease(disk, RUN)
        await cloud.services.copies.release_lease(backup, RUN)
    assert not (await cloud.target(backup)).leased
    await cloud.delete(backup)
    await cloud.services.backups.release_lease(disk, RUN)
    await cloud.services.copies.release_lease(backup, RUN)


async def test_the_lease_of_somebody_else_is_not_released(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    await cloud.lease(disk)
    await cloud.services.copies.release_lease(disk, RUN)
    await cloud.services.copies.renew_lease(disk, SOMEBODY)
    await cloud.leased_backup(disk, 1)
    await cloud.services.backups.release_lease(disk, LATER_RUN)
    assert await cloud.services.backups.renew_lease(disk, RUN)


@pytest.mark.parametrize("write", WRITES)
async def test_nothing_is_done_without_the_lease_it_was_asked_under(cloud: Cloud, write: str) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.backup(disk, 2)
    with pytest.raises(LeaseLostError):
        await WRITES[write](cloud, disk, RUN)
    assert await cloud.etag(cloud.services.backups.address(disk)) == etag


@pytest.mark.parametrize("write", WRITES)
async def test_nothing_is_done_under_a_lease_that_has_ended(cloud: Cloud, write: str) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.leased_backup(disk, 2)
    await cloud.services.backups.release_lease(disk, RUN)
    with pytest.raises(LeaseLostError):
        await WRITES[write](cloud, disk, RUN)
    await cloud.services.backups.acquire_lease(disk, RUN, etag)
    await cloud.break_lease(cloud.services.backups.address(disk))
    with pytest.raises(LeaseLostError):
        await WRITES[write](cloud, disk, RUN)
    assert await cloud.etag(cloud.services.backups.address(disk)) == etag


@pytest.mark.parametrize("write", WRITES)
async def test_a_late_write_of_an_old_run_is_refused_under_a_new_one(cloud: Cloud, write: str) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.leased_backup(disk, 2)
    await cloud.services.backups.acquire_lease(disk, LATER_RUN, etag)
    with pytest.raises(LeaseLostError):
        await WRITES[write](cloud, disk, RUN)
    await cloud.services.backups.change_lease(disk, LATER_RUN, SOMEBODY)
    with pytest.raises(LeaseLostError):
        await WRITES[write](cloud, disk, LATER_RUN)
    assert await cloud.etag(cloud.services.backups.address(disk)) == etag
    await WRITES[write](cloud, disk, SOMEBODY)


async def test_a_restore_writes_under_its_lease_only(cloud: Cloud) -> None:
    disk, copies = await cloud.disk(1, 2), cloud.services.copies
    etag = await cloud.etag(disk)

    async def refused(lease: str) -> None:
        for act in (
            copies.write(disk, pages_of(0, 1), content_of(9), lease),
            copies.clear(disk, pages_of(0, 1, clear=True), lease),
            copies.resize(disk, 4 * PAGE, lease),
            copies.forget_source(disk, etag, lease),
            copies.delete(disk, etag, lease),
        ):
            with pytest.raises(NotAsLeftError):
                await act

    await refused(RUN)
    await copies.acquire_lease(disk, RUN, etag)
    await refused(LATER_RUN)
    for act in (copies.forget_source(disk, etag), copies.delete(disk, etag)):
        with pytest.raises(NotAsLeftError):
            await act
    assert await cloud.content(disk) == [1, 2]
    await copies.write(disk, pages_of(0, 1), content_of(9), RUN)
    await copies.resize(disk, 3 * PAGE, RUN)
    await copies.clear(disk, pages_of(1, 2, clear=True), RUN)
    assert await cloud.content(disk) == [9, 0, 0]
    assert await cloud.changes(disk) == [(0, 1, "write")]


async def test_a_lease_of_somebody_else_keeps_a_write_without_one_out(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    await cloud.lease(disk)
    await cloud.write(disk, 0, 2, lease=SOMEBODY)
    with pytest.raises(Exception, match="LeaseIdMissing"):
        await cloud.write(disk, 0, 3)
    assert await cloud.content(disk) == [2]


async def test_a_lease_of_somebody_else_is_told_of_whatever_the_etag_is(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    etag = await cloud.etag(disk)
    await cloud.write(disk, 0, 2)
    await cloud.lease(disk)
    with pytest.raises((NotAsLeftError, TargetLeasedError)):
        await cloud.services.copies.acquire_lease(disk, RUN, etag)
    await cloud.services.copies.renew_lease(disk, SOMEBODY)


async def test_no_blob_is_made_or_copied_over_one_that_is_leased(cloud: Cloud) -> None:
    disk, target, copies = await cloud.disk(1), cloud.lab.blob("old.vhd"), cloud.services.copies
    await cloud.leased_backup(disk, 1)
    with pytest.raises(NotAsLeftError):
        await cloud.services.backups.create(disk, PAGE, {})
    await cloud.make(target, 2)
    old = await cloud.etag(target)
    await cloud.write(target, 0, 2)
    await cloud.lease(target)
    with pytest.raises(NotAsLeftError):
        await copies.create(target, PAGE, {})
    # Which of the two conditions is looked at first is on no page: either way no copy begins.
    for etag in (None, old):
        with contextlib.suppress(NotAsLeftError):
            await copies.start(target, await cloud.source(disk), {}, etag=etag)
    assert await cloud.content(target) == [2, 0]
    assert (await cloud.target(target)).copy_status == ""
