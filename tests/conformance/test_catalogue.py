"""What the backup container holds is listed alike in memory and on Azurite."""

from shared.limits import PAGE
from shared.model.names import COPY_METADATA
from tests.conformance.clouds import RUN, Cloud, at


async def listed(cloud: Cloud) -> list[tuple[str, str, int, dict[str, str], str]]:
    return [
        (found.blob.url, found.snapshot, found.size, dict(found.metadata), found.copy_status)
        async for found in cloud.services.backups.blobs()
    ]


async def test_an_empty_container_has_nothing_to_list(cloud: Cloud) -> None:
    await cloud.disk(1)
    assert await listed(cloud) == []


async def test_all_blobs_and_snapshots_are_listed_in_order_of_their_names(cloud: Cloud) -> None:
    second, first = await cloud.disk(1, name="disk2.vhd"), await cloud.disk(2, name="disk/1 a.vhd")
    expected = []
    for disk, size in ((second, 2), (first, 3)):
        backup = cloud.services.backups.address(disk)
        etag = await cloud.services.blobs.create(backup, size * PAGE, {"of": disk.address.blob})
        await cloud.services.leases.take(backup, RUN, etag)
        taken = [await cloud.services.snapshots.take(backup, etag, {"n": str(number)}, RUN) for number in range(2)]
        url = backup.url
        snapshots = [(url, time, size * PAGE, {"n": str(number)}, "") for number, time in enumerate(taken)]
        expected.append([*snapshots, (url, "", size * PAGE, {"of": disk.address.blob}, "")])
    found = await listed(cloud)
    assert [url for url, *_ in found] == [url for url, *_ in [*expected[1], *expected[0]]]
    assert sorted(found, key=repr) == sorted([*expected[1], *expected[0]], key=repr)


async def test_the_list_tells_how_a_copy_is(cloud: Cloud) -> None:
    disk = await cloud.disk(1, 2)
    copy = cloud.services.backups.full_copy_address(disk, "2026-11-22T00:00:00.1234567Z")
    held, mark = cloud.hold(copy), {COPY_METADATA: "run"}
    await cloud.services.copies.start(copy, await cloud.source(disk), mark, etag=None)
    assert await listed(cloud) == [(copy.url, "", 2 * PAGE, mark, "pending")]
    await held.fail()
    assert await listed(cloud) == [(copy.url, "", 0, mark, "failed")]
    await cloud.services.copies.start(copy, await cloud.source(disk), mark, etag=await cloud.etag(copy))
    await held.finish()
    assert await listed(cloud) == [(copy.url, "", 2 * PAGE, mark, "success")]
    await cloud.services.copies.forget_source(copy, await cloud.etag(copy))
    assert await listed(cloud) == [(copy.url, "", 2 * PAGE, mark, "")]


async def test_a_snapshot_tells_of_the_copy_that_its_blob_was_made_by(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    backup = cloud.services.backups.address(disk)
    await cloud.copy_over(backup, at(disk), {"a": "b"})
    taken = await cloud.snapshot(backup)
    assert sorted(await listed(cloud)) == [(backup.url, time, PAGE, {"a": "b"}, "success") for time in ("", taken)]


async def test_a_snapshot_from_before_a_copy_tells_of_none(cloud: Cloud) -> None:
    disk = await cloud.disk(1)
    await cloud.backup(disk, 2)
    backup = cloud.services.backups.address(disk)
    taken = await cloud.snapshot(backup)
    await cloud.copy_over(backup, at(disk), {"a": "b"})
    found = {time: status for _, time, _, _, status in await listed(cloud)}
    assert found == {"": "success", taken: ""}
