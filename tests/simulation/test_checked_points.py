"""Recovery points deleted behind Tidemark's back: the newest is missed at the next tick, all others within a day."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from shared.backup import take_snapshots
from shared.model.addresses import ContainerAddress
from shared.model.names import CONTINUE_INSPECTION_QUEUE, VERIFY_QUEUE
from shared.model.point import PointState, RecoveryPoint
from shared.model.record import DiskRecord
from tests.simulation.blobs import Blob
from tests.simulation.refusals import refusal
from tests.simulation.scenes import Scene
from tests.simulation.services import settings_of
from tests.simulation.small import make_small
from tests.simulation.world import DISKS, OWN, place_of

HALF_A_DAY = timedelta(hours=12)
OTHER = DISKS.blob("other.vhd")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


async def left(mode: str = "incremental", *, points: int = 3) -> Scene:
    """Back a disk up, and then only another one, so that no seal looks after its recovery points."""
    scene = Scene(mode)
    scene.world.blobs[OTHER] = Blob([7], scene.world.number)
    for _ in range(points):
        scene.world.blobs[scene.disk].set(0, [scene.world.number()])
        await scene.tick()
        await scene.pass_time(HALF_A_DAY)
    object.__setattr__(scene.services, "settings", settings_of(f"{OTHER.url} !{scene.disk.url}"))
    return scene


def lose(scene: Scene, point: RecoveryPoint) -> Callable[[], None]:
    """Delete a recovery point as a foreign hand does; give what undeletes it."""
    place, world = place_of(point), scene.world
    world.lost.add((place, point.backup_snapshot))
    if not point.backup_snapshot:
        blob = world.blobs.pop(place)
        return lambda: world.blobs.update({place: blob})
    taken = world.blobs[place].snapshots.pop(point.backup_snapshot)
    return lambda: world.blobs[place].snapshots.update({point.backup_snapshot: taken})


def points(scene: Scene) -> list[RecoveryPoint]:
    return scene.world.points_of(scene.disk)


def record(scene: Scene) -> DiskRecord:
    found = scene.world.record(scene.disk)
    assert found
    return found


@pytest.mark.parametrize("mode", ["incremental", "full"])
async def test_the_newest_recovery_point_that_is_gone_is_damaged_at_the_next_tick_until_it_is_back(
    mode: str, told: Callable[..., list[dict[str, Any]]]
) -> None:
    scene = await left(mode)
    newest = points(scene)[-1]
    undelete = lose(scene, newest)
    await scene.tick()
    assert [point.state for point in points(scene)] == [PointState.SEALED, PointState.SEALED, PointState.DAMAGED]
    assert (record(scene).damaged_points, record(scene).damaged_point) == (1, newest.time)
    [event] = told("point-damaged")
    assert (event["disk"], event["point"]) == (scene.disk.url, newest.time)
    assert "undelete it while soft delete" in event["reason"]
    assert "after that, the next tick finds it" in event["reason"]
    assert "send the request again" not in event["reason"]
    await scene.tick()
    assert len(told("point-damaged")) == 1
    undelete()
    await scene.tick()
    assert points(scene)[-1].state is PointState.SEALED
    assert (record(scene).damaged_points, record(scene).damaged_point) == (0, "")
    assert scene.world.violations == []


@pytest.mark.parametrize("mode", ["incremental", "full"])
async def test_an_older_recovery_point_that_is_gone_is_damaged_within_a_day_until_it_is_back(mode: str) -> None:
    scene = await left(mode)
    undelete = lose(scene, points(scene)[0])
    for _ in range(2):
        await scene.tick()
        await scene.pass_time(HALF_A_DAY)
    assert [point.state for point in points(scene)] == [PointState.DAMAGED, PointState.SEALED, PointState.SEALED]
    assert record(scene).damaged_points == 1
    undelete()
    for _ in range(2):
        await scene.tick()
        await scene.pass_time(HALF_A_DAY)
    assert points(scene)[0].state is PointState.SEALED
    assert record(scene).damaged_points == 0


async def test_all_recovery_points_are_looked_for_once_a_day_and_the_newest_by_one_request() -> None:
    scene = await left()
    asked, properties = [], scene.services.pages.properties
    listed, versions = [], scene.services.snapshots.versions

    async def ask(version: Any) -> Any:
        asked.append(version)
        return await properties(version)

    async def list_versions(blob: Any) -> Any:
        listed.append(blob)
        return await versions(blob)

    scene.services.pages.properties, scene.services.snapshots.versions = ask, list_versions
    backup = scene.world.backup_of(scene.disk)
    for _ in range(4):
        await scene.tick()
        await scene.pass_time(HALF_A_DAY)
    assert [version.blob for version in asked].count(backup) == 4
    assert listed.count(backup) == 2


async def test_a_disk_whose_recovery_point_can_not_be_looked_for_stops_no_other(
    told: Callable[..., list[dict[str, Any]]],
) -> None:
    scene = await left()
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    lose(scene, scene.world.points_of(OTHER)[-1])
    properties, backup = scene.services.pages.properties, scene.world.backup_of(scene.disk)

    async def refuse_one(version: Any) -> Any:
        if version.blob == backup:
            raise refusal(403, "AuthorizationFailure")
        return await properties(version)

    scene.services.pages.properties = refuse_one
    await scene.tick()
    assert [event["disk"] for event in told("check-points-failed")] == [scene.disk.url]
    assert [event["disk"] for event in told("point-damaged")] == [OTHER.url]
    assert not record(scene).damaged_points


async def test_recovery_points_are_found_by_the_containers_url_of_now_whatever_their_rows_say() -> None:
    scene = await left()
    url = OWN.url.replace(".blob.", ".privatelink.blob.")
    rows = scene.world.points[next(iter(scene.world.points))]
    spelled = ContainerAddress.parse(url)
    for key, point in rows.items():
        rows[key] = replace(point, backup_blob=spelled.blob(place_of(point).blob))
    scene.world.blobs[scene.world.backup_of(scene.disk)].snapshots.pop(points(scene)[1].backup_snapshot)
    scene.world.lost.add((place_of(points(scene)[1]), points(scene)[1].backup_snapshot))
    for _ in range(2):
        await scene.tick()
        await scene.pass_time(HALF_A_DAY)
    assert [point.state for point in points(scene)] == [PointState.SEALED, PointState.DAMAGED, PointState.SEALED]
    assert scene.world.violations == []


async def test_recovery_points_in_a_container_that_can_not_be_read_any_more_stay_as_they_are(
    told: Callable[..., list[dict[str, Any]]],
) -> None:
    scene = await left()
    before = ContainerAddress.parse("https://older.blob.core.windows.net/tidemark")
    rows = scene.world.points[next(iter(scene.world.points))]
    oldest = min(rows)
    rows[oldest] = replace(rows[oldest], backup_blob=before.blob(place_of(rows[oldest]).blob))
    versions = scene.services.snapshots.versions

    async def refuse_older(blob: Any) -> Any:
        if blob.parent == before:
            raise refusal(403, "AuthorizationFailure")
        return await versions(blob)

    scene.services.snapshots.versions = refuse_older
    lose(scene, points(scene)[1])
    for _ in range(2):
        await scene.tick()
        await scene.pass_time(HALF_A_DAY)
    assert [point.state for point in points(scene)] == [PointState.SEALED, PointState.DAMAGED, PointState.SEALED]
    assert told("check-points-failed")


async def test_a_container_that_can_not_be_read_is_asked_once_a_day_and_takes_no_time_from_other_disks() -> None:
    scene = await left()
    before = ContainerAddress.parse("https://older.blob.core.windows.net/tidemark")
    rows = scene.world.points[next(iter(scene.world.points))]
    oldest = min(rows)
    rows[oldest] = replace(rows[oldest], backup_blob=before.blob(place_of(rows[oldest]).blob))
    versions, asked = scene.services.snapshots.versions, []

    async def refuse_older(blob: Any) -> Any:
        if blob.parent == before:
            asked.append(scene.world.now)
            raise refusal(403, "AuthorizationFailure")
        return await versions(blob)

    scene.services.snapshots.versions = refuse_older
    for _ in range(4):
        await scene.tick()
        await scene.pass_time(HALF_A_DAY)
    assert len(asked) == 2


async def test_a_tick_that_is_cut_off_as_it_looks_for_recovery_points_has_looked_at_the_jobs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = await left()
    scene.world.enqueue(VERIFY_QUEUE, json.dumps({"disk": scene.disk.url, "point": "latest"}).encode())
    await scene.deliver_next()
    scene.world.messages.clear()
    scene.world.now += HALF_A_DAY

    async def cut_off(*_: Any) -> NoReturn:
        raise TimeoutError

    monkeypatch.setattr(take_snapshots, "watch_known", cut_off)
    with pytest.raises(TimeoutError):
        await scene.tick()
    assert scene.waiting()[CONTINUE_INSPECTION_QUEUE]


async def test_a_tick_that_can_not_read_the_backup_account_still_backs_up() -> None:
    scene = await left()
    versions = scene.services.snapshots.versions

    async def refuse(*_: Any) -> NoReturn:
        raise refusal(503, "ServerBusy")

    scene.services.snapshots.versions = refuse
    await scene.tick()
    scene.services.snapshots.versions = versions
    await scene.pass_time(HALF_A_DAY)
    assert scene.world.points_of(OTHER)
