"""Managed disks are made by uploads in the same way in memory and with the local resource manager."""

import itertools
import uuid
from collections.abc import Iterator

import pytest
from azure.core.exceptions import HttpResponseError

from infra.local.disks.vhd import FOOTER_BYTES, MIB, make_footer
from infra.local.managed_disks import GROUP, LOCATION, SUBSCRIPTION
from shared.azure.sources.uploads import Uploads
from shared.changes.ranges import Change
from shared.errors import SourceUnreachableError, UploadLostError
from shared.model.disk import ManagedDisk
from shared.model.disk_ids import DiskId
from shared.model.disk_profile import DiskProfile
from tests.conformance.clouds import RUN
from tests.conformance.machines import BLOCK, Machines, SecondUpload

SIZE = 20 * MIB
FOOTER = make_footer(SIZE, uuid.UUID(int=1), 1_800_000_000)
LAST = Change(SIZE, SIZE + FOOTER_BYTES, clear=False)
FIRST = Change(0, BLOCK, clear=False)
PROFILE = DiskProfile(location=LOCATION, sku="Premium_LRS", tags={"team": "data"})
MARK = "restore/1"


@pytest.fixture
def disk_id() -> DiskId:
    """The ID of a disk that is not there yet."""
    return DiskId(SUBSCRIPTION, GROUP, "back")


@pytest.fixture
def marks() -> Iterator[str]:
    return (f"restore/{attempt}" for attempt in itertools.count(2))


async def made(uploads: Uploads, disk_id: DiskId, mark: str = MARK) -> ManagedDisk:
    await uploads.create(disk_id, SIZE + FOOTER_BYTES, PROFILE, mark)
    found = await uploads.find(disk_id)
    assert found
    assert (found.mark, found.uploads, found.problem) == (mark, True, "")
    return ManagedDisk(disk_id, found.unique_id)


async def uploaded(machines: Machines, disk_id: DiskId, number: int = 7) -> ManagedDisk:
    disk, uploads = await made(machines.services.uploads, disk_id), machines.services.uploads
    await uploads.write(disk, FIRST, machines.content_of(number))
    await uploads.write(disk, LAST, FOOTER)
    await uploads.finish(disk)
    return disk


async def first_block(machines: Machines, disk: ManagedDisk) -> list[int]:
    """Read the first block of a disk, by a snapshot of it."""
    url = await machines.services.pages.signed_url(await machines.version(disk))
    return machines.numbers(await machines.services.pages.read(url, FIRST))


async def test_a_disk_is_made_once_however_often_it_is_asked_for(machines: Machines, disk_id: DiskId) -> None:
    assert await machines.services.uploads.find(disk_id) is None
    disk = await made(machines.services.uploads, disk_id)
    assert await made(machines.services.uploads, disk_id) == disk


async def test_a_disk_that_waits_for_its_upload_is_none_to_back_up(machines: Machines) -> None:
    disk = await made(machines.services.uploads, DiskId(SUBSCRIPTION, GROUP, "disk-back"))
    (pattern,) = machines.services.settings.source_disks
    assert await machines.services.disks.find(pattern) == []
    assert not await machines.services.disks.exists(disk)
    with pytest.raises(HttpResponseError) as refused:
        await machines.others_take(disk, "tool")
    assert refused.value.status_code == 409


async def test_a_disk_that_is_there_is_not_put_over(machines: Machines) -> None:
    disk = await machines.disk(1, 2, tags={"team": "theirs"})
    with pytest.raises(Exception, match=r"PropertyChangeNotAllowed|another disk"):
        await machines.services.uploads.create(disk.id, SIZE + FOOTER_BYTES, PROFILE, MARK)
    found = await machines.services.uploads.find(disk.id)
    assert found
    assert (found.unique_id, found.mark, found.uploads) == (disk.unique_id, "", False)
    assert await machines.content(disk) == [1, 2]


