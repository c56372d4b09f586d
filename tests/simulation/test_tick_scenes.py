"""A tick has succeeded when the state of every disk that was due is safe: no other disk stands for one of them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from shared.model.disk import Disk, PageBlobDisk
from shared.model.fitness import backup_problem
from shared.model.names import FINISH_BACKUP_QUEUE, RESTORE_REQUESTS_QUEUE
from shared.model.run import Mode
from shared.model.schema import SCHEMA
from tests.simulation.blobs import Blob
from tests.simulation.refusals import refusal
from tests.simulation.scenes import Scene
from tests.simulation.services import settings_of, source_disks
from tests.simulation.small import make_small
from tests.simulation.world import DISKS

HALF_A_DAY = timedelta(hours=12)
OS, DATA = DISKS.blob("os.vhd"), DISKS.blob("data.vhd")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


@pytest.mark.nightly
async def test_a_disk_that_a_tick_was_not_to_back_up_stands_for_none_that_it_was() -> None:
    scene = Scene()
    world, put = scene.world, scene.services.blobs.put_from_url
    world.blobs[DATA] = Blob([5, None], world.number)
    only_os, both = settings_of(f"{OS.url} !{DATA.url}"), settings_of(f"{OS.url} {DATA.url}")

    async def is_busy_with_os(blob: Any, *arguments: Any, **named: Any) -> Any:
        if blob == world.backup_of(OS):
            raise refusal(503, "ServerBusy")
        return await put(blob, *arguments, **named)

    async def tick_with(settings: Any) -> Any:
        object.__setattr__(scene.services, "settings", settings)
        tick = world.now
        await scene.tick()
        await scene.pass_time(HALF_A_DAY)
        return tick

    first = await tick_with(both)
    world.blobs[OS].set(0, [world.number()])
    scene.services.blobs.put_from_url = is_busy_with_os
    second = await tick_with(only_os)
    third = await tick_with(both)
    assert max(point.time for point in world.points_of(DATA)) > third.isoformat()
    assert set(world.heartbeats) == {first}, "the second waits for its one disk, which is still copied"
    scene.services.blobs.put_from_url = put
    await scene.pass_time(HALF_A_DAY)
    assert set(world.heartbeats) == {first, second}
    assert world.violations == []


async def test_a_tick_that_could_not_open_a_run_does_not_succeed_by_the_next_ones_recovery_point() -> None:
    scene = Scene()
    world, properties = scene.world, scene.services.pages.properties
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)

    async def refuse(*_: Any, **__: Any) -> NoReturn:
        raise refusal(400, "InvalidUri")

    scene.services.pages.properties = refuse
    failed = world.now
    await scene.tick()
    scene.services.pages.properties = properties
    await scene.pass_time(HALF_A_DAY)
    next_tick = world.now
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    assert next_tick in world.heartbeats
    assert failed not in world.heartbeats
    assert world.violations == []


@pytest.mark.parametrize("named", ["nowhere", "by its pattern, which is excluded"])
async def test_a_run_goes_on_by_itself_when_its_disk_is_no_longer_backed_up(named: str) -> None:
    scene, other = Scene(), DISKS.blob("other.vhd")
    scene.world.blobs[other] = Blob([7], scene.world.number)
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    await scene.tick()
    scene.world.messages = [message for message in scene.world.messages if message.queue != FINISH_BACKUP_QUEUE]
    disks = other.url if named == "nowhere" else f"{DISKS.blob('*.vhd').url} !{scene.disk.url}"
    object.__setattr__(scene.services, "settings", settings_of(disks))
    for _ in range(2):
        await scene.pass_time(HALF_A_DAY)
        await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    record = scene.world.record(scene.disk)
    assert record
    assert record.run is None
    assert not scene.world.blobs[scene.world.backup_of(scene.disk)].lease
    assert len(scene.world.points_of(scene.disk)) == 2, "that of the run, and no more"


async def test_a_disk_that_its_new_mode_can_not_back_up_is_not_snapshotted_after_its_run_either() -> None:
    scene = Scene()
    world = scene.world
    names = [DISKS.blob("o" * length) for length in range(500, 1025)]
    container = scene.services.settings.container
    scene.disk = next(disk for disk in names if backup_problem(PageBlobDisk(disk), container, Mode.FULL))
    assert not backup_problem(PageBlobDisk(scene.disk), container, Mode.INCREMENTAL)
    world.blobs[scene.disk] = Blob([1, 2], world.number)
    object.__setattr__(scene.services, "settings", settings_of(source_disks({scene.disk.url: "incremental"})))
    await scene.tick()
    world.now += timedelta(seconds=1)
    await scene.tick()
    object.__setattr__(scene.services, "settings", settings_of(source_disks({scene.disk.url: "full"})))
    await scene.pass_time(HALF_A_DAY)
    record = world.record(scene.disk)
    assert record
    assert record.run is None
    assert "can't be backed up" in record.last_error
    assert scene.snapshots_taken() == 1
    assert not scene.waiting()


@pytest.mark.nightly
async def test_a_run_that_fails_is_given_up_in_time_when_its_disk_is_no_longer_backed_up() -> None:
    scene = Scene()
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    scene.world.blobs[scene.disk].set(0, [scene.world.number()])

    async def refuse(*_: Any, **__: Any) -> NoReturn:
        raise refusal(403, "AuthorizationPermissionMismatch")

    scene.services.blobs.put_from_url = refuse
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    object.__setattr__(scene.services, "settings", settings_of(f"{DISKS.blob('*.vhd').url} !{scene.disk.url}"))
    for _ in range(6):
        await scene.tick()
        await scene.pass_time(HALF_A_DAY)
    record = scene.world.record(scene.disk)
    assert record
    assert record.run is None


@pytest.mark.parametrize("excluded", [True, False])
async def test_a_restored_disk_that_is_excluded_holds_no_tick_up_even_if_its_record_is_unreadable(
    *, excluded: bool
) -> None:
    scene, target = Scene(), DISKS.blob("restored.vhd")
    world = scene.world
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    asked = {"disk": scene.disk.url, "point": "latest", "target": target.url}
    world.enqueue(RESTORE_REQUESTS_QUEUE, json.dumps(asked).encode())
    await scene.pass_time(HALF_A_DAY)
    key = PageBlobDisk(target).key
    entity, etag = world.records[key]
    assert entity["adopted"]
    world.records[key] = ({**entity, "schema": SCHEMA + 1}, etag)
    exclusion = f" !{target.url}" if excluded else ""
    object.__setattr__(scene.services, "settings", settings_of(f"{scene.disk.url}{exclusion}"))
    tick = world.now
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    assert (tick in world.heartbeats) is excluded
    assert world.violations == []


@pytest.mark.parametrize("restore", ["goes on", "ends", "fails"])
async def test_a_disk_that_is_being_restored_where_it_was_deleted_is_still_due_by_its_pattern(restore: str) -> None:
    scene, other = Scene(), DISKS.blob("other.vhd")
    world, services = scene.world, scene.services
    object.__setattr__(services, "settings", settings_of(DISKS.blob("*.vhd").url))
    world.blobs[other] = Blob([7], world.number)
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    del world.blobs[scene.disk]

    async def refuse(*_: Any, **__: Any) -> NoReturn:
        raise refusal(403, "AuthorizationPermissionMismatch")

    list_index, start_copy = services.records.disks, services.copies.start
    if restore == "fails":
        services.copies.start = refuse
    request = {"disk": scene.disk.url, "point": "latest", "target": scene.disk.url}
    world.enqueue(RESTORE_REQUESTS_QUEUE, json.dumps(request).encode())
    while not ((record := world.record(scene.disk)) and record.restore):
        await scene.pass_time(timedelta(seconds=1))

    async def list_before_the_restore(_: Any) -> Any:
        return [PageBlobDisk(other)]

    async def end_restore_once_listed() -> Any:
        known = await list_index()
        if restore != "goes on":
            services.records.disks = list_index
            await scene.pass_time(timedelta(days=2))
            services.copies.start = start_copy
        return known

    services.disks.find, services.records.disks = list_before_the_restore, end_restore_once_listed
    tick = world.now
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    assert (tick in world.heartbeats) == (restore != "fails")
    assert any(point.time >= tick.isoformat() for point in world.points_of(scene.disk)) == (restore != "fails")


async def test_a_disk_of_a_later_tick_stands_for_no_pattern_that_found_nothing() -> None:
    scene = Scene()
    world = scene.world
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    everything, named = scene.services.settings, DISKS.blob("*.vhd").url
    object.__setattr__(scene.services, "settings", settings_of(f"{named} !{scene.disk.url}"))
    found_nothing = world.now
    await scene.tick()
    world.now += timedelta(seconds=1)
    object.__setattr__(scene.services, "settings", everything)
    await scene.tick()
    await scene.pass_time(2 * HALF_A_DAY)
    assert found_nothing not in world.heartbeats
    assert len(world.heartbeats) == 2


async def test_a_disk_whose_account_takes_long_holds_up_the_run_of_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("find_disks", "take_snapshots"):
        monkeypatch.setattr(f"shared.backup.{module}.WAIT_FOR_SLOW", timedelta())
    scene, answers = Scene(), asyncio.Event()
    world, disks = scene.world, scene.services.disks
    world.blobs[DATA] = Blob([5, None], world.number)
    object.__setattr__(scene.services, "settings", settings_of(f"{OS.url} {DATA.url}"))

    def slow_with_os(call: Callable[[Disk], Awaitable[str]]) -> Callable[[Disk], Awaitable[str]]:
        async def called(disk: Disk) -> str:
            if disk == PageBlobDisk(OS):
                await answers.wait()
            return await call(disk)

        return called

    disks.problem, disks.take_snapshot = slow_with_os(disks.problem), slow_with_os(disks.take_snapshot)
    ticking = asyncio.create_task(scene.tick())
    while not (world.record(DATA) and scene.waiting()):
        assert not ticking.done()
        await asyncio.sleep(0)
    assert scene.snapshots_taken(OS) == 0
    answers.set()
    await ticking
    await scene.pass_time(HALF_A_DAY)
    assert len(world.points_of(OS)) == len(world.points_of(DATA)) == len(world.heartbeats) == 1
    assert world.violations == []
