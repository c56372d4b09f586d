"""A run's change list is applied by one batch after another, whatever becomes of a batch, its worker or its message."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import pairwise

import pytest

from infra.local.gateway import Fault
from shared.events import Event
from shared.limits import PAGE
from shared.model.disk import PageBlobDisk
from shared.model.messages import BatchMessage, Message, PlanMessage
from shared.model.names import COPY_RANGES_QUEUE, PLAN_CHANGES_QUEUE
from shared.model.run import OpenRun
from tests.app.cloud import MIB, SOON_TAKEN_FOR_DEAD, App, Cloud, Disk, pages, until

SHORT_LEASE = 2
SMALL, LARGE = PAGE, 4 * PAGE
NO_TIME = timedelta()
ONE_TURN_EACH = {"backup.copy_ranges.TURNS": 1}
A_PIECE_A_BATCH: dict[str, object] = {
    "backup.plan_changes.FIRST_TURN": NO_TIME,
    "backup.copy_ranges.TURN": NO_TIME,
    **ONE_TURN_EACH,
}
ONE_BY_ONE = {"changes.pace.REQUESTS_PER_SECOND": 10}
SAVED_AT_ONCE = {"backup.copy_batch.SAVE_INTERVAL": NO_TIME}
BUSY_FOR_A_SECOND = {
    "pages.paced.BUSY_FOR": timedelta(seconds=1),
    "backup.copy_batch.BUSY_DELAY": timedelta(seconds=1),
}


async def _disk_of_pieces(cloud: Cloud, small: int, large: int) -> Disk:
    """Make a disk with so many small pieces and, after them, so many large ones: a fault tells them by their size."""
    disk = await cloud.disk((small + large) * MIB)
    for number in range(small + large):
        await disk.write(number * MIB, pages((SMALL if number < small else LARGE) // PAGE, seed=number))
    return disk


def _copied(cloud: Cloud, disk: Disk) -> Counter[int]:
    """Count how often each piece was copied to a disk's backup blob, by its first byte."""
    return Counter(
        int(request.headers["x-ms-range"].removeprefix("bytes=").partition("-")[0])
        for request in cloud.requests
        if (request.operation, request.path, request.status) == ("Put Page From URL", disk.backup_path, 201)
    )


def _once_each(count: int) -> dict[int, int]:
    return dict.fromkeys(range(0, count * MIB, MIB), 1)


@pytest.mark.nightly
async def test_batches_follow_each_other_from_where_the_last_one_has_come_to(cloud: Cloud) -> None:
    disk = await _disk_of_pieces(cloud, 5, 0)
    async with cloud.app(disk, changed=A_PIECE_A_BATCH) as app:
        [point] = await app.back_up(disk)
    assert await disk.content_of(point) == disk.expected
    assert _copied(cloud, disk) == _once_each(5)
    done = cloud.events(Event.BATCH_DONE)
    assert [said["batch"] for said in done] == list(range(len(done)))
    assert all(before["position"] < after["position"] for before, after in pairwise(done))
    assert [said["write_calls"] for said in done if said["write_calls"]] == [1] * 5
    assert (point.batches, point.write_calls, point.ranges) == (len(done), 5, 5)


@pytest.mark.nightly
async def test_a_batch_that_a_busy_service_ends_half_way_is_gone_on_with_from_there(cloud: Cloud) -> None:
    disk = await _disk_of_pieces(cloud, 4, 4)
    busy = cloud.azure.gateway.faults.add(
        Fault("Put Page From URL", disk.backup_path, longer_than=SMALL, refuse=(503, "ServerBusy", "not now"))
    )
    async with cloud.app(disk, changed=BUSY_FOR_A_SECOND) as app:
        await app.tick()
        await until(lambda: cloud.logged(Event.BATCH_DONE), "the end of the batch that was refused")
        waiting = await disk.record()
        busy.remove()
        [point] = await app.next_points([disk], [0])
    assert waiting.run
    assert (waiting.run.position, waiting.run.write_calls) == (3 * MIB + SMALL, 4)
    assert waiting.last_error.startswith("ServerBusy (503)")
    assert await disk.content_of(point) == disk.expected
    assert _copied(cloud, disk) == _once_each(8)
    assert (point.write_calls, point.batches) == (8, 2)


@pytest.mark.nightly
async def test_a_batch_whose_worker_is_killed_is_gone_on_with_by_another_from_what_is_on_record(cloud: Cloud) -> None:
    disk = await _disk_of_pieces(cloud, 16, 4)
    held = cloud.azure.gateway.faults.add(
        Fault("Put Page From URL", disk.backup_path, longer_than=SMALL, times=4, delay_until=asyncio.Event())
    )
    async with cloud.app(disk, lease=SHORT_LEASE, changed={**SAVED_AT_ONCE, **ONE_BY_ONE}) as app:
        await app.tick()
        await held.struck.wait()
        app.host.kill()
    held.remove()
    saved = (await _open_run(disk)).position
    assert 0 < saved <= 15 * MIB + SMALL
    # No message of the run is taken for lost as long as this test takes: only the silence of its worker tells.
    async with cloud.app(disk, lease=SHORT_LEASE, changed=SOON_TAKEN_FOR_DEAD) as app:
        [point] = await app.next_points([disk], [0])
    assert await disk.content_of(point) == disk.expected
    copied = _copied(cloud, disk)
    again = [start for start, times in copied.items() if times > 1]
    assert len(copied) == 20
    assert all(saved <= start <= 15 * MIB for start in again), "only what was not on record is copied again"
    assert (point.write_calls, point.ranges) == (20, 20)
    assert len(cloud.events(Event.RUN_PLANNED_AGAIN)) == 1