async def test_nothing_is_uploaded_into_a_disk_that_is_in_use(machines: Machines) -> None:
    disk = await machines.disk(1, 2)
    with pytest.raises(UploadLostError):
        await machines.services.uploads.write(disk, FIRST, machines.content_of(5))
    assert await machines.content(disk) == [1, 2]


async def test_it_is_written_to_by_both_ways_and_can_be_used_once_that_is_finished(
    machines: Machines, disk_id: DiskId
) -> None:
    source, uploads = await machines.disk(3, 4), machines.services.uploads
    disk = await made(uploads, disk_id)
    url = await machines.source(source)
    await uploads.put_from_url(disk, FIRST, url)
    second = Change(BLOCK, 2 * BLOCK, clear=False)
    await uploads.write(disk, second, machines.content_of(9))
    await uploads.write(disk, LAST, FOOTER)
    await uploads.finish(disk)
    found = await uploads.find(disk_id)
    assert found
    assert (found.unique_id, found.uploads, found.mark) == (disk.unique_id, False, MARK)
    assert await machines.services.disks.exists(disk)
    snapshot = await machines.services.disks.take_snapshot(disk)
    content = await machines.content(disk, snapshot)
    assert content[:2] == [3, 9]
    assert set(content[2:]) == {0}
    assert await machines.footer(disk, snapshot) == FOOTER


async def test_the_recovery_point_of_a_page_blob_is_copied_into_it(machines: Machines, disk_id: DiskId) -> None:
    services = machines.services
    disk, backup = await made(services.uploads, disk_id), services.settings.container.blob("disks/point.vhd")
    etag = await services.blobs.create(backup, BLOCK, {})
    await services.leases.take(backup, RUN, etag)
    await services.blobs.write(backup, FIRST, machines.content_of(6), RUN)
    await services.uploads.put_from_url(disk, FIRST, await services.pages.signed_url(machines.blob(backup)))
    await services.uploads.write(disk, LAST, FOOTER)
    await services.uploads.finish(disk)
    assert await first_block(machines, disk) == [6]


async def test_a_source_that_can_not_be_read_is_told_apart_and_nothing_is_written(
    machines: Machines, disk_id: DiskId
) -> None:
    source, uploads = await machines.disk(3), machines.services.uploads
    url, disk = await machines.source(source), await made(uploads, disk_id)
    machines.end_access()
    with pytest.raises(SourceUnreachableError):
        await uploads.put_from_url(disk, FIRST, url)
    await uploads.write(disk, LAST, FOOTER)
    await uploads.finish(disk)
    assert await first_block(machines, disk) == [0]


async def test_what_has_no_footer_of_its_size_is_no_disk_and_waits_for_another_upload(
    machines: Machines, disk_id: DiskId
) -> None:
    disk, uploads = await made(machines.services.uploads, disk_id), machines.services.uploads
    of_another_size = make_footer(SIZE - MIB, uuid.UUID(int=1), 1_800_000_000)
    for last in (bytes(FOOTER_BYTES), of_another_size):
        await uploads.write(disk, LAST, last)
        with pytest.raises(HttpResponseError) as refused:
            await uploads.finish(disk)
        assert refused.value.status_code == 409
        found = await uploads.find(disk_id)
        assert found
        assert (found.unique_id, found.uploads) == (disk.unique_id, True)
    await uploads.write(disk, LAST, FOOTER)
    await uploads.finish(disk)
    assert await machines.services.disks.exists(disk)


async def test_nothing_is_written_to_a_disk_once_its_upload_is_finished(machines: Machines, disk_id: DiskId) -> None:
    disk = await uploaded(machines, disk_id)
    for uploads in (machines.services.uploads, machines.another_process()):
        with pytest.raises(UploadLostError):
            await uploads.write(disk, FIRST, machines.content_of(8))
    assert await first_block(machines, disk) == [7]


async def test_to_finish_twice_is_harmless(machines: Machines, disk_id: DiskId) -> None:
    disk = await uploaded(machines, disk_id)
    await machines.services.uploads.finish(disk)
    assert await machines.services.disks.exists(disk)


