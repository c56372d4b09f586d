"""What a run costs, in calls: the constant parts exactly, since each is paid for each disk at each tick."""

from datetime import timedelta
from typing import Any

import pytest

from shared.backup import verify
from shared.limits import PAGE
from shared.model.names import REPORT_TICK_QUEUE
from shared.pages import listing
from tests.simulation.blobs import Blob
from tests.simulation.counted import CountedScene
from tests.simulation.refusals import refusal

HALF_A_DAY = timedelta(hours=12)
GIB = PAGE
"""A page stands for a GiB: so large a disk has too many."""

PLAN = {
    "Leases.acquire": 1,
    "Reader.changes": 1,
    "Reader.find": 2,
    "Records.get": 5,
    "Records.put": 3,
    "StatusRows.find": 1,
    "StatusRows.put": 1,
}
FINISH = {
    "Disks.delete_snapshot": 1,
    "Disks.own_snapshots": 1,
    "IndexRows.put": 2,
    "IndexRows.replace": 2,
    "Inspections.of": 1,
    "Leases.release": 1,
    "Reader.changes": 3,
    "Reader.find": 2,
    "Reader.read": 6,
    "Records.get": 4,
    "Records.points": 2,
    "Records.put": 2,
    "Records.seal": 1,
    "Restores.of": 1,
    "Snapshots.take": 1,
    "Snapshots.versions": 1,
    "StatusRows.find": 1,
    "StatusRows.put": 1,
}
TICK = {
    "Container.scratch": 1,
    "Disks.take_snapshot": 1,
    "IndexRows.of_disks": 2,
    "IndexRows.of_jobs": 4,
    "IndexRows.put": 1,
    "IndexRows.record": 1,
    "Queues.ensure": 1,
    "Queues.send": 3,
    "Reader.find": 1,
    "Reader.properties": 2,
    "Records.find_point": 1,
    "Records.get": 3,
    "Records.put": 1,
    "StatusRows.all": 1,
    "StatusRows.find": 2,
    "StatusRows.put": 2,
    "Tables.ensure": 1,
}
REPORT = {
    "Heartbeat.call": 1,
    "IndexRows.of_disks": 2,
    "IndexRows.of_jobs": 1,
    "Records.get": 1,
    "StatusRows.all": 1,
    "StatusRows.find": 1,
    "StatusRows.put": 1,
}


async def backed_up(pages: list[int | None]) -> CountedScene:
    """Give a disk with a few recovery points."""
    scene = CountedScene()
    scene.world.blobs[scene.disk] = Blob(pages, scene.world.number)
    for _ in range(3):
        await scene.tick()
        await scene.pass_time(HALF_A_DAY)
    assert len(scene.world.points_of(scene.disk)) == 3
    scene.counted()
    return scene


async def test_a_tick_of_an_unchanged_disk_takes_four_invocations_and_as_many_calls_each_time() -> None:
    scene = await backed_up([1, 2, None, 3])
    scene.handled.clear()
    for _ in range(2):
        await scene.tick()
        await scene.pass_time(HALF_A_DAY)
        counts = scene.counted()
        assert counts == {"take_snapshots": TICK, "plan-changes": PLAN, "finish-backup": FINISH, "report-tick": REPORT}
    assert scene.handled == {"plan-changes": 2, "finish-backup": 2, "report-tick": 2}


async def test_a_seal_that_failed_after_its_snapshot_looks_for_it_and_takes_no_other() -> None:
    scene = await backed_up([1, 2, None, 3])
    seal, failures = scene.services.records.seal, [refusal(503, "ServerBusy")]

    async def failing_once(*sealed: Any) -> None:
        if failures:
            raise failures.pop()
        await seal(*sealed)

    scene.services.records.seal = failing_once
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    found = scene.counted()["finish-backup"]
    assert (found["Snapshots.take"], found["Snapshots.of_run"], found["Records.seal"]) == (1, 1, 1)
    assert len(scene.world.points_of(scene.disk)) == len(scene.world.blobs[scene.world.backup_of(scene.disk)].snapshots)


async def test_a_snapshot_that_was_sent_twice_is_found_and_deleted_by_the_one_list_of_the_seal() -> None:
    scene = await backed_up([1, 2, None, 3])
    take = scene.services.snapshots.take

    async def twice(*taken: Any) -> str:
        await take(*taken)
        return str(await take(*taken))

    scene.services.snapshots.take = twice
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    expected = FINISH | {"Snapshots.take": 2, "Snapshots.delete": 1}
    assert scene.counted()["finish-backup"] == expected
    assert len(scene.world.points_of(scene.disk)) == len(scene.world.blobs[scene.world.backup_of(scene.disk)].snapshots)


async def test_a_page_that_is_written_takes_its_write_and_the_reads_of_its_sample() -> None:
    scene = await backed_up([1, 2, None, 3])
    scene.world.blobs[scene.disk].set(0, [7])
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    counts = scene.counted()
    assert counts["plan-changes"] == PLAN | {"Writer.write": 1}
    assert counts["finish-backup"] == FINISH | {"Reader.read": FINISH["Reader.read"] + 2}


async def test_an_unchanged_disk_of_8_tib_with_little_on_it_is_listed_by_twenty_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verify, "SEAL_WINDOW", 8 * GIB)
    monkeypatch.setattr(listing, "LISTING_WINDOW", 64 * GIB)
    scene = await backed_up([1, *[None] * (8 * 1024 - 2), 2])
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    counts = scene.counted()
    assert (counts["plan-changes"]["Reader.changes"], counts["finish-backup"]["Reader.changes"]) == (5, 3 * 5)


async def test_a_look_at_a_tick_that_is_not_over_reads_the_index_and_each_open_run_once() -> None:
    scene = await backed_up([1, 2, None, 3])
    await scene.tick()
    scene.counted()
    [look] = [message for message in scene.world.messages if message.queue == REPORT_TICK_QUEUE]
    scene.world.messages.remove(look)
    await scene.deliver(look)
    found = scene.counted()["report-tick"]
    assert (found["IndexRows.of_disks"], found["IndexRows.record"]) == (1, 1)