@pytest.mark.nightly
async def test_a_batchs_message_that_comes_again_or_late_changes_nothing_and_enqueues_nothing(cloud: Cloud) -> None:
    disk = await _disk_of_pieces(cloud, 3, 2)
    hold = asyncio.Event()
    held = cloud.azure.gateway.faults.add(
        Fault("Put Page From URL", disk.backup_path, longer_than=SMALL, times=1, delay_until=hold)
    )
    async with cloud.app(disk, changed=A_PIECE_A_BATCH) as app:
        await app.tick()
        await held.struck.wait()
        before = await _open_run(disk)
        assert (before.next_batch, before.at_work, before.position) == (4, True, 2 * MIB + SMALL)
        run, plan = before.snapshot, before.plan
        late: list[Message] = [
            BatchMessage(disk=PageBlobDisk(disk.address), run=run, plan=plan, number=number) for number in range(4)
        ]
        await _delivered(app, [*late, *late, PlanMessage(disk=PageBlobDisk(disk.address), run=run, plan=plan)])
        after = await _open_run(disk)
        assert replace(after, checked=before.checked) == before
        await until(partial(_are_enqueued, cloud, COPY_RANGES_QUEUE, 1), "no message but of the batch that is at work")
        await until(partial(_are_enqueued, cloud, PLAN_CHANGES_QUEUE, 0), "no message of a plan")
        hold.set()
        [point] = await app.next_points([disk], [0])
        ended = await app.invocations("copy_ranges")
        await app.after(late)
        assert await app.invocations("copy_ranges") == ended + len(late)
    assert await disk.content_of(point) == disk.expected
    assert _copied(cloud, disk) == _once_each(5)


@pytest.mark.nightly
async def test_small_disks_are_sealed_while_a_large_one_goes_at_its_blobs_pace_on_three_hosts(cloud: Cloud) -> None:
    count, requests_per_second = 240, 40
    large = await cloud.disk(count * 2 * PAGE)
    for number in range(count):
        await large.write(number * 2 * PAGE, pages(1, seed=number))
    small = [await _disk_of_pieces(cloud, 4, 0) for _ in range(3)]
    disks = [large, *small]
    for disk in disks:
        cloud.azure.gateway.limits.set(disk.backup_path, requests=requests_per_second, length=60 * MIB)
    changed = {
        "changes.pace.REQUESTS_PER_SECOND": requests_per_second,
        "backup.plan_changes.FIRST_TURN": timedelta(seconds=1),
        "backup.copy_ranges.TURN": timedelta(seconds=2),
        **ONE_TURN_EACH,
    }
    async with (
        cloud.app(*disks, changed=changed) as one,
        cloud.app(*disks, changed=changed) as two,
        cloud.app(*disks, changed=changed) as three,
    ):
        await one.tick()
        await one.next_points(disks, [0] * len(disks))
        for app in (two, three):
            await until(app.idle, "the other hosts' rest")
        batches = [await app.invocations("copy_ranges") for app in (one, two, three)]
    points = [(await disk.points())[0] for disk in disks]
    for disk, point in zip(disks, points, strict=True):
        assert await disk.content_of(point) == disk.expected
    assert max(point.sealed for point in points[1:]) < points[0].sealed
    assert set(_copied(cloud, large).values()) == {1}, "no two batches at once, which would both copy a piece"
    done = sorted((said for said in cloud.events(Event.BATCH_DONE) if said["disk"] == large.url), key=_number)
    assert [_number(said) for said in done] == list(range(points[0].batches))
    assert sum(said["write_calls"] for said in done) == len(_copied(cloud, large)) == count
    assert sum(batches) >= len(done) - 1
    writes = [
        request
        for request in cloud.requests
        if (request.operation, request.path) == ("Put Page From URL", large.backup_path)
    ]
    steady = writes[requests_per_second:]
    refused = sum(request.status == 503 for request in steady)
    assert refused <= 0.02 * len(steady)


async def _open_run(disk: Disk) -> OpenRun:
    run = (await disk.record()).run
    assert run
    return run


def _number(said: dict[str, int]) -> int:
    return said["batch"]


async def _delivered(app: App, messages: list[Message]) -> None:
    """Enqueue messages and wait until they have been handled, while another is being handled."""
    functions = ("copy_ranges", "plan_changes")
    before = sum([await app.invocations(function) for function in functions])
    for message in messages:
        await app.cloud.send(message)

    async def handled() -> bool:
        return sum([await app.invocations(function) for function in functions]) >= before + len(messages)

    await until(handled, f"the end of {len(messages)} messages")


async def _are_enqueued(cloud: Cloud, queue: str, count: int) -> bool:
    """Tell whether a queue has so many messages, those that are being handled counted too."""
    properties = await cloud.queues.get_queue_client(queue).get_queue_properties()
    return (properties.approximate_message_count or 0) == count
