"""How jobs end: whatever they have come to, they are cleaned up after once, and nothing goes wrong in silence."""

import json
import logging
from datetime import timedelta
from typing import Any, NoReturn

import pytest

from shared.events import Event
from shared.model.job import Stage
from shared.model.names import DRILL_QUEUE, RESTORE_REQUESTS_QUEUE, SCRATCH_PREFIX, VERIFY_QUEUE
from tests.simulation.refusals import refusal
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)
    monkeypatch.setattr("shared.model.retry_policy.GIVE_UP_AFTER", DAY)


async def refuse(*_: Any, **__: Any) -> NoReturn:
    raise refusal(403, "AuthorizationPermissionMismatch")


async def backed_up() -> Scene:
    scene = Scene()
    await scene.tick()
    await scene.pass_time(HOUR)
    return scene


def ask(scene: Scene, queue: str) -> None:
    scene.world.enqueue(queue, json.dumps({"disk": scene.disk.url, "point": "latest"}).encode())


def scratch_blobs(scene: Scene) -> list[str]:
    return [blob.url for blob in scene.world.blobs if blob.blob.startswith(SCRATCH_PREFIX)]


async def test_a_drill_that_is_out_of_patience_leaves_nothing_behind() -> None:
    scene = await backed_up()
    scene.services.parts.compared = refuse
    ask(scene, DRILL_QUEUE)
    await scene.pass_time(HOUR)
    assert scratch_blobs(scene)
    await scene.pass_time(2 * DAY)
    [(drill, _)] = scene.world.inspections.values()
    assert drill.state is Stage.FAILED
    assert "every step has failed since" in drill.reason
    assert not scratch_blobs(scene)
    assert not scene.waiting()


@pytest.mark.parametrize("queue", [VERIFY_QUEUE, DRILL_QUEUE])
async def test_an_inspection_that_ends_has_no_message_dropped(queue: str, caplog: pytest.LogCaptureFixture) -> None:
    scene = await backed_up()
    logging.getLogger("tidemark").disabled = False
    ask(scene, queue)
    with caplog.at_level(logging.INFO, "tidemark"):
        await scene.pass_time(HOUR)
    [(row, _)] = scene.world.inspections.values()
    assert row.state is Stage.DONE
    assert "-requested" in caplog.text
    assert Event.MESSAGE_DROPPED not in caplog.text


async def test_a_restore_is_cleaned_up_after_once() -> None:
    scene = await backed_up()
    released, release = 0, scene.services.leases.release

    async def counted(*given: Any) -> None:
        nonlocal released
        released += 1
        await release(*given)

    scene.services.leases.release = counted
    ask(scene, RESTORE_REQUESTS_QUEUE)
    await scene.pass_time(HOUR)
    [restore] = scene.world.restore_rows()
    assert restore.state is Stage.DONE
    assert released == len(["the restored disk", "its backup blob"])


async def test_a_restore_of_which_nobody_can_tell_whether_it_is_adopted_says_what_is_wrong() -> None:
    scene = await backed_up()
    point, take_snapshot = scene.services.records.point, scene.services.disks.take_snapshot

    async def points_are_out_of_reach_from_then_on(*given: Any) -> Any:
        scene.services.records.point = refuse
        return await take_snapshot(*given)

    scene.services.disks.take_snapshot = points_are_out_of_reach_from_then_on
    ask(scene, RESTORE_REQUESTS_QUEUE)
    await scene.pass_time(HOUR)
    [restore] = scene.world.restore_rows()
    assert (restore.state, restore.attempt) == (Stage.PROVING, 1)
    assert "AuthorizationPermissionMismatch" in restore.last_error
    assert restore.failures
    scene.services.records.point = point
    await scene.pass_time(HOUR)
    [restore] = scene.world.restore_rows()
    assert (restore.state, restore.attempt) == (Stage.DONE, 1)
