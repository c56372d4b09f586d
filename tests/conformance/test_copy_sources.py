"""A source that the service may not or can not read is reported alike in memory and on Azurite."""

import pytest
from azure.core.exceptions import HttpResponseError

from shared.azure.answers import is_busy, is_transient, refuses_source
from shared.errors import CopyRefusedError, SourceUnreachableError
from shared.model.names import COPY_METADATA
from tests.conformance.clouds import RUN, Cloud, at, pages_of

MARK = {COPY_METADATA: "restore/1"}


async def test_a_source_that_refuses_is_told_apart(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    await cloud.leased_backup(disk, 2)
    backup, source = cloud.services.backups.address(disk), await cloud.source(disk)
    cloud.refuse_source(403)
    with pytest.raises(SourceUnreachableError):
        await cloud.services.blobs.put_from_url(backup, pages_of(0, 1), source, RUN)
    with pytest.raises(CopyRefusedError):
        await cloud.services.copies.start(cloud.named("new.vhd").address, await cloud.source(backup), MARK, etag=None)
    assert await cloud.changes(backup) == []
    assert await cloud.services.pages.find(cloud.named("new.vhd").address) is None


@pytest.mark.parametrize(("status", "busy"), [(500, False), (503, True)])
async def test_a_source_that_fails_or_is_busy_may_be_read_later(cloud: Cloud, status: int, *, busy: bool) -> None:
    disk = await cloud.disk(1, 2)
    await cloud.leased_backup(disk, 2)
    backup, source = cloud.services.backups.address(disk), await cloud.source(disk)
    cloud.refuse_source(status)
    for act in (
        cloud.services.blobs.put_from_url(backup, pages_of(0, 1), source, RUN),
        cloud.services.copies.start(cloud.named("new.vhd").address, await cloud.source(backup), MARK, etag=None),
    ):
        with pytest.raises(HttpResponseError) as refused:
            await act
        error = refused.value
        assert (is_transient(error), is_busy(error), refuses_source(error)) == (True, busy, not busy)
    assert await cloud.changes(backup) == []
    assert await cloud.services.pages.find(cloud.named("new.vhd").address) is None


async def test_a_service_may_want_a_signature_within_an_account(cloud: Cloud) -> None:
    disk, target = await cloud.disk(1, 2), cloud.lab.blob("new.vhd")
    taken = await cloud.services.disks.take_snapshot(disk)
    cloud.want_signatures()
    with pytest.raises(CopyRefusedError):
        await cloud.services.copies.start(target, at(disk, taken).name, MARK, etag=None)
    held = cloud.hold(target)
    await cloud.services.copies.start(target, await cloud.source(disk, taken), MARK, etag=None)
    await held.finish()
    assert await cloud.content(target) == [1, 2]
