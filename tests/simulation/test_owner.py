"""A backup container belongs to one app: any other takes no snapshot, and writes nothing there."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from shared.azure.tables.rows import from_row
from shared.errors import NotOwnerError
from shared.model.blob import BlobState
from shared.model.disk import PageBlobDisk
from shared.model.intent_row import IntentRow
from shared.model.job import Stage
from shared.model.names import (
    DRILL_QUEUE,
    FINISH_BACKUP_QUEUE,
    MANAGE_QUEUE,
    OWNER_MARK,
    OWNER_METADATA,
    RESTORE_REQUESTS_QUEUE,
    VERIFY_QUEUE,
)
from shared.owner.mark import require_owner
from shared.points.rebuild_catalogue import rebuild_catalogue
from tests.simulation.refusals import refusal
from tests.simulation.scenes import Scene
from tests.simulation.services import HOST
from tests.simulation.small import make_small
from tests.simulation.world import OWN

HALF_A_DAY = timedelta(hours=12)
MARK = OWN.blob(OWNER_MARK)
FIRST, SECOND = "host.table.core.windows.net", "second.table.core.windows.net"


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def other(scene: Scene) -> Scene:
    return scene.of_another_app(name="other-app", AzureWebJobsStorage=HOST.replace("host", "second"))


async def take_over(scene: Scene) -> str:
    """Have an operator ask an app to take the container over; give what comes of it."""
    asked = scene.world.enqueue(MANAGE_QUEUE, b'{"do": "takeover"}')
    await scene.pass_time(timedelta(seconds=1))
    rows = [from_row(IntentRow, entity) for entity, _ in scene.world.intents.values()]
    [row] = [row for row in rows if row.intent == asked]
    return row.outcome or row.last_error or row.reason


def owner(scene: Scene) -> str:
    return scene.world.blobs[MARK].metadata[OWNER_METADATA]


def state_of_container(scene: Scene) -> Any:
    """Give all that is in the backup container, to the last ETag."""
    blobs = {address.url: blob for address, blob in scene.world.blobs.items() if address.parent == OWN}
    return {url: (blob.etag, blob.lease, sorted(blob.snapshots)) for url, blob in blobs.items()}


async def backed_up(scene: Scene) -> None:
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)


async def test_the_first_app_that_uses_a_container_owns_it(scene: Scene) -> None:
    await backed_up(scene)
    assert owner(scene) == FIRST
    mark = scene.world.blobs[MARK]
    assert mark.lease
    assert not mark.pages
    before = state_of_container(scene)[MARK.url]
    await backed_up(scene)
    assert state_of_container(scene)[MARK.url] == before, "it is only looked at"
    assert len(scene.world.heartbeats) == 2


async def test_a_second_app_takes_no_snapshot_and_writes_nothing_and_says_whose_the_container_is(
    scene: Scene, other: Scene
) -> None:
    await backed_up(scene)
    before, snapshots = state_of_container(scene), scene.snapshots_taken()
    other.catch_up_with(scene)
    for _ in range(2):
        with pytest.raises(NotOwnerError) as refused:
            await other.tick()
        await other.pass_time(HALF_A_DAY)
    assert FIRST in str(refused.value)
    assert OWN.url in str(refused.value)
    assert "takeover" in str(refused.value)
    assert (state_of_container(scene), scene.snapshots_taken()) == (before, snapshots)
    assert other.world.heartbeats == []
    assert other.world.records == {}


@pytest.mark.parametrize("queue", [RESTORE_REQUESTS_QUEUE, VERIFY_QUEUE, DRILL_QUEUE])
async def test_what_an_operator_asks_of_a_second_app_is_refused_and_nothing_is_written(
    scene: Scene, other: Scene, queue: str
) -> None:
    await backed_up(scene)
    other.catch_up_with(scene)
    await rebuild_catalogue(other.services)
    assert other.world.points_of(scene.disk), "its table may be rebuilt from a container that is not its own"
    before = state_of_container(scene)
    request = {"disk": scene.disk.url, "point": "latest"}
    other.world.enqueue(queue, json.dumps(request).encode())
    await other.pass_time(HALF_A_DAY)
    rows = [*other.world.restore_rows(), *(row for row, _ in other.world.inspections.values())]
    [row] = rows
    assert row.state is Stage.REFUSED
    assert FIRST in row.reason
    assert state_of_container(scene) == before


@pytest.mark.parametrize("intent", [{"do": "backup"}, {"do": "orphans", "approve": "0" * 16}])
async def test_an_intent_that_writes_is_refused_by_a_second_app(scene: Scene, other: Scene, intent: Any) -> None:
    await backed_up(scene)
    before, snapshots = state_of_container(scene), scene.snapshots_taken()
    other.catch_up_with(scene)
    if intent["do"] == "orphans":
        listing = IntentRow(
            intent="list", do="orphans", requested=other.world.now, progressed=other.world.now, checked=other.world.now
        )
        await other.services.intents.add(replace(listing, subject=intent["approve"], listed="0"))
    else:
        intent = {**intent, "disk": scene.disk.url}
    other.world.enqueue(MANAGE_QUEUE, json.dumps(intent).encode())
    await other.pass_time(timedelta(minutes=1))
    row = [from_row(IntentRow, entity) for entity, _ in other.world.intents.values()][-1]
    assert row.state is Stage.REFUSED
    assert FIRST in row.reason
    assert (state_of_container(scene), scene.snapshots_taken()) == (before, snapshots)


async def test_a_container_that_is_taken_over_is_the_other_apps_and_its_backups_go_on(
    scene: Scene, other: Scene
) -> None:
    await backed_up(scene)
    other.catch_up_with(scene)
    said = await take_over(other)
    assert FIRST in said
    assert owner(scene) == SECOND
    assert FIRST in await take_over(other), "asked again, it says the same"
    await rebuild_catalogue(other.services)
    scene.world.blobs[scene.disk].set(0, [scene.world.number()])
    await backed_up(other)
    assert [point.kind for point in other.world.points_of(scene.disk)] == ["full", "incremental"]
    assert len(other.world.heartbeats) == 1
    scene.catch_up_with(other)
    with pytest.raises(NotOwnerError, match="other-app"):
        await scene.tick()
    assert other.world.violations == []


@pytest.mark.parametrize("when", ["before its plan", "in its batches", "before its seal", "after its snapshot"])
@pytest.mark.parametrize("mode", ["incremental", "full"])
async def test_a_run_of_the_app_that_owned_it_before_is_given_up_and_leaves_the_new_owners_alone(
    when: str, mode: str
) -> None:
    scene = Scene(mode)
    other = scene.of_another_app(name="other-app", AzureWebJobsStorage=HOST.replace("host", "second"))
    await backed_up(scene)
    scene.world.blobs[scene.disk].set(0, [scene.world.number()])
    await scene.tick()
    sealed = scene.services.records.seal

    async def dies(*_: Any) -> NoReturn:
        raise refusal(500, "InternalError")

    if when == "in its batches":
        scene.services.blobs.put_from_url = dies
    if when == "after its snapshot":
        scene.services.records.seal = dies
    if when != "before its plan":
        finishing = [message for message in scene.world.messages if message.queue == FINISH_BACKUP_QUEUE]
        if when != "after its snapshot":
            scene.world.messages = [message for message in scene.world.messages if message not in finishing]
        await scene.pass_time(timedelta(minutes=1))
        if when != "after its snapshot":
            scene.world.messages += finishing
    scene.services.records.seal = sealed
    other.catch_up_with(scene)
    await take_over(other)
    await rebuild_catalogue(other.services)
    taken = {time for time, of in scene.world.snapshots_of.items() if of == PageBlobDisk(scene.disk)}
    await backed_up(other)
    held = other.world.points_of(scene.disk)
    assert all(other.world.holds(scene.disk, point) for point in held)
    before = state_of_container(scene)
    scene.catch_up_with(other)
    await scene.pass_time(HALF_A_DAY)
    record = scene.world.record(scene.disk)
    assert record
    assert record.run is None
    assert "other-app" in record.last_error or "no longer exists" in record.last_error
    assert {time for time, of in scene.world.snapshots_of.items() if of == PageBlobDisk(scene.disk)} >= taken
    assert state_of_container(scene) == before
    assert all(other.world.holds(scene.disk, point) for point in held)
    kept = other.world.record(scene.disk)
    assert kept
    assert kept.base_snapshot in scene.world.blobs[scene.disk].snapshots, "its next run is based on that"
    scene.world.blobs[scene.disk].set(1, [scene.world.number()])
    other.catch_up_with(scene)
    await backed_up(other)
    assert other.world.points_of(scene.disk)[-1].kind == ("full" if mode == "full" else "incremental")
    assert other.world.violations == []


async def test_a_disk_that_was_late_is_not_caught_up_for_another_apps_container(scene: Scene, other: Scene) -> None:
    await backed_up(scene)
    await scene.tick()
    scene.world.now += timedelta(seconds=1)
    await scene.tick()
    other.catch_up_with(scene)
    await take_over(other)
    snapshots = scene.snapshots_taken()
    await scene.pass_time(HALF_A_DAY)
    assert scene.snapshots_taken() == snapshots
    assert not scene.waiting()


async def test_of_two_apps_at_once_one_gets_a_new_container(scene: Scene, other: Scene) -> None:
    find = other.services.pages.find

    async def find_before_the_first_made_it(*_: Any) -> BlobState | None:
        other.services.pages.find = find
        await require_owner(scene.services)
        return None

    other.services.pages.find = find_before_the_first_made_it
    with pytest.raises(NotOwnerError):
        await require_owner(other.services)
    assert owner(scene) == FIRST


async def test_a_container_that_can_not_be_reached_is_nobody_elses(scene: Scene) -> None:
    await backed_up(scene)
    scene.world.blobs[scene.disk].set(0, [scene.world.number()])
    scene.world.forbidden.add(OWN)
    await backed_up(scene)
    assert scene.snapshots_taken() == 2, "the state of the disk at the tick is kept"
    scene.world.forbidden.clear()
    await backed_up(scene)
    assert len(scene.world.points_of(scene.disk)) > 1
    assert scene.world.violations == []


@pytest.mark.nightly
async def test_while_the_container_can_not_be_reached_no_source_snapshots_pile_up(scene: Scene) -> None:
    await backed_up(scene)
    scene.world.forbidden.add(OWN)
    for _ in range(4):
        await backed_up(scene)
    await scene.tick()
    assert scene.snapshots_taken() == 3, "a run was given up, and begun anew"
    assert len(scene.world.blobs[scene.disk].snapshots) <= 2, "premium storage allows 100, and then no backup at all"
    scene.world.forbidden.clear()
    await scene.pass_time(HALF_A_DAY)
    assert len(scene.world.points_of(scene.disk)) > 1
    assert len(scene.world.blobs[scene.disk].snapshots) == 1
    assert scene.world.violations == []


@pytest.mark.parametrize("what", ["deleted", "without its lease"])
async def test_a_mark_that_somebody_spoilt_is_mended_by_the_next_step(scene: Scene, what: str) -> None:
    await backed_up(scene)
    if what == "deleted":
        del scene.world.blobs[MARK]
    else:
        scene.world.blobs[MARK].break_lease()
    await backed_up(scene)
    assert owner(scene) == FIRST
    assert scene.world.blobs[MARK].lease


async def test_an_app_that_dies_as_it_takes_over_has_not_taken_over_and_may_do_so_again(
    scene: Scene, other: Scene
) -> None:
    await backed_up(scene)
    write = other.services.blobs.set_metadata

    async def dies(*_: Any) -> NoReturn:
        raise refusal(500, "InternalError")

    other.services.blobs.set_metadata = dies
    other.catch_up_with(scene)
    assert "InternalError" in await take_over(other)
    await backed_up(scene)
    assert len(scene.world.points_of(scene.disk)) == 2, "it is still the first app's"
    other.services.blobs.set_metadata = write
    other.catch_up_with(scene)
    await other.pass_time(timedelta(minutes=10))
    assert owner(scene) == SECOND


async def test_a_blob_of_that_name_that_names_nobody_is_not_taken_for_ones_own(scene: Scene) -> None:
    scene.world.make(MARK, 0, {})
    with pytest.raises(NotOwnerError, match="does not name"):
        await scene.tick()
    await take_over(scene)
    await backed_up(scene)
    assert len(scene.world.points_of(scene.disk)) == 1


async def test_a_rebuilt_catalogue_and_a_lost_table_change_no_owner(scene: Scene) -> None:
    await backed_up(scene)
    again = scene.of_another_app()
    again.catch_up_with(scene)
    await rebuild_catalogue(again.services)
    again.world.blobs[scene.disk].set(0, [scene.world.number()])
    await backed_up(again)
    assert [point.kind for point in again.world.points_of(scene.disk)] == ["full", "incremental"]
    assert replace(again.world.points_of(scene.disk)[0]).backup_blob == again.world.backup_of(scene.disk)
