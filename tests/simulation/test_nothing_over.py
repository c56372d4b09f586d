"""What a restore loses before its copy begins keeps it from writing over anything."""

from typing import Any, NoReturn

import pytest

from shared.model.job import Stage
from shared.model.run import SERVER_SIDE
from tests.simulation.blobs import SUCCESS
from tests.simulation.refusals import refusal
from tests.simulation.scenes import Scene
from tests.simulation.services import HOST
from tests.simulation.small import make_small
from tests.simulation.test_owner import state_of_container, take_over
from tests.simulation.test_undo import HOUR, ask, backed_up, done, pages, row, until


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


def another_app(scene: Scene) -> Scene:
    return scene.of_another_app(name="other-app", AzureWebJobsStorage=HOST.replace("host", "second"))


async def test_what_somebody_writes_by_force_before_the_function_copies_is_not_written_over() -> None:
    scene = await backed_up()
    scene.world.blobs[scene.disk].snapshots.clear()
    scene.world.source_answers = 403
    ask(scene)
    while not any(restore.copying != SERVER_SIDE for restore in scene.world.restore_rows()):
        await scene.deliver_next()
        for blob in scene.world.pending():
            scene.world.end_copy(blob, SUCCESS)
    disk = scene.world.blobs[scene.disk]
    disk.break_lease()
    disk.set(3, [scene.world.number()])
    written = pages(scene)
    await scene.pass_time(2 * HOUR)
    assert (row(scene).state, pages(scene)) == (Stage.FAILED, written)
    assert "was broken before it was copied to" in row(scene).reason


async def test_a_disk_whose_undo_point_somebody_has_deleted_is_not_written_over() -> None:
    scene = await backed_up()
    before = pages(scene)
    ask(scene)
    await until(scene, Stage.PROMOTING)
    undo = scene.world.points_of(scene.disk)[-1]
    assert undo.time == row(scene).undo_point
    scene.world.blobs[scene.world.backup_of(scene.disk)].snapshots.pop(undo.backup_snapshot)
    scene.world.lost.add((scene.world.backup_of(scene.disk), undo.backup_snapshot))
    await scene.pass_time(2 * HOUR)
    assert (row(scene).state, pages(scene)) == (Stage.FAILED, before)
    assert f"recovery point {undo.time} of {scene.disk.url} was deleted outside Tidemark" in row(scene).reason
    assert not scene.world.blobs[scene.disk].lease


@pytest.mark.parametrize(("stage", "undo"), [(Stage.SAVING, True), (Stage.PROMOTING, True), (Stage.PROMOTING, False)])
async def test_a_container_that_another_app_takes_over_keeps_its_backups_and_the_disk_its_data(
    stage: Stage, *, undo: bool
) -> None:
    scene = await backed_up()
    before = pages(scene)
    other = another_app(scene)
    ask(scene, undo=undo)
    await until(scene, stage)
    other.catch_up_with(scene)
    await take_over(other)
    held = state_of_container(scene)
    scene.catch_up_with(other)
    await scene.pass_time(2 * HOUR)
    assert row(scene).state in {Stage.REFUSED, Stage.FAILED}
    assert "other-app" in row(scene).reason
    assert f"{scene.disk.url} was not written over" in row(scene).reason
    assert (state_of_container(scene), pages(scene)) == (held, before)
    assert not scene.world.blobs[scene.disk].lease
    assert not scene.waiting()


async def test_an_undo_point_whose_run_can_never_be_sealed_after_a_takeover_is_not_tried_for_ever() -> None:
    scene = await backed_up()
    other, seal = another_app(scene), scene.services.records.seal

    async def dies(*_: Any) -> NoReturn:
        raise refusal(500, "InternalError")

    scene.services.records.seal = dies
    ask(scene)
    await scene.pass_time(HOUR / 30)
    assert row(scene).state is Stage.SAVING
    scene.services.records.seal = seal
    other.catch_up_with(scene)
    await take_over(other)
    scene.catch_up_with(other)
    for _ in range(60):
        if scene.world.messages:
            await scene.deliver_next()
    assert row(scene).state is Stage.REFUSED
    assert not scene.waiting()


async def test_a_restore_says_that_a_disk_is_written_over_once_it_is_though_its_worker_died() -> None:
    scene = await backed_up()
    ask(scene)
    await until(scene, Stage.COPYING)
    start = scene.services.copies.start

    async def die_after(*given: Any, **named: Any) -> NoReturn:
        scene.services.copies.start = start
        await start(*given, **named)
        scene.world.end_copy(scene.disk, SUCCESS)
        raise BrokenPipeError("the worker died")

    scene.services.copies.start = die_after
    await until(scene, Stage.PROVING)
    assert row(scene).is_copied_over
    await done(scene)
