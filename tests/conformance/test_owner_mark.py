"""The owner mark, and what tells of another backup container, alike in memory and on Azurite."""

import pytest

from shared.errors import BlobChangedError, LeaseLostError
from shared.limits import PAGE
from shared.model.names import BACKUP_METADATA, DISK_METADATA, OWNER_METADATA, TAKEN_METADATA
from shared.owner.mark import mark_of, require_owner
from tests.conformance.clouds import LATER_RUN, RUN, Cloud


async def test_an_app_marks_a_container_without_an_owner_and_finds_its_mark(cloud: Cloud) -> None:
    services = cloud.services
    assert await services.pages.find(mark_of(services)) is None
    await require_owner(services)
    found = await cloud.target(mark_of(services))
    assert (found.size, found.leased) == (0, True)
    assert found.metadata[OWNER_METADATA] == services.settings.app.storage
    await require_owner(services)
    assert await cloud.etag(mark_of(services)) == found.etag


async def test_a_mark_is_made_anew_where_it_was_deleted_and_leased_again_where_its_lease_was_broken(
    cloud: Cloud,
) -> None:
    services = cloud.services
    await require_owner(services)
    await cloud.break_lease(mark_of(services))
    await require_owner(services)
    assert (await cloud.target(mark_of(services))).leased
    await cloud.break_lease(mark_of(services))
    await cloud.delete(mark_of(services))
    await require_owner(services)
    assert (await cloud.target(mark_of(services))).leased


async def test_metadata_is_replaced_under_its_lease_and_of_its_etag_only(cloud: Cloud) -> None:
    services, mark = cloud.services, mark_of(cloud.services)
    etag = await services.blobs.create(mark, 0, {"of": "one", "more": "one"})
    with pytest.raises(LeaseLostError):
        await services.blobs.set_metadata(mark, {"of": "two"}, etag, RUN)
    await services.leases.take(mark, RUN, etag)
    with pytest.raises(LeaseLostError):
        await services.blobs.set_metadata(mark, {"of": "two"}, etag, LATER_RUN)
    assert dict((await cloud.target(mark)).metadata) == {"of": "one", "more": "one"}
    await services.blobs.set_metadata(mark, {"of": "two"}, etag, RUN)
    assert dict((await cloud.target(mark)).metadata) == {"of": "two"}
    with pytest.raises(BlobChangedError):
        await services.blobs.set_metadata(mark, {"of": "three"}, etag, RUN)
    assert dict((await cloud.target(mark)).metadata) == {"of": "two"}


async def test_no_metadata_is_set_on_a_blob_that_is_gone(cloud: Cloud) -> None:
    with pytest.raises(BlobChangedError):
        await cloud.services.blobs.set_metadata(mark_of(cloud.services), {}, '"0x1"', RUN)


async def test_source_snapshots_are_listed_by_the_container_they_were_taken_for(cloud: Cloud) -> None:
    services, disk = cloud.services, await cloud.disk(1)
    now = services.now().isoformat()
    about = {DISK_METADATA: disk.name, BACKUP_METADATA: cloud.lab.url, TAKEN_METADATA: now}
    before = await cloud.snapshot(disk, about)
    taken = await services.disks.take_snapshot(disk)
    assert await services.disks.own_snapshots(disk) == [taken]
    assert await services.disks.own_snapshots(disk, cloud.lab) == [before]


async def test_the_container_before_is_listed_when_asked_for(cloud: Cloud) -> None:
    old = cloud.lab.blob("old.vhd")
    await cloud.make(old, 2, {"of": "old"})
    found = [(stored.blob, stored.size) async for stored in cloud.services.backups.blobs(cloud.lab)]
    assert found == [(old, 2 * PAGE)]
    assert [stored async for stored in cloud.services.backups.blobs()] == []
