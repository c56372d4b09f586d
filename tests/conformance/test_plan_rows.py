"""The rows of plans add up alike in memory and in Azurite's tables."""

import asyncio

from shared.batches import Effort, encode, fingerprint
from shared.messages import BatchMessage, RunMessage
from shared.record import Progress
from tests.conformance.clouds import Cloud, pages_of

EFFORT = Effort(ranges=1, bytes_written=2**40, bytes_cleared=3, write_calls=4, clear_calls=5)
FIRST, SECOND, THIRD = (f"2026-11-22T{hour}:00:00.1234567Z" for hour in (10, 11, 12))


def run_of(cloud: Cloud, time: str = FIRST, name: str = "disk.vhd", plan: int = 0) -> RunMessage:
    return RunMessage(disk=cloud.disks.blob(name).url, run=time, plan=plan)


def batch_of(run: RunMessage, window: int, number: int, pages: int = 1) -> BatchMessage:
    ranges = encode([pages_of(0, pages)])
    return BatchMessage(**run.model_dump(), window=window, number=number, ranges=ranges)


async def test_a_plan_without_rows_adds_up_to_nothing(cloud: Cloud) -> None:
    run, plans = run_of(cloud), cloud.services.plans
    assert await plans.progress(run) == Progress()
    assert await plans.batches_done(run, 0) == {}
    assert not await plans.is_batch_done(batch_of(run, 0, 0))
    await plans.drop(run)


async def test_what_is_planned_and_done_adds_up(cloud: Cloud) -> None:
    run, plans = run_of(cloud), cloud.services.plans
    batches = [batch_of(run, window, number, window + number + 1) for window in (0, 1) for number in (0, 1, 2)]
    marks = [fingerprint(batch.ranges) for batch in batches]
    await plans.window_planned(run, 0, marks[:3], EFFORT, [])
    await plans.window_planned(run, 1, marks[3:], EFFORT, [])
    for batch in batches[:4]:
        await plans.batch_done(batch, EFFORT)
    progress = await plans.progress(run)
    assert (progress.windows, progress.batches_total, progress.batches_done) == (2, 6, 4)
    assert (progress.planned_fingerprint, progress.done_fingerprint) == (sum(marks), sum(marks[:4]))
    assert progress.planned == EFFORT.plus(EFFORT)
    assert progress.done == Effort(*(4 * count for count in EFFORT))


async def test_a_row_written_twice_counts_once(cloud: Cloud) -> None:
    run, plans = run_of(cloud), cloud.services.plans
    batch = batch_of(run, 0, 0)
    for _ in range(2):
        await plans.window_planned(run, 0, [fingerprint(batch.ranges)], EFFORT, [])
        await plans.batch_done(batch, EFFORT)
    progress = await plans.progress(run)
    assert (progress.windows, progress.batches_total, progress.batches_done) == (1, 1, 1)
    assert (progress.planned, progress.done) == (EFFORT, EFFORT)
    assert progress.planned_fingerprint == progress.done_fingerprint == fingerprint(batch.ranges)


async def test_the_last_that_was_said_of_a_batch_or_a_window_holds(cloud: Cloud) -> None:
    run, plans = run_of(cloud), cloud.services.plans
    old, new = batch_of(run, 0, 0, 1), batch_of(run, 0, 0, 2)
    await plans.batch_done(old, EFFORT)
    await plans.batch_done(new, Effort(ranges=7))
    await plans.window_planned(run, 0, [1, 2, 3], EFFORT, [])
    await plans.window_planned(run, 0, [], Effort(), [])
    progress = await plans.progress(run)
    assert (progress.done, progress.done_fingerprint) == (Effort(ranges=7), fingerprint(new.ranges))
    assert (progress.windows, progress.batches_total, progress.planned) == (1, 0, Effort())


async def test_a_batch_is_done_only_with_the_same_ranges(cloud: Cloud) -> None:
    run, plans = run_of(cloud), cloud.services.plans
    await plans.batch_done(batch_of(run, 3, 4, 5), EFFORT)
    assert await plans.is_batch_done(batch_of(run, 3, 4, 5))
    assert not await plans.is_batch_done(batch_of(run, 3, 4, 6))
    assert not await plans.is_batch_done(batch_of(run, 4, 3, 5))
    assert not await plans.is_batch_done(batch_of(run_of(cloud, plan=1), 3, 4, 5))
    assert not await plans.is_batch_done(batch_of(run_of(cloud, SECOND), 3, 4, 5))


async def test_the_batches_done_are_told_by_their_window(cloud: Cloud) -> None:
    run, plans = run_of(cloud), cloud.services.plans
    done = {(1, 0): 1, (1, 10): 2, (1, 9): 3, (11, 0): 4, (10, 1): 5}
    for (window, number), pages in done.items():
        await plans.batch_done(batch_of(run, window, number, pages), EFFORT)
    await plans.window_planned(run, 1, [1], EFFORT, [])
    assert await plans.batches_done(run, 1) == {
        number: fingerprint(batch_of(run, 1, number, done[1, number]).ranges) for number in (0, 10, 9)
    }
    assert await plans.batches_done(run, 0) == {}


async def test_the_end_of_a_run_drops_its_plans_and_those_of_earlier_runs_only(cloud: Cloud) -> None:
    plans = cloud.services.plans
    gone = [run_of(cloud, FIRST), run_of(cloud, SECOND), run_of(cloud, SECOND, plan=1), run_of(cloud, SECOND, plan=12)]
    kept = [run_of(cloud, THIRD)]
    kept += [run_of(cloud, FIRST, name) for name in ("disk.vhd2", "disk.vh", "disk", "disk.vhd|2", "disk.vhd/2")]
    for run in (*gone, *kept):
        await plans.window_planned(run, 0, [1], EFFORT, [])
        await plans.batch_done(batch_of(run, 0, 0), EFFORT)
    for _ in range(2):
        await plans.drop(run_of(cloud, SECOND))
    assert [await plans.progress(run) for run in gone] == [Progress()] * len(gone)
    assert [(await plans.progress(run)).batches_done for run in kept] == [1] * len(kept)


async def test_a_plan_of_many_rows_is_dropped_whole(cloud: Cloud) -> None:
    run, plans = run_of(cloud), cloud.services.plans
    await asyncio.gather(*(plans.batch_done(batch_of(run, 0, number), EFFORT) for number in range(101)))
    assert (await plans.progress(run)).batches_done == 101
    assert len(await plans.batches_done(run, 0)) == 101
    await plans.drop(run)
    assert await plans.progress(run) == Progress()


async def test_the_samples_of_a_window_are_read_as_they_were_chosen(cloud: Cloud) -> None:
    run, plans = run_of(cloud), cloud.services.plans
    assert await plans.samples(run, 0) == []
    samples = [pages_of(0, 1), pages_of(7, 9), pages_of(2**32, 2**32 + 1)]
    await plans.window_planned(run, 0, [1], EFFORT, samples)
    await plans.window_planned(run, 1, [1], EFFORT, [])
    await plans.batch_done(batch_of(run, 0, 0), EFFORT)
    assert await plans.samples(run, 0) == samples
    assert await plans.samples(run, 1) == []
    assert await plans.samples(run_of(cloud, plan=1), 0) == []
    assert (await plans.progress(run)).windows == 2
    await plans.window_planned(run, 0, [1], EFFORT, samples[1:])
    assert await plans.samples(run, 0) == samples[1:]
