"""A disk with backups that drops out of sight is told at each tick, until it is back or retired."""

import json
from datetime import datetime, timedelta
from typing import Any, NoReturn

import pytest

from shared.azure.tables.rows import from_row
from shared.model.absence import Absence
from shared.model.disk import PageBlobDisk
from shared.model.intent_row import IntentRow
from shared.model.job import Stage
from shared.model.names import MANAGE_QUEUE, RESTORE_REQUESTS_QUEUE
from shared.model.record import DiskRecord
from shared.model.run import Kind
from tests.simulation.blobs import Blob
from tests.simulation.refusals import refusal
from tests.simulation.scenes import Scene
from tests.simulation.services import settings_of
from tests.simulation.small import make_small
from tests.simulation.world import DISKS, LAB

HALF_A_DAY, MINUTE = timedelta(hours=12), timedelta(minutes=1)
OS, DATA, TEMPORARY = DISKS.blob("os.vhd"), DISKS.blob("data.vhd"), DISKS.blob("tmp1.vhd")
ALL = DISKS.blob("*.vhd").url


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


def name(scene: Scene, source_disks: str) -> None:
    """Set SOURCE_DISKS."""
    object.__setattr__(scene.services, "settings", settings_of(source_disks))


async def tick(scene: Scene) -> datetime:
    """Have the timer go off, and all that follows be done."""
    at = scene.world.now
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    return at


async def two_disks(source_disks: str = f"{OS.url} {DATA.url}") -> Scene:
    """Back two disks up."""
    scene = Scene()
    scene.world.blobs[DATA] = Blob([5, None, 6], scene.world.number)
    name(scene, source_disks)
    assert await tick(scene) in scene.world.heartbeats
    return scene


def record(scene: Scene) -> DiskRecord:
    found = scene.world.record(DATA)
    assert found
    return found


async def retire(scene: Scene, **fields: Any) -> IntentRow:
    asked = scene.world.enqueue(MANAGE_QUEUE, json.dumps({"do": "retire", "disk": DATA.url, **fields}).encode())
    await scene.pass_time(MINUTE)
    [row] = [
        row for row in (from_row(IntentRow, row) for row, _ in scene.world.intents.values()) if row.intent == asked
    ]
    return row


async def test_a_disk_that_a_typo_drops_is_told_at_each_tick_until_it_is_named_again(told: Any) -> None:
    scene = await two_disks()
    name(scene, f"{OS.url} {DISKS.blob('dta.vhd').url}")
    name(scene, OS.url)
    dropped = [await tick(scene), await tick(scene)]
    unlisted = told("disk-unlisted")
    assert [event["disk"] for event in unlisted] == [DATA.url] * 2
    assert all("What to do: correct SOURCE_DISKS" in event["reason"] for event in unlisted)
    assert record(scene).absence is Absence.UNLISTED
    assert "SOURCE_DISKS no longer names it" in record(scene).absence_reason
    assert not set(dropped) & set(scene.world.heartbeats)
    assert {event["tick"] for event in told("tick-incomplete")} == {at.isoformat() for at in dropped}
    name(scene, f"{OS.url} {DATA.url}")
    assert await tick(scene) in scene.world.heartbeats
    assert (record(scene).absence, record(scene).absence_reason) == (Absence.NONE, "")
    assert not set(dropped) & set(scene.world.heartbeats), "a later recovery point does not make up for them"
    assert scene.world.violations == []


async def test_an_unlisted_disk_is_told_and_its_record_is_read_for_the_report_only(told: Any) -> None:
    scene = await two_disks()
    name(scene, OS.url)
    await tick(scene)
    await tick(scene)
    read, get = [], scene.services.records.get

    async def get_and_note(disk: Any) -> Any:
        read.append(disk)
        return await get(disk)

    scene.services.records.get = get_and_note
    await scene.tick()
    assert len(told("disk-unlisted")) == 3
    assert read.count(PageBlobDisk(DATA)) == 1


