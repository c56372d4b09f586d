"""What only managed disks have is the same in memory and with the local resource manager."""

from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import HttpResponseError

from shared.azure.answers import is_busy
from shared.azure.sources.source import COPY_URL_LIFETIME
from shared.errors import DiffRefusedError, DiskError, SourceGoneError
from shared.model.addresses import ContainerAddress
from shared.model.disk import ManagedDisk
from tests.conformance.clouds import RUN
from tests.conformance.machines import BLOCK, Machines

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
_TAG = "tidemark-backup"


async def test_a_snapshot_is_named_before_it_is_made_so_to_ask_again_is_harmless(machines: Machines) -> None:
    disk = await machines.disk(1)
    at_noon = machines.source_at(NOON)
    taken = await at_noon.take_snapshot(disk)
    assert taken == "2026-11-30T12:00:00.0000000Z"
    await machines.write(disk, 0, 2)
    assert await at_noon.take_snapshot(disk) == taken
    assert await machines.services.disks.own_snapshots(disk) == [taken]
    assert await machines.content(disk, taken) == [1], "what it held when it was first asked for"


async def test_disks_are_found_by_a_pattern_each_with_its_unique_id_and_by_their_tags(machines: Machines) -> None:
    (pattern,) = machines.services.settings.source_disks
    disks = [await machines.disk(1, name=name, tags={"Backup": "daily"}) for name in ("disk-b", "disk-a")]
    await machines.disk(1, name="other")
    found = await machines.services.disks.find(pattern)
    assert found == [disks[1], disks[0]]
    assert disks[0].unique_id != disks[1].unique_id
    for tags, count in (({"backup": "daily"}, 2), ({"backup": "Daily"}, 0), ({"more": "daily"}, 0)):
        tagged = type(pattern).model_validate({"url": pattern.url, "tags": tags})
        assert len(await machines.services.disks.find(tagged)) == count


async def test_a_disk_made_anew_under_its_name_is_another(machines: Machines) -> None:
    before = await machines.disk(1, 2)
    taken = await machines.services.disks.take_snapshot(before)
    after = await machines.disk(3)
    assert (after.id, after == before, after.key == before.key) == (before.id, False, False)
    assert [await machines.services.disks.exists(disk) for disk in (before, after)] == [False, True]
    with pytest.raises(SourceGoneError):
        await machines.services.disks.take_snapshot(before)
    assert await machines.services.disks.own_snapshots(before) == [taken]
    assert await machines.services.disks.own_snapshots(after) == []
    assert await machines.content(before, taken) == [1, 2]


async def test_a_snapshot_that_turns_out_to_be_of_the_disk_made_anew_is_told_so(machines: Machines) -> None:
    before = await machines.disk(1)
    at_noon = machines.source_at(NOON)
    taken = await at_noon.take_snapshot(before)
    resource = at_noon.version(before, taken).resource
    await machines.manager.delete(resource)
    after = await machines.disk(2)
    await machines.others_take(after, resource.rpartition("/")[2], {_TAG: machines.services.settings.container.url})
    with pytest.raises(DiskError, match="another disk"):
        await machines.services.disks.pending(before, taken)
    assert await machines.services.disks.own_snapshots(before) == [taken], "so that it is deleted"
    assert await machines.services.disks.own_snapshots(after) == []


async def test_no_snapshot_is_taken_of_a_deleted_disk_and_those_that_were_outlive_it(machines: Machines) -> None:
    disk = await machines.disk(1, 2)
    taken = await machines.services.disks.take_snapshot(disk)
    await machines.delete(disk)
    with pytest.raises(SourceGoneError):
        await machines.services.disks.take_snapshot(disk)
    assert await machines.services.disks.problem(disk) == ""
    assert await machines.content(disk, taken) == [1, 2]


async def test_a_snapshot_that_never_was_is_gone(machines: Machines) -> None:
    disk = await machines.disk(1)
    version = await machines.version(disk, "2026-01-01T00:00:00.0000000Z")
    with pytest.raises(SourceGoneError):
        await machines.services.pages.properties(version)
    with pytest.raises(SourceGoneError):
        await machines.services.pages.signed_url(version)
    assert await machines.services.disks.pending(disk, "2026-01-01T00:00:00.0000000Z") == ""


async def test_own_snapshots_are_told_by_the_tag_of_their_backup_container(machines: Machines) -> None:
    disk = await machines.disk(1)
    own, other = machines.services.settings.container, "https://other.blob.core.windows.net/tidemark"
    taken = await machines.services.disks.take_snapshot(disk)
    name = machines.source_at(NOON).version(disk, "2026-11-30T12:00:00.0000000Z").resource.rpartition("/")[2]
    await machines.others_take(disk, "tool")
    await machines.others_take(disk, "tagged", {_TAG: own.url})
    await machines.others_take(disk, name, {_TAG: other})
    assert await machines.services.disks.own_snapshots(disk) == [taken]
    theirs = await machines.services.disks.own_snapshots(disk, ContainerAddress.parse(other))
    assert theirs == ["2026-11-30T12:00:00.0000000Z"]


