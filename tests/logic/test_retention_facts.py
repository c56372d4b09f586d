"""What keeps the retention from a disk; and which plans an approval names."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.model.absence import Absence
from shared.model.addresses import BlobAddress
from shared.model.disk import Disk
from shared.model.record import DiskRecord
from shared.model.retention import Plan
from shared.model.retention_facts import Place, disagreement, used_by, why_frozen
from shared.model.retention_plan import MAX_GOING, MAX_STAYING, PlanOnRecord, PlanState, chosen, hash_of_all
from tests.logic.records import BACKUP, DISK, INSPECTION, NOON, RESTORE, RUN
from tests.logic.retention_points import NOW, point_at

SAFE = DiskRecord(disk=Disk.parse(DISK), last_success=NOW, first_tick=NOON, last_tick=NOON, point_tick=NOON)
PRIVATE = "https://backups.privatelink.blob.core.windows.net/tidemark/disks/vhds/os.vhd"


def frozen(record: DiskRecord | None, *, is_listed: bool = True) -> str:
    return why_frozen(record, NOW, is_listed=is_listed)


def test_a_disk_whose_last_tick_is_covered_is_safe_and_so_is_one_that_is_being_backed_up() -> None:
    assert frozen(SAFE) == ""
    run = replace(RUN, started=NOW, progressed=NOW)
    assert frozen(replace(SAFE, last_tick=NOW, run=run)) == ""


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (None, "it has no record"),
        (replace(SAFE, last_tick=NOW), "late"),
        (replace(SAFE, run=replace(RUN, started=NOW - timedelta(days=2))), "late"),
        (replace(SAFE, run=replace(RUN, started=NOW, failed="refused")), "failing"),
        (replace(SAFE, run=replace(RUN, started=NOW, trouble_since=NOW)), "failing"),
        (replace(SAFE, last_error="refused", last_error_at=NOW + timedelta(seconds=1)), "last error is newer"),
        (replace(SAFE, restore="6f3c", restore_of=Disk.parse(DISK)), "restore 6f3c to it is under way"),
        (replace(SAFE, retired=NOW, restore="6f3c", restore_of=Disk.parse(DISK)), "restore 6f3c to it is under way"),
        (replace(SAFE, absence=Absence.MISSING), "it is missing"),
        (replace(SAFE, absence=Absence.UNLISTED), "it is unlisted"),
        (replace(SAFE, retired=NOW, retired_keep_points=True), "it is retired, and its recovery points are kept"),
    ],
)
def test_a_disk_that_is_not_safe_is_frozen_and_says_why(record: DiskRecord | None, why: str) -> None:
    assert why in frozen(record)


def test_a_disk_that_nothing_names_is_frozen_unless_it_was_retired() -> None:
    assert frozen(SAFE, is_listed=False) == "SOURCE_DISKS does not name it"
    assert frozen(replace(SAFE, retired=NOW, last_tick=NOW), is_listed=False) == ""


def test_open_jobs_name_what_they_read_and_one_that_has_found_nothing_is_known_too() -> None:
    assert used_by([RESTORE, replace(INSPECTION, recovery_point="")]) == {
        RESTORE.recovery_point: RESTORE.row_key,
        "": INSPECTION.row_key,
    }


def test_rows_and_blobs_agree_however_the_url_of_the_account_is_spelled() -> None:
    points = [point_at(NOW - timedelta(days=days)) for days in (1, 2)]
    places = [Place.of(BlobAddress.parse(PRIVATE), point.backup_snapshot) for point in points]
    times = [point.time for point in points]
    assert disagreement(points, places, times, ()) == ""
    assert "1 recovery points are on record, but not in" in disagreement(points, places[1:], times[1:], ())
    assert "1 recovery points are in the backup container, but not on" in disagreement(points[1:], places, times, ())
    assert disagreement(points[1:], places, times, [points[0].time]) == "", "it was deleted on purpose"
    lost = points[0].as_damaged("it was deleted", NOW, lost=True)
    assert disagreement([lost, points[1]], places[1:], times[1:], ()) == ""
    assert "marked as deleted, but in" in disagreement([lost, points[1]], places, times, ())
    deleting = points[0].as_deleting("no rule keeps it")
    assert disagreement([deleting, points[1]], places[1:], times[1:], ()) == ""
    assert BACKUP != PRIVATE


def plan_of(number: int, state: PlanState = PlanState.WAITING, going: int = 1) -> PlanOnRecord:
    disk = Disk.parse(f"{DISK}{number}")
    times = {f"{second}": "no rule keeps it" for second in range(going)}
    plan = Plan(disk=disk.name, rules="last=6 (UTC)", stay={}, go=times)
    return PlanOnRecord.new(disk, NOON).replaced_by(plan, state, "", NOON)


def test_an_approval_names_one_plan_or_all_that_wait() -> None:
    plans = [plan_of(1), plan_of(2)]
    assert chosen(plans, plans[1].plan) == [plans[1]]
    assert chosen(plans, hash_of_all(plans)) == plans
    assert chosen(plans, hash_of_all(plans[:1])) == [], "another plan waits since"
    assert chosen(plans, "0123456789abcdef") == []
    assert (hash_of_all([]), chosen([], ""), chosen(plans, "")) == ("", [], [])
    begun = [plans[0].approve(hash_of_all(plans), NOON), plans[1]]
    assert chosen(begun, hash_of_all(plans)) == begun, "an approval that was interrupted goes on"


def test_a_plan_takes_no_more_than_fits_in_a_row_the_oldest_first() -> None:
    plan = plan_of(1, going=MAX_GOING + 1)
    assert (plan.points, plan.going, len(plan.times)) == (MAX_GOING + 1, MAX_GOING, MAX_GOING)
    assert f"{MAX_GOING}" not in plan.times
    stay = {f"2026-{number:030}": [f"reason {number}"] for number in range(5000)}
    long = plan.replaced_by(Plan(disk=DISK, rules="", stay=stay, go={}), PlanState.DONE, "", NOON)
    assert 50_000 < len(long.stay) <= MAX_STAYING
    assert "reason 4999" in long.stay


def test_what_was_approved_for_a_disk_stays_approved_until_its_rules_change() -> None:
    approved = plan_of(1).approve("its hash", NOW)
    newer = Plan(disk=DISK, rules="last=6 (UTC)", stay={}, go={"1": "no rule keeps it"})
    assert approved.is_under_way(newer)
    assert not approved.is_under_way(replace(newer, rules="last=5 (UTC)"))
    replaced = approved.replaced_by(newer, PlanState.DELETING, "", NOW)
    assert (replaced.approved_rules, replaced.approved_by) == ("last=6 (UTC)", "")
