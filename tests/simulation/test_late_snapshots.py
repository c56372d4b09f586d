"""A source snapshot that is refused for now is taken within minutes, not at the next tick, half a day later."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from shared.backup.report_tick import report_tick
from shared.model import retry_policy
from shared.model.messages import TickMessage
from shared.model.names import REPORT_TICK_QUEUE
from shared.model.record import DiskRecord
from shared.model.report import State
from tests.simulation.blobs import Blob
from tests.simulation.managed_scenes import managed_disk_backed_up
from tests.simulation.refusals import refusal
from tests.simulation.refused_snapshots import Refusing
from tests.simulation.reported import HALF_A_DAY, HOUR, backed_up, disk
from tests.simulation.scenes import Scene
from tests.simulation.services import settings_of
from tests.simulation.small import make_small
from tests.simulation.world import DISKS

MINUTE = timedelta(minutes=1)

type Told = Callable[..., list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)
    monkeypatch.setattr(retry_policy, "GIVE_UP_AFTER", timedelta(days=1))


def record_of(scene: Scene) -> DiskRecord:
    record = scene.world.record(scene.disk)
    assert record
    return record


def points(scene: Scene) -> int:
    return len(scene.world.points_of(scene.disk))


@pytest.mark.parametrize("is_new", [True, False], ids=["never backed up", "backed up"])
async def test_a_disk_whose_snapshot_was_refused_once_is_backed_up_minutes_later(told: Told, *, is_new: bool) -> None:
    scene = Scene() if is_new else await backed_up()
    before, tick = points(scene), scene.world.now
    refused = Refusing(scene, refusal(503, "ServerBusy"), times=1)
    await scene.tick()
    [late] = told("backup-late")
    assert "ServerBusy (503)" in late["reason"]
    assert "tried again in about 1 min" in late["reason"]
    await scene.pass_time(5 * MINUTE)
    assert refused.tried[1] - tick >= MINUTE
    assert points(scene) == before + 1
    assert tick in scene.world.heartbeats
    assert [fields["run"] for fields in told("backup-caught-up")] == [scene.world.points_of(scene.disk)[-1].time]
    assert told("snapshot-failed") == [], "nobody is woken for what passes within minutes"
    assert (await disk(scene)).state is State.SAFE
    await scene.pass_time(HALF_A_DAY)
    assert len(refused.tried) == 2, "one snapshot that stays"
    assert scene.world.violations == []


async def test_a_premium_disk_that_was_just_snapshotted_is_caught_up_within_minutes() -> None:
    scene = await backed_up()
    scene.world.premium.add(DISKS.account)
    scene.world.foreign_snapshots.add((scene.disk, scene.world.snapshot(scene.disk, None)))
    scene.world.pass_time(5 * MINUTE)
    tick = scene.world.now
    await scene.tick()
    assert "SnapshotOperationRateExceeded (409)" in record_of(scene).last_error
    await scene.pass_time(15 * MINUTE)
    assert points(scene) == 2
    assert tick in scene.world.heartbeats
    assert scene.world.violations == []


async def test_seven_snapshots_in_five_minutes_are_waited_for_without_asking_often() -> None:
    scene = await managed_disk_backed_up()
    for number in range(7):
        scene.compute.snapshot(f"/subscriptions/s/resourceGroups/g/snapshots/theirs{number}", scene.managed.id, {})
    asked = Refusing(scene, refusal(500, "never"), times=0, name="")
    await scene.tick()
    assert "7 in 5 minutes" in scene.on_record.last_error
    await scene.pass_time(15 * MINUTE)
    assert len(scene.kinds()) == 2
    assert 2 <= len(asked.tried) <= 5
    assert scene.world.violations == []


async def test_a_disk_with_as_many_snapshots_as_may_be_says_so_and_is_backed_up_once_one_is_deleted() -> None:
    scene = await managed_disk_backed_up()
    scene.compute.most_snapshots = 1
    await scene.tick()
    await scene.pass_time(2 * HOUR)
    assert "incremental snapshots" in scene.on_record.last_error
    assert "delete old ones" in scene.on_record.last_error
    assert "tried again in about 10 min" in scene.on_record.last_error
    assert len(scene.kinds()) == 1
    scene.compute.most_snapshots = 2
    await scene.pass_time(15 * MINUTE)
    assert len(scene.kinds()) == 2


async def test_a_snapshot_that_waits_alarms_nobody_for_half_an_hour_and_then_fails(told: Told) -> None:
    scene = await backed_up()
    refused = Refusing(scene, refusal(503, "ServerBusy"))
    await scene.tick()
    await scene.pass_time(20 * MINUTE)
    waits = await disk(scene)
    assert (waits.state, waits.needs_attention) == (State.SAFE, False)
    assert "waits: ServerBusy (503)" in waits.reason
    await scene.pass_time(20 * MINUTE)
    fails = await disk(scene)
    assert fails.state is State.FAILING
    assert "ServerBusy (503)" in fails.reason
    assert "tried again in about 10 min" in fails.reason
    assert told("disk-state")[-1]["attention"], "the alert goes by it"
    refused.end()
    await scene.pass_time(HOUR)
    assert (await disk(scene)).state is State.SAFE
    assert points(scene) == 2


async def test_a_refusal_that_lasts_is_tried_every_ten_minutes_until_the_next_tick(told: Told) -> None:
    scene = await backed_up()
    refused = Refusing(scene, refusal(403, "AuthorizationPermissionMismatch"))
    tick = scene.world.now
    await scene.tick()
    await scene.pass_time(HALF_A_DAY - MINUTE)
    gaps = [later - earlier for earlier, later in zip(refused.tried, refused.tried[1:], strict=False)]
    assert min(gaps) >= MINUTE
    assert max(gaps) <= 21 * MINUTE
    assert 60 < len(refused.tried) < 80
    assert len(told("backup-late")) == len(refused.tried)
    await scene.tick()
    refused.end()
    await scene.pass_time(HOUR)
    assert points(scene) == 2
    assert tick not in scene.world.heartbeats


async def test_a_refusal_that_lasts_for_a_day_is_left_to_the_next_tick() -> None:
    scene = await backed_up()
    refused = Refusing(scene, refusal(503, "ServerBusy"))
    await scene.tick()
    await scene.pass_time(timedelta(days=1))
    tried = len(refused.tried)
    await scene.pass_time(timedelta(days=1))
    assert len(refused.tried) == tried
    told = await disk(scene)
    assert told.state is State.FAILING
    assert "the next tick tries again" in told.reason


@pytest.mark.parametrize("when", ["at the tick", "when it is tried again"])
async def test_a_refusal_that_no_waiting_mends_is_not_tried_every_few_minutes(told: Told, when: str) -> None:
    scene = await backed_up()
    if when == "at the tick":
        refused = Refusing(scene, refusal(404, "ContainerNotFound"))
        await scene.tick()
    else:
        busy = Refusing(scene, refusal(503, "ServerBusy"))
        await scene.tick()
        busy.end()
        refused = Refusing(scene, refusal(404, "ContainerNotFound"))
    await scene.pass_time(HALF_A_DAY)
    assert len(refused.tried) == 1
    assert len(told("snapshot-failed")) == 1
    told_of = await disk(scene)
    assert told_of.state is State.FAILING
    assert "check the container name" in told_of.reason


async def test_the_service_is_left_alone_for_as_long_as_it_asks() -> None:
    scene = await backed_up()
    error = refusal(429, "OperationNotAllowed")
    error.response = type("Answer", (), {"headers": {"Retry-After": "1500"}})()  # as Azure Resource Manager says it
    refused = Refusing(scene, error, times=1)
    await scene.tick()
    await scene.pass_time(HOUR)
    assert timedelta(minutes=25) <= refused.tried[1] - refused.tried[0] < timedelta(minutes=30)
    assert points(scene) == 2


async def test_one_disk_holds_up_no_other() -> None:
    scene = Scene()
    data = DISKS.blob("data.vhd")
    scene.world.blobs[data] = Blob([5, None], scene.world.number)
    object.__setattr__(scene.services, "settings", settings_of(f"{scene.disk.url} {data.url}"))
    refused = Refusing(scene, refusal(403, "AuthorizationPermissionMismatch"))
    await scene.tick()
    await scene.pass_time(5 * MINUTE)
    assert len(scene.world.points_of(data)) == 1
    assert scene.world.heartbeats == []
    refused.end()
    await scene.pass_time(30 * MINUTE)
    assert points(scene) == len(scene.world.points_of(data)) == len(scene.world.heartbeats) == 1


async def test_several_looks_at_once_take_one_snapshot() -> None:
    scene = await backed_up()
    refused = Refusing(scene, refusal(503, "ServerBusy"), times=1)
    tick = scene.world.now
    await scene.tick()
    scene.world.now += 2 * MINUTE
    look = TickMessage(tick=tick, disks=1)
    await asyncio.gather(*(report_tick(scene.services, look) for _ in range(3)))
    assert len(refused.tried) == 2
    await scene.pass_time(HOUR)
    assert points(scene) == 2
    assert scene.snapshots_taken() == 2


async def test_a_worker_that_dies_while_it_tries_again_leaves_that_to_the_next_look() -> None:
    scene = await backed_up()
    refused = Refusing(scene, refusal(503, "ServerBusy"), times=1)
    await scene.tick()
    take = scene.services.disks.take_snapshot

    async def die(*_: Any) -> NoReturn:
        raise asyncio.CancelledError

    scene.services.disks.take_snapshot = die
    scene.world.now += 2 * MINUTE
    [look] = [message for message in scene.world.messages if message.queue == REPORT_TICK_QUEUE]
    with pytest.raises(asyncio.CancelledError):
        await report_tick(scene.services, TickMessage.read(look.body))
    scene.services.disks.take_snapshot = take
    await scene.pass_time(15 * MINUTE)
    assert points(scene) == 2
    assert len(refused.tried) == 2


async def test_a_snapshot_that_can_not_be_read_is_taken_anew_within_minutes() -> None:
    scene = await backed_up()
    properties = scene.services.pages.properties

    async def refuse(*_: Any, **__: Any) -> NoReturn:
        raise refusal(503, "ServerBusy")

    scene.services.pages.properties = refuse
    await scene.tick()
    scene.services.pages.properties = properties
    await scene.pass_time(5 * MINUTE)
    assert points(scene) == 2
    assert len(scene.world.own_snapshots(scene.disk)) == 1


async def test_a_disk_whose_record_could_not_be_read_at_the_tick_is_caught_up() -> None:
    scene = await backed_up()
    get, times = scene.services.records.get, iter([True])

    async def refuse(*asked: Any) -> Any:
        if next(times, False):
            raise refusal(503, "ServerBusy")
        return await get(*asked)

    scene.services.records.get = refuse
    await scene.tick()
    await scene.pass_time(5 * MINUTE)
    assert points(scene) == 2


async def test_a_disk_that_was_busy_and_then_refused_is_caught_up_within_minutes() -> None:
    scene = await backed_up()
    await scene.tick()
    scene.world.now += timedelta(seconds=1)
    tick = scene.world.now
    await scene.tick()
    refused = Refusing(scene, refusal(503, "ServerBusy"), times=1)
    await scene.pass_time(10 * MINUTE)
    assert len(refused.tried) == 2
    assert points(scene) == 3
    assert tick in scene.world.heartbeats


async def test_a_disk_that_is_not_to_be_backed_up_any_more_is_not_snapshotted_for_the_tick() -> None:
    scene = await backed_up()
    refused = Refusing(scene, refusal(503, "ServerBusy"), times=1)
    await scene.tick()
    object.__setattr__(scene.services, "settings", settings_of(DISKS.blob("none.vhd").url))
    await scene.pass_time(HALF_A_DAY)
    assert len(refused.tried) == 1
