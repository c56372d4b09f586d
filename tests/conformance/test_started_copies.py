"""Copies as the workflows start them: unsigned within an account where that does, and for a while where it may pass."""

from datetime import timedelta

import pytest
from azure.core.exceptions import HttpResponseError

from shared.azure.blobs.reading import Version
from shared.errors import CopyRefusedError
from shared.model.names import COPY_METADATA
from shared.points.versions import REFUSED_FOR, start_copy
from tests.conformance.clouds import Cloud
from tests.conformance.in_memory import SimulatedCloud

MARK = {COPY_METADATA: "restore/1"}


@pytest.mark.parametrize("signed", [False, True])
async def test_a_copy_within_an_account_is_started_with_a_signature_or_without(cloud: Cloud, *, signed: bool) -> None:
    disk, target = await cloud.disk(1, 2), cloud.lab.blob("new.vhd")
    taken = await cloud.services.disks.take_snapshot(disk)
    if signed:
        cloud.want_signatures()
    held = cloud.hold(target)
    await start_copy(cloud.services, Version(disk, taken), target, MARK, etag=None)
    await held.finish()
    assert await cloud.content(target) == [1, 2]


async def test_a_copy_of_what_is_gone_is_not_started(cloud: Cloud) -> None:
    disk, target = await cloud.disk(1, 2), cloud.lab.blob("new.vhd")
    taken = await cloud.services.disks.take_snapshot(disk)
    await cloud.services.disks.delete_snapshot(disk, taken)
    with pytest.raises((CopyRefusedError, HttpResponseError)):
        await start_copy(cloud.services, Version(disk, taken), target, MARK, etag=None)
    assert await cloud.services.pages.look(target) is None


@pytest.mark.parametrize(("status", "patience"), [(500, REFUSED_FOR), (503, timedelta(minutes=5))])
async def test_a_source_that_fails_is_asked_for_a_minute_and_a_busy_one_for_five(
    in_memory: SimulatedCloud, status: int, patience: timedelta
) -> None:
    cloud = in_memory
    disk = await cloud.disk(1, 2)
    await cloud.backup(disk, 2)
    backup, began = Version(cloud.services.backups.address(disk), ""), cloud.services.now()
    cloud.refuse_source(status)
    with pytest.raises(HttpResponseError):
        await start_copy(cloud.services, backup, cloud.disks.blob("new.vhd"), MARK, etag=None)
    assert patience <= cloud.services.now() - began < patience + timedelta(seconds=31)
