"""What looks wrong about a disk's backups though nothing has failed."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.model.catalogue import REBUILT
from shared.model.point import RecoveryPoint
from shared.model.run import Kind
from shared.model.unusual import OVERDUE_AFTER, inspection_overdue, is_check_due, resync_again, unusual_run
from tests.logic.records import BACKED_UP, GIB, NOON

MIB = 1024**2
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def runs(*kinds: Kind, written: tuple[int, ...] = (), size: int = 64 * GIB, reason: str = "") -> list[RecoveryPoint]:
    """Make the recovery points of some runs."""
    return [
        RecoveryPoint.of_a_copy(
            time=f"2026-11-{number + 1:02d}T00:00:00.0000000Z",
            kind=kind,
            reason=reason or f"reason {number}",
            backup_blob=BACKED_UP.backup_blob,  # type: ignore[arg-type]  # it has one
            backup_snapshot="2026-11-22T12:03:00.7654321Z",
            size=size,
            started=NOON,
            sealed=NOON,
            bytes_written=written[number] if written else 0,
        )
        for number, kind in enumerate(kinds)
    ]


def incremental(*written: int, size: int = 64 * GIB) -> list[RecoveryPoint]:
    return runs(*[Kind.INCREMENTAL] * len(written), written=written, size=size)


@pytest.mark.parametrize(
    ("kinds", "is_told"),
    [
        ([Kind.FULL, Kind.RESYNC], False),
        ([Kind.FULL, Kind.RESYNC, Kind.RESYNC], True),
        ([Kind.RESYNC, Kind.RESTORE, Kind.RESYNC], True),
        ([Kind.RESYNC, Kind.INCREMENTAL, Kind.RESYNC], False),
        ([Kind.RESYNC, Kind.RESYNC, Kind.INCREMENTAL], False),
        ([Kind.RESYNC], False),
        ([], False),
    ],
)
def test_two_resyncs_in_a_row_are_told(kinds: list[Kind], *, is_told: bool) -> None:
    assert bool(resync_again(runs(*kinds))) is is_told


def test_two_resyncs_are_told_with_their_reasons_and_what_to_do() -> None:
    told = resync_again(runs(Kind.RESYNC, Kind.RESYNC))
    assert "reason 0; then: reason 1. What to do: " in told


def test_resyncs_whose_reason_says_what_to_do_are_told_with_that_alone() -> None:
    told = resync_again(runs(Kind.RESYNC, Kind.RESYNC, reason="no difference. What to do: exempt the group"))
    assert told.endswith("no difference. What to do: exempt the group")
    assert told.count("What to do") == 1


def test_a_run_that_writes_many_times_what_is_usual_is_told() -> None:
    usual = [300 * MIB, 100 * MIB, 200 * MIB, 250 * MIB, 150 * MIB]
    assert unusual_run(incremental(*usual, 2 * GIB)).startswith("2 GiB of 64 GiB changed")
    assert "usual are 200 MiB. What to do: " in unusual_run(incremental(*usual, 2 * GIB))
    assert unusual_run(incremental(*usual, 1999 * MIB)) == ""


@pytest.mark.parametrize(
    ("size", "written", "is_told"),
    [
        (64 * GIB, GIB, True),
        (64 * GIB, GIB - 1, False),
        (GIB, 52 * MIB, True),
        (GIB, 51 * MIB, False),
        (8192, 0, False),
    ],
    ids=["1 GiB", "less", "5 % of a small disk", "less than that", "nothing"],
)
def test_a_small_run_is_not_unusual_however_little_is_usual(size: int, written: int, *, is_told: bool) -> None:
    assert bool(unusual_run(incremental(0, 0, 0, 0, 0, written, size=size))) is is_told


def test_what_is_usual_is_known_after_five_incremental_runs_and_goes_by_the_last_ten() -> None:
    assert unusual_run(incremental(*[MIB] * 4, 8 * GIB)) == ""
    assert unusual_run(incremental(*[MIB] * 5, 8 * GIB))
    assert unusual_run(incremental(*[MIB] * 20, *[4 * GIB] * 10, 8 * GIB)) == ""
    assert unusual_run([*incremental(*[MIB] * 5), *runs(Kind.RESYNC, written=(64 * GIB,))]) == ""


def test_runs_of_which_a_rebuild_knows_no_bytes_do_not_say_what_is_usual() -> None:
    rebuilt = runs(*[Kind.INCREMENTAL] * 9, reason=REBUILT)
    assert unusual_run([*rebuilt, *incremental(8 * GIB)]) == ""


@pytest.mark.parametrize(
    ("verified", "drilled", "is_told"),
    [
        (None, None, True),
        (OVERDUE_AFTER, None, True),
        (OVERDUE_AFTER - HOUR, None, False),
        (OVERDUE_AFTER, DAY, False),
        (OVERDUE_AFTER, OVERDUE_AFTER + DAY, True),
    ],
)
def test_a_disk_that_no_verify_or_drill_has_looked_at_for_long_is_told(
    verified: timedelta | None, drilled: timedelta | None, *, is_told: bool
) -> None:
    def ago(age: timedelta | None) -> datetime | None:
        return NOON - age if age else None

    old = replace(BACKED_UP, first_tick=NOON - 100 * DAY, last_verify=ago(verified), last_drill=ago(drilled))
    assert bool(inspection_overdue(old, NOON)) is is_told


def test_a_new_disk_is_given_as_long_and_one_without_a_recovery_point_is_left_out() -> None:
    assert inspection_overdue(replace(BACKED_UP, first_tick=NOON - 34 * DAY), NOON) == ""
    assert inspection_overdue(replace(BACKED_UP, first_tick=NOON - 35 * DAY), NOON)
    assert inspection_overdue(replace(BACKED_UP, first_tick=NOON - 35 * DAY, last_point=""), NOON) == ""


def test_what_is_overdue_is_told_once_a_day() -> None:
    told = replace(BACKED_UP, first_tick=NOON - 100 * DAY, overdue_told=NOON)
    assert inspection_overdue(told, NOON + 12 * HOUR) == ""
    assert inspection_overdue(told, NOON + 24 * HOUR - timedelta(minutes=1))


def test_recovery_points_are_looked_for_once_a_day() -> None:
    assert is_check_due(None, NOON)
    assert not is_check_due(NOON, NOON + 12 * HOUR)
    assert is_check_due(NOON, NOON + 24 * HOUR - timedelta(minutes=1))