@pytest.mark.parametrize("given", ["same", "new"])
async def test_another_process_writes_by_the_same_url_or_another_as_azure_may_give_it(
    machines: Machines, disk_id: DiskId, given: SecondUpload
) -> None:
    machines.give_second_upload(given)
    uploads, others = machines.services.uploads, machines.another_process()
    disk = await made(uploads, disk_id)
    await uploads.write(disk, FIRST, machines.content_of(1))
    await others.write(disk, Change(BLOCK, 2 * BLOCK, clear=False), machines.content_of(2))
    await uploads.write(disk, LAST, FOOTER)
    await uploads.finish(disk)
    assert (await machines.content(disk))[:2] == [1, 2]


async def test_where_azure_gives_no_second_url_the_upload_is_lost_to_another_process(
    machines: Machines, disk_id: DiskId
) -> None:
    machines.give_second_upload("refused")
    uploads, others = machines.services.uploads, machines.another_process()
    disk = await made(uploads, disk_id)
    await uploads.write(disk, FIRST, machines.content_of(1))
    with pytest.raises(UploadLostError):
        await others.write(disk, FIRST, machines.content_of(2))
    await uploads.write(disk, LAST, FOOTER)
    await uploads.finish(disk)
    assert await first_block(machines, disk) == [1]


async def test_a_url_that_is_over_or_was_ended_is_had_anew(machines: Machines, disk_id: DiskId) -> None:
    machines.give_second_upload("new")
    uploads = machines.services.uploads
    disk = await made(uploads, disk_id)
    await uploads.write(disk, FIRST, machines.content_of(1))
    with pytest.raises(HttpResponseError):
        await machines.manager.act(f"{disk_id.url}/endGetAccess")
    await uploads.write(disk, LAST, FOOTER)
    await uploads.finish(disk)
    assert await first_block(machines, disk) == [1]


async def test_a_disk_that_can_be_written_to_is_deleted_once_its_access_is_ended(
    machines: Machines, disk_id: DiskId
) -> None:
    uploads = machines.services.uploads
    disk = await made(uploads, disk_id)
    await uploads.write(disk, FIRST, machines.content_of(1))
    with pytest.raises(HttpResponseError) as refused:
        await machines.manager.delete(disk_id.url)
    assert refused.value.status_code == 409
    await uploads.discard(disk)
    assert await uploads.find(disk_id) is None
    await uploads.discard(disk)


async def test_a_disk_is_discarded_only_if_it_is_that_very_disk(
    machines: Machines, disk_id: DiskId, marks: Iterator[str]
) -> None:
    uploads = machines.services.uploads
    former = await made(uploads, disk_id)
    await uploads.discard(former)
    mark = next(marks)
    disk = await made(uploads, disk_id, mark)
    assert disk != former
    await uploads.discard(former)
    found = await uploads.find(disk_id)
    assert found
    assert (found.unique_id, found.mark) == (disk.unique_id, mark)


async def test_the_url_of_a_discarded_disk_writes_to_none_that_is_made_in_its_place(
    machines: Machines, disk_id: DiskId, marks: Iterator[str]
) -> None:
    uploads, others = machines.services.uploads, machines.another_process()
    former = await made(uploads, disk_id)
    await uploads.write(former, FIRST, machines.content_of(1))
    await others.discard(former)
    disk = await made(others, disk_id, next(marks))
    await others.write(disk, LAST, FOOTER)
    with pytest.raises(UploadLostError, match="another disk"):
        await uploads.write(former, FIRST, machines.content_of(2))
    await others.finish(disk)
    assert await first_block(machines, disk) == [0]


async def test_whether_a_disk_may_be_made_is_looked_at_without_making_one(machines: Machines, disk_id: DiskId) -> None:
    await machines.services.uploads.require_permitted(disk_id)
    assert await machines.services.uploads.find(disk_id) is None
