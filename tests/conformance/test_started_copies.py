"""Copies as the workflows start them: unsigned within an account if possible, and retried while the error may pass."""

from datetime import timedelta

import pytest
from azure.core.exceptions import HttpResponseError

from shared.errors import CopyRefusedError, LeaseLostError
from shared.limits import PAGE
from shared.model.blob import CopyStage
from shared.model.names import COPY_METADATA
from shared.pages.copying import COPY_REFUSED_FOR, BlobCopy, check_copy, settle_copy, start_copy
from tests.conformance.clouds import RUN, Cloud, at
from tests.conformance.in_memory import SimulatedCloud

MARK = "restore/1"


@pytest.mark.parametrize("signed", [False, True])
async def test_a_copy_within_an_account_is_started_with_a_signature_or_without(cloud: Cloud, *, signed: bool) -> None:
    disk, target = await cloud.disk(1, 2), cloud.lab.blob("new.vhd")
    taken = await cloud.services.disks.take_snapshot(disk)
    if signed:
        cloud.want_signatures()
    held = cloud.hold(target)
    await start_copy(cloud.services, BlobCopy(target, MARK, 2 * PAGE), at(disk, taken), {}, etag=None)
    await held.finish()
    assert await cloud.content(target) == [1, 2]


async def test_a_copy_of_a_deleted_blob_is_not_started(cloud: Cloud) -> None:
    disk, target = await cloud.disk(1, 2), cloud.lab.blob("new.vhd")
    taken = await cloud.services.disks.take_snapshot(disk)
    await cloud.services.disks.delete_snapshot(disk, taken)
    with pytest.raises((CopyRefusedError, HttpResponseError)):
        await start_copy(cloud.services, BlobCopy(target, MARK, 2 * PAGE), at(disk, taken), {}, etag=None)
    assert await cloud.services.pages.find(target) is None


@pytest.mark.parametrize(("status", "patience"), [(500, COPY_REFUSED_FOR), (503, timedelta(minutes=5))])
async def test_a_failing_source_is_retried_for_a_minute_and_a_busy_one_for_five(
    in_memory: SimulatedCloud, status: int, patience: timedelta
) -> None:
    cloud = in_memory
    disk = await cloud.disk(1, 2)
    await cloud.backup(disk, 2)
    backup, began = at(cloud.services.backups.address(disk), ""), cloud.services.now()
    copy = BlobCopy(cloud.named("new.vhd").address, MARK, 2 * PAGE)
    cloud.refuse_source(status)
    with pytest.raises(HttpResponseError):
        await start_copy(cloud.services, copy, backup, {}, etag=None)
    assert patience <= cloud.services.now() - began < patience + timedelta(seconds=31)


async def test_a_copy_is_followed_to_its_end_and_settled_once(cloud: Cloud) -> None:
    disk, copy = await cloud.disk(1, 2), BlobCopy(cloud.lab.blob("new.vhd"), MARK, 2 * PAGE)
    assert (await check_copy(cloud.services, copy)).stage is CopyStage.NOT_STARTED
    held = cloud.hold(copy.target)
    await start_copy(cloud.services, copy, at(disk), {"a": "b"}, etag=None)
    assert (await check_copy(cloud.services, copy)).stage is CopyStage.UNDER_WAY
    await held.finish()
    made = (await check_copy(cloud.services, copy)).succeeded
    assert made
    etag = await settle_copy(cloud.services, copy, made)
    settled = (await check_copy(cloud.services, copy)).succeeded
    assert settled
    assert (settled.etag, settled.copy_status) == (etag, "")
    assert settled.metadata == {"a": "b", COPY_METADATA: MARK}
    assert await settle_copy(cloud.services, copy, settled) == etag


async def test_a_copy_that_was_not_under_its_lease_all_the_time_is_not_settled(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    copy = BlobCopy(cloud.services.backups.address(disk), MARK, 2 * PAGE, RUN)
    etag = await cloud.leased_backup(disk, 2)
    held = cloud.hold(copy.target)
    await start_copy(cloud.services, copy, at(disk), {}, etag=etag)
    await held.finish()
    await cloud.break_lease(copy.target)
    made = (await check_copy(cloud.services, copy)).succeeded
    assert made
    with pytest.raises(LeaseLostError):
        await settle_copy(cloud.services, copy, made)
    assert (await cloud.target(copy.target)).copy_status == "success"
