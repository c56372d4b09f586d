"""A run whose listing is slow, whose backup blob is lost or whose messages are: it goes on, and soon."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.backup import copy_ranges, plan_changes
from shared.changes.ranges import Window
from shared.errors import DiffRefusedError, ListingTimedOutError, SourceUnreachableError
from shared.limits import PAGE
from shared.model.batches import DEAD_AFTER, batch_started
from shared.model.messages import BatchMessage, PlanMessage
from shared.model.names import COPY_RANGES_QUEUE
from shared.model.run import SERVER_SIDE, Kind
from tests.simulation.blobs import Blob
from tests.simulation.kept import QueueMessage
from tests.simulation.refusals import refusal
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


async def test_a_batch_that_lists_for_long_shows_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((plan_changes, "FIRST_TURN"), (copy_ranges, "TURN")):
        monkeypatch.setattr(module, name, HOUR)
    scene = Scene()
    scene.world.blobs[scene.disk] = Blob([None] * 29, scene.world.number)
    changes, silent = scene.services.pages.changes, list[timedelta]()

    async def slow(version: Any, since: Any, window: Window) -> Any:
        record = scene.world.record(scene.disk)
        if record and record.run and record.run.alive and record.run.at_work:
            silent.append(scene.world.now - record.run.alive)
        scene.world.pass_time(timedelta(seconds=50))
        if window.end - window.start > 2 * PAGE:
            raise ListingTimedOutError("OperationTimedOut")
        async for change in changes(version, since, window):
            yield change

    scene.services.pages.changes = slow
    await scene.tick()
    await scene.pass_time(6 * HOUR)
    assert len(silent) > DEAD_AFTER / timedelta(seconds=50)
    assert max(silent) < DEAD_AFTER
    assert len(scene.world.points_of(scene.disk)) == 1


async def test_a_batch_has_its_turn_however_long_its_listing_takes_while_others_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(copy_ranges, "TURN", timedelta(seconds=1))
    scene = Scene()
    scene.world.blobs[scene.disk] = Blob([1] * 29, scene.world.number)
    changes = scene.services.pages.changes

    async def slow(*arguments: Any) -> Any:
        scene.world.pass_time(timedelta(minutes=1))
        async for change in changes(*arguments):
            yield change

    async def another_waits(*_: Any) -> bool:
        return True

    scene.services.pages.changes, scene.services.queues.is_any_waiting = slow, another_waits
    await scene.tick()
    await scene.pass_time(6 * HOUR)
    assert len(scene.world.points_of(scene.disk)) == 1
    assert scene.handled["copy-ranges"] <= 4, "a window at least in each, not a piece"


@pytest.mark.parametrize("lost", ["lease", "blob"])
async def test_a_run_that_loses_its_backup_blob_or_its_lease_begins_anew_within_minutes(lost: str) -> None:
    scene = Scene()
    scene.world.blobs[scene.disk] = Blob([1, None] * 14, scene.world.number)
    copy, lost_at, backup = scene.services.blobs.put_from_url, list[datetime](), scene.world.backup_of(scene.disk)

    async def lose_it(*arguments: Any) -> None:
        scene.world.pass_time(timedelta(milliseconds=40))
        if scene.handled[COPY_RANGES_QUEUE] and not lost_at:
            lost_at.append(scene.world.now)
            if lost == "lease":
                scene.world.blobs[backup].break_lease()
            else:
                scene.world.lose(backup)
        await copy(*arguments)

    scene.services.blobs.put_from_url = lose_it
    await scene.tick()
    await scene.pass_time(HOUR)
    [point] = scene.world.points_of(scene.disk)
    assert point.reason
    assert point.sealed - lost_at[0] < timedelta(minutes=1)


async def test_a_plan_that_could_not_be_enqueued_again_is_enqueued_a_minute_later() -> None:
    scene = Scene()
    scene.world.blobs[scene.disk] = Blob([1, None] * 14, scene.world.number)
    handle, send, refused = scene.deliver, scene.services.queues.send, list[Any]()  # a worker that dies
    copy = scene.services.blobs.put_from_url

    async def takes_time(*arguments: Any) -> None:
        scene.world.pass_time(timedelta(milliseconds=40))
        await copy(*arguments)

    async def dies(message: QueueMessage) -> None:
        if message.queue == COPY_RANGES_QUEUE and not scene.handled["died"]:
            scene.handled["died"] += 1
            batch = BatchMessage.read(message.body)
            now = scene.world.now
            await scene.services.records.update(
                batch.disk, lambda record: batch_started(record, batch.run, batch.plan, batch.number, now)
            )
            return
        await handle(message)

    async def refuse_once(message: Any, *delay: Any) -> None:
        if isinstance(message, PlanMessage) and scene.handled["died"] and not refused:
            refused.append(message)
            raise refusal(503, "ServerBusy")
        await send(message, *delay)

    scene.services.blobs.put_from_url, scene.deliver, scene.services.queues.send = takes_time, dies, refuse_once  # type: ignore[method-assign]
    await scene.tick()
    began = scene.world.now
    await scene.pass_time(3 * HOUR)
    [point] = scene.world.points_of(scene.disk)
    assert refused
    assert point.sealed - began < timedelta(minutes=6)


async def test_what_is_not_applied_is_not_below_the_position_and_its_message_goes_on_with_it() -> None:
    scene = Scene()
    scene.world.blobs[scene.disk] = Blob([1, None] * 14, scene.world.number)
    copy, refused = scene.services.blobs.put_from_url, list[int]()

    async def refuse_one(disk: Any, piece: Any, *rest: Any) -> None:
        scene.world.pass_time(timedelta(milliseconds=40))
        if scene.handled[COPY_RANGES_QUEUE] and not refused:
            refused.append(piece.start)
            raise refusal(403, "AuthorizationPermissionMismatch")
        await copy(disk, piece, *rest)

    scene.services.blobs.put_from_url = refuse_one
    await scene.tick()
    began = scene.world.now
    await scene.pass_time(timedelta(seconds=20))
    record = scene.world.record(scene.disk)
    assert refused
    assert record
    assert record.run
    assert record.run.position <= refused[0]
    await scene.pass_time(HOUR)
    [point] = scene.world.points_of(scene.disk)
    assert point.sealed - began < DEAD_AFTER


async def test_a_busy_service_is_asked_again_after_a_while_and_no_message_is_given_up_for_it() -> None:
    scene = Scene()

    async def busy(*_: Any, **__: Any) -> None:
        raise refusal(503, "ServerBusy")

    scene.services.blobs.put_from_url = busy
    await scene.tick()
    await scene.pass_time(HOUR)
    assert scene.handled[COPY_RANGES_QUEUE] <= HOUR / timedelta(minutes=6)
    assert not [queue for queue in scene.handled if queue.endswith("-poison")]


@pytest.mark.parametrize("refused", ["change", "send"])
async def test_a_run_whose_diff_is_refused_goes_on_soon_though_it_can_not_be_begun_anew_at_once(refused: str) -> None:
    scene = Scene()
    scene.world.blobs[scene.disk] = Blob([1, None] * 14, scene.world.number)
    await scene.tick()
    await scene.pass_time(HOUR)
    scene.world.blobs[scene.disk].set(0, [2] * 28)
    changes, failures = scene.services.pages.changes, list[str]()
    owner = scene.services.leases if refused == "change" else scene.services.queues
    real = getattr(owner, refused)

    async def diff_is_refused(version: Any, since: Any, window: Window) -> Any:
        if since and scene.handled[COPY_RANGES_QUEUE]:
            raise DiffRefusedError("BlobOverwritten")
        async for change in changes(version, since, window):
            yield change

    async def fails_once(*arguments: Any, **options: Any) -> Any:
        is_plan = refused == "change" or isinstance(arguments[0], PlanMessage)
        if is_plan and scene.handled[COPY_RANGES_QUEUE] and not failures:
            failures.append(refused)
            raise refusal(503, "ServerBusy")
        return await real(*arguments, **options)

    scene.handled.clear()
    scene.services.pages.changes = diff_is_refused
    setattr(owner, refused, fails_once)
    await scene.tick()
    await scene.pass_time(timedelta(minutes=10))
    assert failures
    assert [point.kind for point in scene.world.points_of(scene.disk)] == [Kind.FULL, Kind.RESYNC]


async def test_a_source_that_the_service_refuses_once_is_copied_by_a_url_of_a_new_key() -> None:
    scene = Scene()
    put, sign, keys = scene.services.blobs.put_from_url, scene.services.pages.signed_url, list[bool]()

    async def refuse_the_first_key(blob: Any, piece: Any, url: str, lease: str) -> None:
        if len(keys) == 1:
            raise SourceUnreachableError("CannotVerifyCopySource (403): the signature did not match")
        await put(blob, piece, url, lease)

    async def signed_url(*given: Any, fresh_key: bool = False) -> str:
        keys.append(fresh_key)
        return str(await sign(*given, fresh_key=fresh_key))

    scene.services.blobs.put_from_url, scene.services.pages.signed_url = refuse_the_first_key, signed_url
    await scene.tick()
    await scene.pass_time(HOUR)
    [point] = scene.world.points_of(scene.disk)
    assert point.copying == SERVER_SIDE
    assert keys[:2] == [False, True]
    assert scene.world.violations == []