@pytest.mark.parametrize(
    ("excluded", "is_told"), [(DATA.url, False), (DISKS.blob("d*").url, True)], ids=["its own URL", "a pattern"]
)
async def test_an_exclusion_by_its_own_url_is_the_operators_word_and_one_by_a_pattern_is_not(
    excluded: str, *, is_told: bool
) -> None:
    scene = await two_disks(ALL)
    name(scene, f"{ALL} !{excluded}")
    assert (await tick(scene) in scene.world.heartbeats) is not is_told
    assert record(scene).absence == (Absence.UNLISTED if is_told else Absence.NONE)
    assert len(scene.world.points_of(DATA)) == 1


async def test_a_disk_that_its_pattern_no_longer_finds_is_missing_until_it_is_back(told: Any) -> None:
    scene = await two_disks(ALL)
    gone = scene.world.blobs.pop(DATA)
    assert await tick(scene) not in scene.world.heartbeats
    [event] = told("disk-missing")
    assert event["disk"] == DATA.url
    assert "What to do: recover it" in event["reason"]
    assert record(scene).absence is Absence.MISSING
    assert record(scene).last_error == ""
    scene.world.blobs[DATA] = gone
    assert await tick(scene) in scene.world.heartbeats
    assert record(scene).absence is Absence.NONE


async def test_what_was_never_backed_up_is_not_missed() -> None:
    scene = await two_disks(ALL)
    name(scene, f"{ALL} {LAB.blob('never.vhd').url}")
    assert await tick(scene) not in scene.world.heartbeats
    name(scene, ALL)
    assert await tick(scene) in scene.world.heartbeats, "of what had never been there, a record with an error is left"


async def test_an_unlisted_disk_with_an_open_run_is_told_and_its_run_goes_on(told: Any) -> None:
    scene = await two_disks()
    await scene.tick()
    name(scene, OS.url)
    assert await tick(scene) not in scene.world.heartbeats
    assert told("disk-unlisted")
    assert (record(scene).run, len(scene.world.points_of(DATA))) == (None, 2)


@pytest.mark.parametrize("keep_points", [True, False])
async def test_a_retired_disk_is_told_no_more_and_its_source_snapshots_are_deleted(*, keep_points: bool) -> None:
    scene = await two_disks()
    scene.world.foreign_snapshots.add((DATA, scene.world.snapshot(DATA, None)))
    name(scene, OS.url)
    await tick(scene)
    row = await retire(scene, keepPoints=keep_points)
    assert row.state is Stage.DONE
    assert ("are kept" in row.outcome) is keep_points
    assert scene.world.own_snapshots(DATA) == []
    assert len(scene.world.blobs[DATA].snapshots) == 1, "the user's own"
    assert (record(scene).absence, record(scene).retired_keep_points) == (Absence.NONE, keep_points)
    assert await tick(scene) in scene.world.heartbeats
    assert len(scene.world.points_of(DATA)) == 1
    assert scene.world.violations == []


async def test_a_snapshot_that_a_dead_tick_takes_of_a_retired_disk_hours_later_is_deleted_too() -> None:
    scene = await two_disks()
    name(scene, OS.url)
    await retire(scene)
    await scene.pass_time(timedelta(hours=12))
    await scene.services.disks.take_snapshot(PageBlobDisk(DATA))
    await tick(scene)
    assert not record(scene).retired_clean
    await tick(scene)
    assert scene.world.own_snapshots(DATA) == []
    assert record(scene).retired_clean


async def test_retiring_a_disk_again_changes_only_what_is_asked_for_its_recovery_points() -> None:
    scene = await two_disks()
    name(scene, OS.url)
    await retire(scene)
    before = record(scene)
    row = await retire(scene, keepPoints=True)
    assert row.state is Stage.DONE
    assert (record(scene).retired, record(scene).retired_keep_points) == (before.retired, True)


async def test_a_disk_that_is_named_by_its_own_url_is_not_retired() -> None:
    scene = await two_disks()
    row = await retire(scene)
    assert row.state is Stage.REFUSED
    assert "What to do: remove it there first" in row.reason
    assert record(scene).retired is None