@pytest.mark.parametrize("shows_footer", [True, False])
async def test_the_footer_follows_the_disk_and_is_listed_always(machines: Machines, *, shows_footer: bool) -> None:
    if not shows_footer:
        machines.hide_footers()
    disk = await machines.disk(1, None)
    base, taken = [await machines.services.disks.take_snapshot(disk) for _ in range(2)]
    footer = await machines.footer(disk, taken)
    assert footer.count(0) < len(footer)
    assert footer == await machines.footer(disk, base)
    assert await told(machines, disk, taken) == [(0, BLOCK, False), (2 * BLOCK, 2 * BLOCK + 512, False)]
    assert await told(machines, disk, taken, base) == [(2 * BLOCK, 2 * BLOCK + 512, False)]


@pytest.mark.parametrize("shows_footer", [True, False])
async def test_after_a_disk_has_grown_the_place_of_its_old_footer_is_listed_and_holds_what_was_written_there(
    machines: Machines, *, shows_footer: bool
) -> None:
    if not shows_footer:
        machines.hide_footers()
    disk = await machines.disk(1, None)
    base = await machines.services.disks.take_snapshot(disk)
    await machines.resize(disk, 4)
    taken = await machines.services.disks.take_snapshot(disk)
    assert await machines.footer(disk, taken) != await machines.footer(disk, base)
    assert await machines.content(disk, taken) == [1, 0, 0, 0]
    listed = await told(machines, disk, taken, base)
    assert any(start <= 2 * BLOCK < end for start, end, _ in listed)
    await machines.write(disk, 2, 3)
    after = await machines.services.disks.take_snapshot(disk)
    assert await machines.changes(disk, after, taken) == [(2, 3, "write")]
    assert await machines.content(disk, after) == [1, 0, 3, 0]


async def test_no_disk_is_made_smaller(machines: Machines) -> None:
    disk = await machines.disk(1, 2)
    with pytest.raises(Exception, match=r"smaller|resized"):
        await machines.resize(disk, 1)
    assert await machines.content(disk) == [1, 2]


async def test_what_is_less_than_a_block_is_told_as_its_block(machines: Machines) -> None:
    disk = await machines.disk(1, None, None)
    base = await machines.services.disks.take_snapshot(disk)
    await machines.write_sector(disk, 2 * 8 + 7, 5)
    assert await machines.changes(disk, "", base) == [(2, 3, "write")]
    assert await machines.content(disk) == [1, 0, 5]


async def test_a_diff_of_two_families_is_refused(machines: Machines) -> None:
    disk = await machines.disk(1, 2)
    base = await machines.services.disks.take_snapshot(disk)
    machines.begin_family(disk)
    taken, later = [await machines.services.disks.take_snapshot(disk) for _ in range(2)]
    with pytest.raises(DiffRefusedError):
        await machines.changes(disk, taken, base)
    assert await machines.changes(disk, later, taken) == []
    assert await machines.content(disk, taken) == [1, 2]


async def test_a_diff_of_two_disks_is_refused(machines: Machines) -> None:
    before = await machines.disk(1)
    base = await machines.services.disks.take_snapshot(before)
    after = await machines.disk(1)
    newer = await machines.version(after)
    older = await machines.version(before, base)
    with pytest.raises(DiffRefusedError):
        async for _ in machines.services.pages.changes(newer, older, machines.window(0, 1)):
            pass


@pytest.mark.parametrize(("before", "after", "is_refused"), [(1, 2, False), (3, 5, True), (4, 5, True), (5, 6, False)])
async def test_a_diff_is_refused_across_a_resize_over_four_tebibytes(
    machines: Machines, before: int, after: int, *, is_refused: bool
) -> None:
    disk = await machines.large_disk(before)
    base = await machines.services.disks.take_snapshot(disk)
    await machines.grow_large(disk, after)
    taken = await machines.services.disks.take_snapshot(disk)
    if is_refused:
        with pytest.raises(DiffRefusedError):
            await machines.changes(disk, taken, base, (0, 1))
    else:
        assert await machines.changes(disk, taken, base, (0, 1)) == []


async def test_a_disk_has_so_many_snapshots_whoever_took_them(machines: Machines) -> None:
    disk = await machines.disk(1)
    machines.allow(snapshots=2)
    await machines.others_take(disk, "tool")
    taken = await machines.services.disks.take_snapshot(disk)
    with pytest.raises(HttpResponseError) as refused:
        await machines.services.disks.take_snapshot(disk)
    assert is_busy(refused.value), "waiting helps"
    assert await machines.services.disks.own_snapshots(disk) == [taken]
    await machines.services.disks.delete_snapshot(disk, taken)
    await machines.services.disks.take_snapshot(disk)


