"""What a restore may write over, what a date is answered with, and when a trial's disk expires."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.addresses import BlobAddress
from shared.model.blob import BlobState
from shared.model.disk import Disk, PageBlobDisk
from shared.model.expiry import EXPIRY_CHECK, expiry_delay, expiry_of, normalized_expiry
from shared.model.job import PREPARING, Stage
from shared.model.point import PointState, RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.requests import RequestError, RestoreRequest
from shared.model.restore import RefusedError, Restore, as_done
from shared.model.restore_target import date_problem, require_overwritable, require_trial
from tests.logic.conftest import DISK, VHDS
from tests.logic.records import BACKED_UP, NOON, RESTORE, points, restores

IN_PLACE = replace(RESTORE, overwrite=True, target=PageBlobDisk(BlobAddress.parse(DISK)), size=4096)
FOUND = BlobState(etag="e", size=4096, is_page_blob=True)
POINT = "2026-11-22T12:00:00.1234567Z"
HOUR = timedelta(hours=1)


def request_of(**fields: object) -> RestoreRequest:
    return RestoreRequest.read(json.dumps({"disk": DISK, "point": "latest", **fields}).encode())


# --- overwrite says what


@pytest.mark.parametrize("named", [True, "", " ", "yes", "true", "new", "new.vhd ", "NEW.vhd", "vm 1/new.vhd", DISK])
def test_overwrite_that_does_not_name_the_target_is_refused_with_the_value_to_send(named: object) -> None:
    target = f"{VHDS}/vm%201/new.vhd"
    with pytest.raises(RequestError) as refused:
        request_of(target=target, overwrite=named)
    expected = f'overwrite must name the blob to be written over: send "overwrite": "new.vhd" to write over {target}'
    assert str(refused.value).startswith(expected)


@pytest.mark.parametrize(
    "named",
    ["new disk.vhd", "new%20disk.vhd", f"{VHDS}/new%20disk.vhd", f"{VHDS.replace('https', 'HTTP')}/new disk.vhd"],
)
def test_overwrite_names_the_target_by_its_last_segment_or_by_its_url_in_any_spelling(named: str) -> None:
    assert Restore.of("1", request_of(target=f"{VHDS}/new%20disk.vhd", overwrite=named), NOON).overwrite


@pytest.mark.parametrize("written", [{}, {"overwrite": False}])
def test_without_overwrite_nothing_is_written_over(written: dict[str, object]) -> None:
    restore = Restore.of("1", request_of(target=f"{VHDS}/new.vhd", **written), NOON)
    with pytest.raises(RefusedError, match=r'already exists.*send "overwrite": "new\.vhd" to replace'):
        require_overwritable(restore, restore.page_blob_target, FOUND, FOUND.size, POINT)


def test_the_disk_itself_is_written_over_if_it_is_named() -> None:
    require_overwritable(IN_PLACE, IN_PLACE.page_blob_target, FOUND, FOUND.size, POINT)


@pytest.mark.parametrize(
    ("restore", "size", "known", "said"),
    [
        (replace(IN_PLACE, disk=Disk.parse(f"{VHDS}/other.vhd")), 4096, POINT, "is another disk on record than"),
        (IN_PLACE, 4096, "", "was never backed up by Tidemark"),
        (IN_PLACE, 8192, POINT, "has 4 KiB (4096 bytes) where the recovery point has 8192"),
    ],
)
def test_whatever_else_is_written_over_is_named_and_needs_a_second_word(
    restore: Restore, size: int, known: str, said: str
) -> None:
    target = restore.page_blob_target
    with pytest.raises(RefusedError) as refused:
        require_overwritable(restore, target, FOUND, size, known)
    assert said in str(refused.value)
    name = target.address.blob.rpartition("/")[2]
    assert str(refused.value).endswith(f'send "replaceOther": true beside "overwrite": "{name}"')
    require_overwritable(replace(restore, replace_other=True), target, FOUND, size, known)


def test_the_second_word_does_not_stand_for_the_first() -> None:
    with pytest.raises(RefusedError, match="already exists"):
        require_overwritable(
            replace(IN_PLACE, overwrite=False, replace_other=True), IN_PLACE.page_blob_target, FOUND, FOUND.size, POINT
        )


# --- before anything is written over


@given(restores(), st.sampled_from(sorted(PREPARING)))
def test_a_restore_whose_undo_point_is_not_sealed_has_nothing_to_start_over(restore: Restore, stage: Stage) -> None:
    assert not replace(restore, state=stage).can_restart


def test_a_restore_that_can_not_save_its_target_is_refused_and_says_how_to_do_without() -> None:
    refused = replace(IN_PLACE, state=Stage.SAVING, saving=True).stop("the service refused", NOON)
    assert refused.state is Stage.REFUSED
    assert not refused.has_begun
    assert "was not written over, because its undo point could not be taken: the service refused." in refused.reason
    assert refused.reason.endswith('or set "undo": false to write over the disk without a way back')


def test_a_refusal_that_says_what_to_do_says_it_once() -> None:
    saving = replace(IN_PLACE, state=Stage.SAVING, saving=True)
    refused = saving.stop("it is leased. What to do: detach the disk", NOON)
    assert refused.reason.count("What to do") == 1
    assert 'What to do: detach the disk; or set "undo": false' in refused.reason


def test_a_restore_that_fails_after_its_undo_point_names_it_as_the_way_back() -> None:
    begun = replace(IN_PLACE, undo_point=POINT, target_etag="").at_stage(Stage.COPYING, NOON + HOUR)
    assert f"is incomplete. Its state before is recovery point {POINT} of {begun.target}. What" in begun.failure("why")
    assert "was not written over. " in replace(begun, saved_etag="e").failure("why")


@pytest.mark.parametrize(
    ("undo", "is_new", "needed"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_an_undo_point_is_needed_where_a_disk_is_written_over_unless_the_request_waives_it(
    *, undo: bool, is_new: bool, needed: bool
) -> None:
    assert replace(RESTORE, undo=undo, target_is_new=is_new).needs_undo_point is needed


# --- a date is no time

TIMES = ["2026-11-26T12:00:00.0000000Z", "2026-11-28T00:00:00.0000000Z", "2026-11-28T12:00:00.0000000Z"]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("2026-11-28", [(TIMES[0], "the last before that day"), (TIMES[2], "the last on that day")]),
        ("2026-11-27", [(TIMES[0], "the last before that day"), (TIMES[1], "the first after it")]),
        ("2026-11-01", [(TIMES[0], "the first after it")]),
        ("2026-12-01", [(TIMES[2], "the last before that day")]),
    ],
)
def test_a_date_alone_is_answered_with_the_recovery_points_around_it(asked: str, named: list[tuple[str, str]]) -> None:
    around = ", ".join(f"{time} ({what})" for time, what in named)
    assert f"{asked} is a date, not a time. The recovery points around it, by UTC: {around}. What" in date_problem(
        TIMES, asked
    )
    assert request_of(point=f" {asked} ").point == asked


@pytest.mark.parametrize("asked", ["latest", "2026-11-28T00:00:00Z", TIMES[1]])
def test_a_time_is_not_taken_for_a_date(asked: str) -> None:
    assert date_problem(TIMES, asked) == ""


# --- trials


@pytest.mark.parametrize(
    ("asked", "expires"),
    [
        ("12h", NOON + timedelta(hours=12)),
        (" 7d ", NOON + timedelta(days=7)),
        ("2w", NOON + timedelta(days=14)),
        ("2026-12-05", datetime(2026, 12, 5, 23, 59, 59, 999999, UTC)),
        ("2026-12-05T13:00:00+01:00", datetime(2026, 12, 5, 12, tzinfo=UTC)),
    ],
)
def test_a_disk_expires_at_a_time_at_the_end_of_a_day_or_so_long_after_it_is_usable(
    asked: str, expires: datetime
) -> None:
    assert expiry_of(normalized_expiry(asked), NOON) == expires


@given(st.integers(1, 10**6))
def test_a_disk_that_expires_is_looked_at_once_a_day_and_as_soon_as_it_has_expired(seconds: int) -> None:
    left = timedelta(seconds=seconds)
    assert expiry_delay(NOON + left, NOON) == min(left, EXPIRY_CHECK)


def test_a_trial_that_is_usable_waits_for_its_expiry_and_is_not_overdue_meanwhile() -> None:
    trial = as_done(replace(RESTORE, adopt=False, expires="7d"), "proof", NOON).cleaning_up().cleaned_up()
    assert (trial.state, trial.expires_at, trial.has_ended) == (Stage.EXPIRING, NOON + timedelta(days=7), False)
    assert not trial.is_check_overdue(NOON + EXPIRY_CHECK, HOUR)
    assert trial.is_check_overdue(NOON + EXPIRY_CHECK + HOUR, HOUR)
    assert not trial.reads_point
    assert as_done(RESTORE, "proof", NOON).cleaning_up().cleaned_up().state is Stage.DONE


def test_a_disk_that_is_backed_up_or_would_be_is_no_target_of_a_trial() -> None:
    target = RESTORE.page_blob_target
    require_trial(target, None, is_listed=False)
    require_trial(target, DiskRecord(disk=target, restore="1", restore_of=target), is_listed=False)
    with pytest.raises(RefusedError, match="SOURCE_DISKS names it"):
        require_trial(target, None, is_listed=True)
    with pytest.raises(RefusedError, match="on record as a disk that is backed up"):
        require_trial(target, BACKED_UP, is_listed=False)


# --- points in use


@given(points())
def test_a_point_that_is_to_be_used_gets_another_row_unless_it_is_being_deleted(point: RecoveryPoint) -> None:
    assert (point.as_used("restore-new") == point) is (point.state is PointState.DELETING)
