"""Which disks are told to be absent, and what retiring one changes on its record."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.model.absence import Absence, Coverage, absence_of, absence_reason
from shared.model.retirement import cleaned, in_use_again, is_left_over, is_to_clean, retired, with_absence
from tests.logic.records import BACKED_UP, BASE, DISK, NOON

IDLE = replace(BACKED_UP, run=None)
RETIRED = retired(IDLE, NOON, keep_points=False)


@pytest.mark.parametrize(
    ("coverage", "absence"),
    [
        (Coverage.NAMED, Absence.NONE),
        (Coverage.FOUND, Absence.NONE),
        (Coverage.UNKNOWN, Absence.NONE),
        (Coverage.NOT_FOUND, Absence.MISSING),
        (Coverage.EXCLUDED_BY_URL, Absence.NONE),
        (Coverage.EXCLUDED, Absence.UNLISTED),
        (Coverage.NONE, Absence.UNLISTED),
    ],
)
def test_a_disk_with_backups_is_absent_unless_it_is_found_or_excluded_by_its_url(
    coverage: Coverage, absence: Absence
) -> None:
    state = {"is_adopted": False, "is_restoring": False}
    assert absence_of(coverage, has_backups=True, is_retired=False, **state) is absence
    assert absence_of(coverage, has_backups=False, is_retired=False, **state) is Absence.NONE
    assert absence_of(coverage, has_backups=True, is_retired=True, **state) is Absence.NONE


@pytest.mark.parametrize(
    ("coverage", "is_adopted", "is_restoring", "absence"),
    [
        (Coverage.NONE, True, False, Absence.NONE),
        (Coverage.NONE, False, True, Absence.UNLISTED),
        (Coverage.NOT_FOUND, True, False, Absence.NONE),
        (Coverage.NOT_FOUND, False, True, Absence.NONE),
        (Coverage.EXCLUDED, True, False, Absence.UNLISTED),
    ],
)
def test_a_restored_disk_is_backed_up_though_nothing_names_it(
    coverage: Coverage, *, is_adopted: bool, is_restoring: bool, absence: Absence
) -> None:
    found = absence_of(coverage, has_backups=True, is_adopted=is_adopted, is_restoring=is_restoring, is_retired=False)
    assert found is absence


@pytest.mark.parametrize("absence", [Absence.UNLISTED, Absence.MISSING])
def test_what_is_absent_is_told_with_the_message_that_retires_it(absence: Absence) -> None:
    reason = absence_reason(absence, DISK, pattern="https://a.blob.core.windows.net/vhds/*", is_excluded=False)
    assert "What to do: " in reason
    assert f'{{"do": "retire", "disk": "{DISK}"}}' in reason


def test_a_disk_that_is_back_says_so_no_more_and_a_retired_one_is_never_said_to_be_absent() -> None:
    absent = with_absence(IDLE, Absence.MISSING, "gone")
    assert (absent.absence, absent.absence_reason) == (Absence.MISSING, "gone")
    assert with_absence(absent, Absence.NONE, "") == IDLE
    assert with_absence(RETIRED, Absence.UNLISTED, "not named") == RETIRED
    assert retired(absent, NOON, keep_points=False) == RETIRED


def test_retiring_a_disk_again_changes_only_what_becomes_of_its_recovery_points() -> None:
    later = NOON + timedelta(days=1)
    assert retired(RETIRED, later, keep_points=True) == replace(RETIRED, retired_keep_points=True)


def test_source_snapshots_are_left_over_up_to_the_moment_of_the_retirement() -> None:
    assert is_left_over(RETIRED, BASE, NOON)
    assert is_left_over(RETIRED, "2026-11-22T11:59:59.0000000Z", NOON)
    assert not is_left_over(IDLE, BASE, NOON)


def test_a_source_snapshot_taken_since_is_left_over_once_nobody_is_about_to_open_a_run_for_it() -> None:
    just_after = "2026-11-22T12:00:01.0000000Z"
    assert not is_left_over(RETIRED, just_after, NOON + timedelta(minutes=1))
    assert is_left_over(RETIRED, just_after, NOON + timedelta(hours=2))


def test_nothing_is_deleted_while_a_run_or_a_restore_needs_it() -> None:
    assert not is_left_over(retired(BACKED_UP, NOON, keep_points=False), BASE, NOON)
    assert not is_left_over(replace(RETIRED, restore="6f3c1d2e"), BASE, NOON)


def test_without_its_source_snapshot_the_next_run_is_a_resync_that_says_why() -> None:
    at_once = cleaned(RETIRED, NOON)
    assert is_to_clean(at_once), "a tick that was under way may leave another"
    assert "retired" in at_once.resync_reason
    done = cleaned(at_once, NOON + timedelta(hours=12))
    assert (done.retired_clean, "retired" in done.resync_reason) == (True, True)
    assert not is_to_clean(done)
    named = in_use_again(done, is_named=True)
    assert (named.retired, named.retired_clean, named.resync_reason) == (None, False, done.resync_reason)
    asked_for = in_use_again(done, is_named=False)
    assert is_to_clean(asked_for), "one run on request leaves a source snapshot again"
