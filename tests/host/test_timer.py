"""The timer trigger."""

from datetime import datetime, timedelta
from itertools import pairwise

from infra.local.host.process import HostProcess
from tests.host.sample import Sample, until

EVERY_SECOND, A_SECOND = "* * * * * *", timedelta(seconds=1)


def due_times(sample: Sample) -> list[datetime]:
    """Give when each run was told that it was due: the host knows of no later one yet."""
    return [datetime.fromisoformat(event["status"]["Next"]) for event in sample.events("tick")]


def gaps(sample: Sample) -> list[timedelta]:
    return [later - earlier for earlier, later in pairwise(due_times(sample))]


async def test_a_timer_fires_by_its_schedule_and_never_overlaps_itself(sample: Sample) -> None:
    async with sample.host({"TICKS": EVERY_SECOND}):
        await until(lambda: sample.events("hold_tick", "started"), "the run that holds")
        await until(lambda: len(sample.events("tick")) >= 4 and A_SECOND in gaps(sample), "three ticks more")
        assert len(sample.events("hold_tick", "started")) == 1
        sample.release()
        await until(lambda: len(sample.events("hold_tick", "ended")) >= 2, "a run after the one that held")
    due, begun = due_times(sample), [datetime.fromisoformat(event["status"]["Last"]) for event in sample.events("tick")]
    assert min(gaps(sample)) == A_SECOND, "no second gives two runs; a busy machine may miss some"
    assert all(begun[number + 1] >= due[number] for number in range(len(due) - 1)), "no run begins before it is due"
    first, second = sample.events("tick")[:2]
    assert first["past_due"] is False
    assert first["schedule"] == {"AdjustForDST": True}
    assert first["status"]["Last"] == "0001-01-01T00:00:00+00:00"
    assert first["status"]["Last"] < second["status"]["Last"] < second["status"]["Next"]
    order = [event["event"] for event in sample.events("hold_tick")]
    assert order == ["started", "ended"] * (len(order) // 2)


async def test_a_timer_that_runs_on_startup_runs_before_it_is_due(host: HostProcess, shared_sample: Sample) -> None:
    [event] = await until(lambda: shared_sample.events("tick_at_start"), "the run at the start")
    assert event["status"] == {}, "a timer without monitor has no status"

    async def is_counted() -> bool:
        counted = (await host.status())["invocations"]["tick_at_start"]
        return bool(counted == {"succeeded": 1, "failed": 0, "running": 0})

    await until(is_counted, "its end")


async def test_an_admin_starts_a_timer_by_name(host: HostProcess, shared_sample: Sample) -> None:
    before = len(shared_sample.events("tick"))
    await host.start("tick")
    await until(lambda: len(shared_sample.events("tick")) == before + 1, "the tick")
