"""Before a recovery point is taken, the backup blob is held against the source snapshot; what differs is not sealed."""

import pytest

from infra.local.gateway import Fault
from shared.limits import PAGE
from shared.model.failed_runs import MAX_RESYNCS
from shared.model.run import Kind
from tests.app.cloud import MIB, Cloud, Disk, pages, until


async def _disk_with_pages(cloud: Cloud) -> Disk:
    disk = await cloud.disk(2 * MIB)
    await disk.write(0, pages(8))
    await disk.write(MIB, pages(8))
    return disk


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(("new pages", "pages written over"), marks=pytest.mark.nightly, id="written"),
        pytest.param(("cleared pages",), id="cleared"),
    ],
)
async def test_what_a_diff_leaves_out_is_found_before_the_seal_and_the_disk_is_written_anew(
    cloud: Cloud, changes: tuple[str, ...]
) -> None:
    disk = await _disk_with_pages(cloud)
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        for number, change in enumerate(changes, 2):
            start = 64 * PAGE if change == "new pages" else 2 * PAGE
            cloud.azure.gateway.leave_out(disk.path, start, start + 2 * PAGE)
            await disk.write(MIB, pages(1, seed=number))
            if change == "cleared pages":
                await disk.clear(start, 2 * PAGE)
            else:
                await disk.write(start, pages(2, seed=number))
            [point] = await app.back_up(disk)
            record = await disk.record()
            assert await disk.content_of(point) == disk.expected, change
            assert (point.kind, point.reason.startswith("verification before the seal failed: ")) == (
                Kind.RESYNC,
                True,
            ), change
            shown = f"bytes {0 if change == 'pages written over' else start}-"
            assert shown in record.last_error, f"{change}: a sample is a whole range, if it is short"
        cloud.azure.gateway.leave_out(disk.path, 0, 0)
        [point] = await app.back_up(disk)
    assert (point.kind, len(await disk.backup_snapshots())) == (Kind.INCREMENTAL, 2 + len(changes))


@pytest.mark.nightly
async def test_what_a_diff_leaves_out_is_found_wherever_it_is_on_a_small_disk(cloud: Cloud) -> None:
    disk, pieces = await cloud.disk(8 * MIB), 40
    for number in range(pieces):
        await disk.write(number * 256 * PAGE, pages(8, seed=number))
    lost = 29 * 256 * PAGE
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        cloud.azure.gateway.leave_out(disk.path, lost, lost + PAGE)
        await disk.write(lost, pages(1, seed=99))
        cloud.requests.clear()
        [point] = await app.back_up(disk)
    assert point.kind is Kind.RESYNC
    assert await disk.content_of(point) == disk.expected


@pytest.mark.nightly
async def test_what_no_list_shows_is_found_at_the_next_run_that_can_see_it(cloud: Cloud) -> None:
    disk = await _disk_with_pages(cloud)
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        cloud.azure.gateway.leave_out(disk.path, 64 * PAGE, 66 * PAGE, only_diffs=False)
        await disk.write(64 * PAGE, pages(2, seed=3))
        [lied] = await app.back_up(disk)
        assert (lied.kind, await disk.content_of(lied) != disk.expected) == (Kind.INCREMENTAL, True)
        cloud.azure.gateway.leave_out(disk.path, 0, 0)
        await disk.write(0, pages(1, seed=4))
        [point] = await app.back_up(disk)
    assert (point.kind, "has data in bytes" in point.reason) == (Kind.RESYNC, True)
    assert await disk.content_of(point) == disk.expected


@pytest.mark.nightly
async def test_a_run_whose_copies_are_never_right_is_never_sealed_and_is_given_up_in_the_end(cloud: Cloud) -> None:
    disk = await _disk_with_pages(cloud)
    async with cloud.app(disk) as app:
        [good] = await app.back_up(disk)
        spoilt = cloud.azure.gateway.faults.add(Fault("Put Page From URL", spoil=True))
        await disk.write(2 * PAGE, pages(2, seed=3))
        await app.tick()

        async def given_up() -> bool:
            record = await disk.record()
            return record.run is None and f"failed {MAX_RESYNCS + 1} times" in record.last_error

        await until(given_up, "the end of the run")
        assert [point.time for point in await disk.points()] == [good.time]
        spoilt.remove()
        [point] = await app.back_up(disk)
    assert (point.kind, "was given up" in point.reason) == (Kind.RESYNC, True)
    assert await disk.content_of(point) == disk.expected
