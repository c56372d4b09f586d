"""Disks of many windows, diffs that time out, and a change list of 300,000 ranges."""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra.local.gateway import Fault, Request
from infra.local.local_azure import BACKUPS
from shared.events import Event
from shared.limits import PAGE
from shared.model.job import Stage
from shared.model.run import Kind
from shared.pages.listing import LISTING_WINDOW
from tests.app.cloud import KIB, MIB, Cloud, Disk, pages, until, valid_ranges
from tests.app.restoring import ask, ended, request

GIB = 1024 * MIB
LISTED = 300_000
MOST_LISTED = 10_000  # ranges that one answer lists
FIRST_AT_ONCE = 8  # writes that are made before it is known how long one takes
TIMED_OUT = (500, "OperationTimedOut", "Operation could not be completed within the specified time.")
GIVES_UP = {"time-out": Fault(refuse=TIMED_OUT), "cut off": Fault(cut="before")}


async def _sparse_disk(cloud: Cloud, size: int) -> Disk:
    """Create a disk too large for a model: only its page ranges are looked at."""
    disk = await cloud.disk(PAGE)
    await disk.blob.resize_blob(size)
    return disk


@pytest.mark.nightly
async def test_a_disk_of_many_windows_is_gone_through_window_by_window(cloud: Cloud) -> None:
    disk = await _sparse_disk(cloud, 3 * LISTING_WINDOW + 5 * GIB)
    starts = (
        0,
        LISTING_WINDOW - 2 * PAGE,
        LISTING_WINDOW + GIB,
        2 * LISTING_WINDOW - PAGE,
        3 * LISTING_WINDOW + 5 * GIB - PAGE,
    )
    for number, start in enumerate(starts):
        count = 4 if start == LISTING_WINDOW - 2 * PAGE else 1
        await disk.blob.upload_page(pages(count, seed=number), start, count * PAGE)
    async with cloud.app(disk) as app:
        [point] = await app.back_up(disk)
        ranges = await valid_ranges(cloud.services[BACKUPS], disk.backup_blob, point.backup_snapshot)
        assert ranges == await valid_ranges(cloud.services[disk.account], disk.blob, point.source_snapshot)
        await disk.blob.clear_page(LISTING_WINDOW - 2 * PAGE, PAGE)
        await disk.blob.upload_page(pages(1, seed=9), 3 * LISTING_WINDOW, PAGE)
        [point] = await app.back_up(disk)
    assert (point.kind, point.ranges, point.write_calls, point.clear_calls) == (Kind.INCREMENTAL, 2, 1, 1)
    ranges = await valid_ranges(cloud.services[BACKUPS], disk.backup_blob, point.backup_snapshot)
    assert ranges == await valid_ranges(cloud.services[disk.account], disk.blob, point.source_snapshot)


@pytest.mark.nightly
async def test_a_listing_on_which_the_service_gives_up_is_asked_for_in_halves(cloud: Cloud) -> None:
    disks = {how: await cloud.disk(16 * MIB) for how in GIVES_UP}
    faults = {}
    for how, disk in disks.items():
        await disk.write(8 * MIB - 3 * PAGE, pages(6))
        fault = replace(GIVES_UP[how], operation="Get Page Ranges", path=disk.path, longer_than=5 * MIB)
        faults[how] = cloud.azure.gateway.faults.add(fault)
    async with cloud.app(*disks.values()) as app:
        points = await app.back_up(*disks.values())
    for (how, disk), point in zip(disks.items(), points, strict=True):
        assert faults[how].hits, how
        assert point.ranges == 1, how
        assert await disk.content_of(point) == disk.expected, how
        assert (await disk.record()).last_error == "", how


@pytest.mark.nightly
async def test_a_diff_or_a_clear_on_which_the_service_gives_up_is_made_in_halves_and_the_run_is_sealed(
    cloud: Cloud,
) -> None:
    disk = await cloud.disk(40 * MIB)
    for start in range(0, 40 * MIB, 4 * MIB):
        await disk.write(start + PAGE, pages(2))
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        await disk.write(20 * MIB - 3 * PAGE, pages(6, seed=2))  # across both halves
        fault = cloud.azure.gateway.faults.add(Fault("Get Page Ranges", disk.path, times=2, refuse=TIMED_OUT))
        [point] = await app.back_up(disk)
        assert fault.hits == 2
        assert (point.kind, point.ranges, point.write_calls) == (Kind.INCREMENTAL, 1, 1)
        assert await disk.content_of(point) == disk.expected
        halved = 0
        for number, (how, gives_up) in enumerate(GIVES_UP.items()):
            await disk.clear(number * 20 * MIB, 17 * MIB)
            fault = cloud.azure.gateway.faults.add(replace(gives_up, operation="Clear Pages", longer_than=5 * MIB))
            [point] = await app.back_up(disk)
            assert fault.hits, how
            assert (point.kind, point.ranges, point.bytes_cleared) == (Kind.INCREMENTAL, 1, 17 * MIB), how
            assert await disk.content_of(point) == disk.expected, how
            assert (await disk.record()).last_error == "", how
            halved, before = len(cloud.events(Event.CLEAR_HALVED)), halved
            assert halved > before, how
            fault.remove()