async def test_a_retired_disk_that_a_pattern_covers_is_not_backed_up_and_one_that_is_named_again_is(told: Any) -> None:
    scene = await two_disks(ALL)
    row = await retire(scene)
    assert row.state is Stage.DONE
    assert await tick(scene) in scene.world.heartbeats
    assert len(scene.world.points_of(DATA)) == 1
    name(scene, f"{ALL} {DATA.url}")
    again = await tick(scene)
    assert again in scene.world.heartbeats
    first, second = scene.world.points_of(DATA)
    assert (second.kind, "retired" in second.reason) == (Kind.RESYNC, True)
    assert record(scene).retired is None
    assert first.time < second.time
    assert not told("run-failed")


async def test_an_open_run_of_a_retired_disk_is_given_up_and_that_is_no_failure(told: Any) -> None:
    scene = await two_disks()
    scene.world.blobs[DATA].set(0, [scene.world.number()])
    await scene.tick()
    name(scene, OS.url)
    row = await retire(scene)
    await scene.pass_time(HALF_A_DAY)
    assert row.state is Stage.DONE
    assert (record(scene).run, scene.world.own_snapshots(DATA)) == (None, [])
    assert not scene.world.blobs[scene.world.backup_of(DATA)].lease
    assert told("run-canceled")
    assert not told("run-failed")
    assert len(scene.world.points_of(DATA)) == 1


async def test_a_retired_disk_that_is_gone_with_its_account_is_cleaned_up_after_when_that_is_back(told: Any) -> None:
    scene = await two_disks()
    name(scene, OS.url)
    own_snapshots = scene.services.disks.own_snapshots

    async def is_away(*_: Any) -> NoReturn:
        raise refusal(403, "AuthorizationFailure")

    scene.services.disks.own_snapshots = is_away
    row = await retire(scene)
    assert row.state is Stage.DONE
    assert "are deleted at a later tick (" in row.outcome
    scene.services.disks.own_snapshots = own_snapshots
    assert scene.world.own_snapshots(DATA)
    assert await tick(scene) in scene.world.heartbeats
    assert scene.world.own_snapshots(DATA) == []
    assert not told("disk-unlisted")


async def test_a_disk_that_no_longer_exists_can_be_retired() -> None:
    scene = await two_disks(ALL)
    scene.world.lose(DATA)
    await tick(scene)
    assert (await retire(scene)).state is Stage.DONE
    assert await tick(scene) in scene.world.heartbeats


async def test_a_restore_to_a_retired_disk_in_its_place_has_it_backed_up_again() -> None:
    scene = await two_disks()
    name(scene, OS.url)
    await retire(scene)
    scene.world.lose(DATA)
    request = {"disk": DATA.url, "point": "latest", "target": DATA.url}
    scene.world.enqueue(RESTORE_REQUESTS_QUEUE, json.dumps(request).encode())
    await scene.pass_time(HALF_A_DAY)
    assert (record(scene).retired, record(scene).adopted) == (None, True)
    at = await tick(scene)
    assert at in scene.world.heartbeats
    assert scene.world.points_of(DATA)[-1].time > at.isoformat()


async def test_what_has_no_backups_or_is_being_restored_is_not_retired() -> None:
    scene = await two_disks()
    asked = scene.world.enqueue(MANAGE_QUEUE, json.dumps({"do": "retire", "disk": TEMPORARY.url}).encode())
    await scene.pass_time(MINUTE)
    [row] = [from_row(IntentRow, row) for row, _ in scene.world.intents.values()]
    assert (row.intent, row.state) == (asked, Stage.REFUSED)
    assert "has no backups on record" in row.reason
    name(scene, OS.url)
    scene.world.lose(DATA)
    request = {"disk": DATA.url, "point": "latest", "target": DATA.url}
    scene.world.enqueue(RESTORE_REQUESTS_QUEUE, json.dumps(request).encode())
    while not record(scene).restore:
        await scene.pass_time(timedelta(seconds=1))
    row = await retire(scene)
    assert (row.state, "is being restored" in row.reason) == (Stage.REFUSED, True)