async def test_a_disk_takes_so_many_snapshots_in_five_minutes(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.azure.connections._RETRIES", 0)
    disk = await machines.disk(1)
    machines.allow(in_five_minutes=2)
    for name in ("one", "two"):
        await machines.others_take(disk, name)
    with pytest.raises(HttpResponseError) as refused:
        await machines.others_take(disk, "three")
    assert refused.value.status_code == 429
    machines.let_time_pass(timedelta(minutes=5))
    await machines.others_take(disk, "three")


async def test_five_snapshots_of_a_family_are_read_at_once_and_a_sixth_waits_as_for_a_busy_service(
    machines: Machines,
) -> None:
    disk = await machines.disk(1)
    theirs = [await machines.others_take(disk, f"tool-{number}") for number in range(5)]
    for resource in theirs:
        await machines.others_read(resource)
    await machines.others_read(theirs[0])
    taken = await machines.services.disks.take_snapshot(disk)
    with pytest.raises(HttpResponseError) as refused:
        await machines.source(disk, taken)
    assert is_busy(refused.value)
    await machines.others_let_go(theirs[0])
    assert await machines.content(disk, taken) == [1]


async def test_access_that_was_ended_or_is_over_reads_nothing_and_is_had_anew(machines: Machines) -> None:
    disk = await machines.disk(1, 2)
    base, taken = [await machines.services.disks.take_snapshot(disk) for _ in range(2)]
    version = await machines.version(disk, taken)
    for end in (machines.end_access, lambda: machines.let_time_pass(timedelta(hours=5))):
        url = await machines.services.pages.signed_url(version)
        assert await machines.services.pages.read(url, machines.pages_of(0, 2)) == machines.content_of(1, 2)
        end()
        with pytest.raises(HttpResponseError) as refused:
            await machines.services.pages.read(url, machines.pages_of(0, 2))
        assert refused.value.status_code == 403
        assert await machines.changes(disk, taken, base) == []
        url = await machines.services.pages.signed_url(version)
        assert await machines.services.pages.read(url, machines.pages_of(0, 2)) == machines.content_of(1, 2)


async def test_a_snapshot_that_others_read_is_deleted_once_that_is_ended(machines: Machines) -> None:
    disk = await machines.disk(1)
    resource = await machines.others_take(disk, "tool")
    await machines.others_read(resource)
    with pytest.raises(HttpResponseError) as refused:
        await machines.manager.delete(resource)
    assert refused.value.status_code == 409
    await machines.others_let_go(resource)
    await machines.manager.delete(resource)
    await machines.manager.delete(resource)
    assert await machines.manager.find(resource) is None


async def test_a_snapshot_may_take_a_while_until_it_can_be_read(machines: Machines) -> None:
    machines.slow_down()
    disk = await machines.disk(1)
    taken = await machines.services.disks.take_snapshot(disk)
    assert "ready to be read" in await machines.services.disks.pending(disk, taken)
    with pytest.raises(HttpResponseError) as refused:
        await machines.source(disk, taken)
    assert is_busy(refused.value)
    machines.get_ready()
    assert await machines.services.disks.pending(disk, taken) == ""
    assert await machines.content(disk, taken) == [1]


async def test_the_service_copies_pages_and_whole_snapshots_to_page_blobs(machines: Machines) -> None:
    disk, services = await machines.disk(1, None, 3), machines.services
    taken = await services.disks.take_snapshot(disk)
    size, backup = 3 * BLOCK + 512, services.backups.address(disk)
    etag = await services.blobs.create(backup, size, {})
    await services.leases.take(backup, RUN, etag)
    await services.blobs.put_from_url(backup, machines.pages_of(2, 3), await machines.source(disk, taken), RUN)
    url = await services.pages.signed_url(machines.blob(backup))
    assert machines.numbers(await services.pages.read(url, machines.pages_of(0, 3))) == [0, 0, 3]
    copy = services.settings.container.blob(disk.full_copy_name(taken))
    url = await machines.source(disk, taken, COPY_URL_LIFETIME)
    await services.copies.start(copy, url, {}, etag=None)
    await machines.copied(copy)
    url = await services.pages.signed_url(machines.blob(copy))
    assert machines.numbers(await services.pages.read(url, machines.pages_of(0, 3))) == [1, 0, 3]
    found = await services.pages.find(copy)
    assert found
    assert found.size == size


async def told(machines: Machines, disk: ManagedDisk, taken: str, since: str = "") -> list[tuple[int, int, bool]]:
    """List what the app is told of a snapshot: bytes, and whether they are cleared."""
    older = await machines.version(disk, since) if since else None
    version = await machines.version(disk, taken)
    size = (await machines.services.pages.properties(version)).size
    listed = machines.services.pages.changes(version, older, machines.window(0, size, unit=1))
    return [(change.start, change.end, change.clear) async for change in listed]