@pytest.mark.nightly
async def test_a_resync_and_a_restore_clear_what_is_empty_at_most_a_gib_at_once(cloud: Cloud) -> None:
    disk = await _sparse_disk(cloud, 3 * GIB)
    await disk.blob.upload_page(pages(1), GIB, PAGE)
    async with cloud.app(disk) as app:
        await app.back_up(disk)
        await disk.blob.create_page_blob(3 * GIB)  # made anew: no diff reaches across
        await disk.blob.upload_page(pages(1), 2 * GIB - PAGE, PAGE)
        cloud.requests.clear()
        [point] = await app.back_up(disk)
        ranges = await valid_ranges(cloud.services[BACKUPS], disk.backup_blob, point.backup_snapshot)
        assert (point.kind, ranges) == (Kind.RESYNC, [(2 * GIB - PAGE, 2 * GIB)])
        assert (point.clear_calls, cloud.count("Clear Pages", disk.backup_path, 201)) == (3, 3)
        firewall = Fault("Copy Blob", f"/{disk.account.name}/*", refuse_source=(403, "AuthorizationFailure"))
        cloud.azure.gateway.faults.add(firewall)
        cloud.azure.gateway.faults.add(Fault("Clear Pages", longer_than=GIB // 4, refuse=TIMED_OUT))
        restore = await ended(cloud, await ask(cloud, request(disk)))
        assert (restore.state, restore.last_error) == (Stage.DONE, "")
        assert restore.copying.startswith("through the function")
    assert max(_length(r) for r in cloud.requests if r.operation == "Clear Pages") == GIB


def _length(asked: Request) -> int:
    first, last = asked.headers["x-ms-range"].removeprefix("bytes=").split("-")
    return int(last) + 1 - int(first)


@pytest.mark.skipif(sys.platform != "linux", reason="reads a process's peak memory from /proc")
async def test_a_long_change_list_is_gone_through_in_little_memory(cloud: Cloud) -> None:
    disk = await _sparse_disk(cloud, 32 * GIB)

    def cleared(start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """Give so many pages, each a range, with a gap of a page after every ten thousand."""
        for number in range(start // PAGE, min(LISTED + LISTED // MOST_LISTED, end // PAGE)):
            if number % (MOST_LISTED + 1) < MOST_LISTED:
                yield number * PAGE, (number + 1) * PAGE, True

    async with cloud.app(disk) as app:
        [empty] = await app.back_up(disk)
        before = _peak_memory(app.host.pid)
        cloud.requests.clear()
        cloud.azure.gateway.pretend_ranges(disk.path, cleared)
        await app.tick()
        batches = await until(partial(_batches_of_next_run, cloud, empty.time), "the end of its batches", seconds=300)
        listed = cloud.count("Get Page Ranges", disk.path)
        peak = _peak_memory(app.host.pid)
        app.host.kill()
    done = [sum(batch[count] for batch in batches) for count in ("ranges", "clear_calls", "bytes_cleared")]
    assert done == [LISTED // MOST_LISTED, LISTED // MOST_LISTED, LISTED * PAGE]
    assert listed >= LISTED // MOST_LISTED
    assert peak < 250 * MIB, f"{peak / MIB:.0f} MiB"
    assert peak - before < 30 * MIB, f"{(peak - before) / MIB:.0f} MiB more than before"


async def test_a_change_list_is_listed_no_faster_than_it_is_applied(cloud: Cloud) -> None:
    disk = await _sparse_disk(cloud, 32 * GIB)

    def every_other_page(start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        for number in range(start // (2 * PAGE), min(LISTED, -(-end // (2 * PAGE)))):
            yield number * 2 * PAGE, number * 2 * PAGE + PAGE, False

    cloud.azure.gateway.pretend_ranges(disk.path, every_other_page)
    held = cloud.azure.gateway.faults.add(Fault("Put Page From URL", delay_until=asyncio.Event()))

    async def are_some_under_way() -> bool:
        return held.hits >= FIRST_AT_ONCE

    async with cloud.app(disk) as app:
        await app.tick()
        await until(are_some_under_way, "the first writes")
        app.host.kill()
    assert held.hits == FIRST_AT_ONCE
    assert cloud.count("Get Page Ranges", disk.path) == 1, "no more than one answer holds, of thirty"


async def _batches_of_next_run(cloud: Cloud, last: str) -> list[dict[str, Any]]:
    """Give what the batches say of the run after the last one, once they have come to its end."""
    done = [said for said in cloud.events(Event.BATCH_DONE) if said["run"] != last]
    return done if done and done[-1]["position"] == done[-1]["size"] else []


def _peak_memory(pid: int) -> int:
    """Read the most bytes that a process has ever had resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * KIB for line in status.splitlines() if line.startswith("VmHWM"))
