"""What operators ask for on the queue `manage`: carried out once, refused once, with the reason on its row."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import ServiceResponseError

from shared.azure.queues import POISON_SUFFIX
from shared.model.intent_row import IntentRow
from shared.model.job import Stage
from shared.model.names import MANAGE_QUEUE
from shared.model.point import RecoveryPoint
from tests.simulation.operators import intents
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


async def backed_up(times: int = 1) -> Scene:
    scene = Scene()
    for _ in range(times):
        await scene.tick()
        await scene.pass_time(HOUR)
    return scene


def ask(scene: Scene, do: str, queue: str = MANAGE_QUEUE, **fields: Any) -> str:
    """Have an operator write an intent; it is about the scene's disk unless it says otherwise."""
    return scene.world.enqueue(queue, json.dumps({"do": do, **fields}).encode())


def about(scene: Scene, **fields: Any) -> dict[str, Any]:
    return {"disk": scene.disk.url, **fields}


async def outcome(scene: Scene, do: str, **fields: Any) -> IntentRow:
    """Ask, and give what came of it."""
    asked = ask(scene, do, **fields)
    await scene.pass_time(MINUTE)
    [row] = [row for row in intents(scene.world) if row.intent == asked]
    return row


def points(scene: Scene) -> list[RecoveryPoint]:
    return scene.world.points_of(scene.disk)


async def test_a_recovery_point_is_kept_until_it_is_not_any_more() -> None:
    scene = await backed_up(2)
    row = await outcome(scene, "keep", **about(scene, point="latest", until="2027-01-01T00:00:00Z", note="audit 2026"))
    older, newest = points(scene)
    assert (row.state, row.point) == (Stage.DONE, newest.time)
    assert row.outcome == f"recovery point {newest.time} of {scene.disk.url} is kept until 2027-01-01T00:00:00Z"
    assert (older.kept, newest.kept, newest.kept_note) == (False, True, "audit 2026")
    await outcome(scene, "keep", **about(scene, point=newest.time))
    assert points(scene)[-1].kept_until is None
    row = await outcome(scene, "unkeep", **about(scene, point="latest"))
    assert row.state is Stage.DONE
    assert not points(scene)[-1].kept


async def test_an_intent_that_is_delivered_again_does_nothing() -> None:
    scene = await backed_up()
    ask(scene, "keep", **about(scene, point="latest"))
    [message] = [found for found in scene.world.messages if found.queue == MANAGE_QUEUE]
    await scene.pass_time(MINUTE)
    await outcome(scene, "unkeep", **about(scene, point="latest"))
    scene.world.messages.append(message)
    await scene.pass_time(MINUTE)
    assert not points(scene)[0].kept
    assert len(intents(scene.world)) == 2


async def test_an_intent_whose_worker_dies_after_its_effect_is_about_the_same_recovery_point_when_delivered_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = await backed_up()
    [first] = points(scene)

    async def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("shared.manage.carry_out._end", die)
        ask(scene, "keep", **about(scene, point="latest"))
        [message] = [found for found in scene.world.messages if found.queue == MANAGE_QUEUE]
        with pytest.raises(KeyboardInterrupt):
            await scene.pass_time(MINUTE)
    await scene.tick()
    await scene.pass_time(HOUR)
    scene.world.messages.append(message)
    await scene.pass_time(MINUTE)
    assert [point.kept for point in points(scene)] == [True, False]
    [row] = intents(scene.world)
    assert (row.state, row.point) == (Stage.DONE, first.time)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"do": "kept"}, 'did you mean "keep"?'),
        ({"do": "keep", "point": "latest"}, "disk is missing"),
        ({"do": "takeover", "force": True}, 'unknown field "force"'),
        ({"point": "latest"}, "do is missing"),
    ],
)
async def test_an_intent_that_can_not_be_read_is_refused_once(fields: dict[str, object], reason: str) -> None:
    scene = await backed_up()
    asked = scene.world.enqueue(MANAGE_QUEUE, json.dumps(fields).encode())
    [message] = [found for found in scene.world.messages if found.queue == MANAGE_QUEUE]
    await scene.pass_time(MINUTE)
    scene.world.messages.append(message)
    await scene.pass_time(MINUTE)
    [row] = intents(scene.world)
    assert (row.intent, row.state) == (asked, Stage.REFUSED)
    assert reason in row.reason
    assert "What to do" in row.reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"point": "2020-01-01T00:00:00Z"}, "no recovery point at or before 2020-01-01T00:00:00.0000000Z"),
        ({"point": "latest", "until": "2020-01-01T00:00:00Z"}, "has passed already"),
        ({"point": "latest", "disk": "https://disks.blob.core.windows.net/vhds/other.vhd"}, "not in SOURCE_DISKS"),
        ({"point": "latest", "disk": "https://disks.blob.core.usgovcloudapi.net/vhds/os.vhd"}, "check the URL"),
    ],
)
async def test_a_keep_that_can_not_be_done_is_refused_with_what_to_do(fields: dict[str, object], reason: str) -> None:
    scene = await backed_up()
    row = await outcome(scene, "keep", **{**about(scene), **fields})
    assert row.state is Stage.REFUSED
    assert reason in row.reason
    assert "What to do" in row.reason
    assert not points(scene)[0].kept


async def test_an_intent_in_base64_is_the_same() -> None:
    scene = await backed_up()
    body = json.dumps({"do": "keep", **about(scene, point="latest")}).encode()
    scene.world.enqueue(MANAGE_QUEUE, base64.b64encode(body))
    await scene.pass_time(MINUTE)
    assert points(scene)[0].kept


async def test_an_intent_outlasts_a_table_that_can_not_be_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = await backed_up()

    async def fail(*_: Any) -> None:
        raise ServiceResponseError("nobody answers")

    with monkeypatch.context() as patched:
        patched.setattr(scene.services.records, "update_point", fail)
        asked = ask(scene, "keep", **about(scene, point="latest"))
        await scene.pass_time(HOUR)
    [row] = intents(scene.world)
    assert (row.intent, row.state) == (asked, Stage.REQUESTED)
    assert "nobody answers" in row.last_error
    await scene.pass_time(2 * MINUTE)
    [row] = intents(scene.world)
    assert row.state is Stage.DONE


async def test_an_intent_that_fails_for_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = await backed_up()

    async def fail(*_: Any) -> None:
        raise ServiceResponseError("nobody answers")

    monkeypatch.setattr(scene.services.records, "update_point", fail)
    ask(scene, "keep", **about(scene, point="latest"))
    await scene.pass_time(3 * HOUR)  # a day, made small
    [row] = intents(scene.world)
    assert row.state is Stage.FAILED
    assert row.reason.startswith("ServiceResponseError: nobody answers")
    assert not scene.waiting()


async def test_an_intent_whose_message_is_given_up_fails_on_its_own_row_with_what_to_do() -> None:
    scene = await backed_up()
    ask(scene, "keep", f"{MANAGE_QUEUE}{POISON_SUFFIX}", **about(scene, point="latest"))
    await scene.pass_time(MINUTE)
    [row] = intents(scene.world)
    assert row.state is Stage.FAILED
    assert "What to do: send it again" in row.reason


async def test_an_intent_whose_message_is_lost_is_carried_on_with_at_the_next_tick() -> None:
    scene = await backed_up()
    row = IntentRow.of(
        "lost", scene.world.now, do="keep", request=json.dumps({"do": "keep", **about(scene, point="latest")})
    )
    await scene.services.intents.add(row)
    await scene.pass_time(12 * HOUR)
    await scene.tick()
    await scene.pass_time(HOUR)
    assert points(scene)[0].kept
