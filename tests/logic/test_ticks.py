"""A disk is backed up for a tick once it has a recovery point at or after the tick, whenever that is sealed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.model.addresses import BlobAddress
from shared.model.index import summary
from shared.model.late_snapshots import should_catch_up
from shared.model.point import RecoveryPoint, TakenSnapshot
from shared.model.record import DiskRecord
from shared.model.retry_policy import GIVE_UP_AFTER
from shared.model.run import Kind, OpenRun
from shared.model.run_steps import sealed
from shared.model.tick import (
    MAX_TICK_AGE,
    MAX_TICK_CHECK_DELAY,
    MIN_TICK_CHECK_DELAY,
    DueDisk,
    Outcome,
    backed_up,
    is_behind,
    next_check,
    outcome,
    with_tick,
)
from tests.logic.records import BACKED_UP, BACKUP, NEW, with_run

TICK = datetime(2026, 11, 22, 12, 0, 0, 123456, UTC)
EARLIER, LATER = TICK - timedelta(hours=12), TICK + timedelta(hours=12)
SOON, LAST = TICK + timedelta(minutes=5), LATER + timedelta(hours=12)
DONE = DueDisk(TICK, TICK, point_tick=TICK)
RUNNING = DueDisk(TICK, TICK, run_tick=TICK)
OLD = DueDisk(EARLIER, TICK, point_tick=EARLIER)


def test_a_tick_succeeds_when_all_its_disks_are_backed_up() -> None:
    assert outcome(TICK, 2, [DONE, DONE], SOON) is Outcome.SUCCEEDED


def test_a_tick_waits_for_a_disk_without_a_recovery_point_since() -> None:
    assert outcome(TICK, 2, [DONE, RUNNING], SOON) is Outcome.PENDING
    assert outcome(TICK, 2, [DONE, OLD], SOON) is Outcome.PENDING


def test_a_tick_waits_for_a_disk_that_was_not_even_found() -> None:
    assert outcome(TICK, 3, [DONE, DONE], SOON) is Outcome.PENDING


def test_a_disk_of_other_ticks_does_not_stand_in_for_one_of_this() -> None:
    dropped, new = DueDisk(EARLIER, EARLIER, point_tick=EARLIER), DueDisk(LATER, LATER, point_tick=LATER)
    assert outcome(TICK, 2, [DONE, dropped], SOON) is Outcome.PENDING
    assert outcome(TICK, 2, [DONE, new], LATER) is Outcome.INCOMPLETE


def test_a_disk_that_a_tick_did_not_count_does_not_stand_in_for_one_it_did() -> None:
    was_away = DueDisk(EARLIER, LATER, point_tick=LATER)
    slow = DueDisk(EARLIER, LATER, run_tick=TICK)
    assert outcome(TICK, 1, [slow, was_away], LATER) is Outcome.PENDING
    assert outcome(TICK, 1, [slow._replace(run_tick=None, point_tick=TICK), was_away], LATER) is Outcome.SUCCEEDED


def test_a_tick_is_incomplete_once_another_has_overtaken_it_or_after_a_week() -> None:
    overtaken = DueDisk(TICK, LATER, missed_tick=TICK)
    assert outcome(TICK, 2, [DONE, overtaken], LATER) is Outcome.INCOMPLETE
    assert outcome(TICK, 2, [DONE, overtaken._replace(point_tick=LATER)], LAST) is Outcome.INCOMPLETE
    assert outcome(TICK, 2, [DONE, RUNNING], TICK + MAX_TICK_AGE) is Outcome.INCOMPLETE


def test_a_tick_that_is_overtaken_while_its_run_goes_on_succeeds_when_that_is_sealed() -> None:
    quick = DueDisk(TICK, LATER, point_tick=LATER)
    slow = DueDisk(TICK, LATER, run_tick=TICK)
    assert outcome(TICK, 2, [quick, slow], LATER) is Outcome.PENDING
    assert outcome(TICK, 2, [quick, slow._replace(run_tick=None, point_tick=TICK)], LATER) is Outcome.SUCCEEDED
    failed = DueDisk(TICK, LATER, missed_tick=TICK)
    assert outcome(TICK, 3, [quick, slow, failed], LATER) is Outcome.INCOMPLETE


def test_a_tick_that_finds_an_older_run_open_does_not_succeed_by_its_seal() -> None:
    slow = DueDisk(EARLIER, TICK, run_tick=EARLIER)
    assert outcome(TICK, 1, [slow], SOON) is Outcome.PENDING
    just_sealed = slow._replace(run_tick=None, point_tick=EARLIER)
    assert outcome(TICK, 1, [just_sealed], SOON) is Outcome.PENDING
    assert outcome(TICK, 1, [just_sealed._replace(point_tick=TICK)], SOON) is Outcome.SUCCEEDED


def test_a_tick_that_could_find_no_disks_does_not_succeed() -> None:
    assert outcome(TICK, 1, [], SOON) is Outcome.PENDING


def test_a_tick_that_a_later_one_overtakes_has_asked_for_the_disk_all_the_same() -> None:
    record = with_tick(replace(NEW, run=None), LATER)
    overtaken = with_tick(record, TICK)
    assert overtaken == replace(record, first_tick=TICK)
    assert with_tick(overtaken, LATER) == overtaken
    stands_in = DueDisk(EARLIER, LATER, point_tick=LATER)
    late = summary(overtaken).due
    assert late
    assert outcome(TICK, 1, [stands_in, late], LATER) is not Outcome.SUCCEEDED


def test_a_disk_misses_a_tick_that_is_overtaken_before_its_run() -> None:
    asked = with_tick(with_run(BACKED_UP, tick=EARLIER), TICK)
    assert (asked.first_tick, asked.last_tick, asked.missed_tick) == (TICK, TICK, None)
    assert with_tick(asked, LATER).missed_tick == TICK
    assert with_tick(with_run(asked, tick=TICK), LATER).missed_tick is None
    assert with_tick(replace(asked, run=None, point_tick=TICK), LATER).missed_tick is None


def taken_at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}0Z"


def sealed_at(record: DiskRecord, taken: datetime) -> DiskRecord:
    """Seal a recovery point whose source snapshot was taken then; the seal itself is long after."""
    point = RecoveryPoint.of_a_copy(
        time=taken_at(taken),
        kind=Kind.FULL,
        reason="",
        backup_blob=BlobAddress.parse(BACKUP),
        backup_snapshot="s",
        size=512,
        started=taken,
        sealed=LAST,
    )
    return sealed(record, point, TakenSnapshot(time="s", plan=0, etag="e"))


def run_for(tick: datetime, taken: datetime) -> OpenRun:
    return OpenRun(snapshot=taken_at(taken), size=512, started=taken, tick=tick, progressed=taken, checked=taken)


def test_a_disk_that_was_busy_at_a_tick_is_caught_up() -> None:
    record = with_tick(replace(NEW, run=run_for(EARLIER, EARLIER)), EARLIER)
    late = with_tick(record, TICK)
    assert not should_catch_up(late, LATER), "a run is open"
    after = sealed_at(late, EARLIER)
    assert (after.point_tick, after.last_success) == (EARLIER, LAST)
    assert should_catch_up(after, LATER)
    assert not should_catch_up(after, TICK + GIVE_UP_AFTER), "the ticks go on without it"
    assert not should_catch_up(replace(after, restore="6f3c1d2e"), LATER), "it is being restored"
    given_up = with_tick(replace(NEW, run=None), TICK)
    assert not should_catch_up(given_up, LATER), "a run of the tick's own was given up: the next tick comes"
    assert should_catch_up(with_tick(replace(NEW, run=None), TICK, is_late=True), LATER), "just ended"
    caught_up = sealed_at(replace(after, run=run_for(TICK, SOON)), SOON)
    assert not is_behind(caught_up)


def test_a_ticks_own_snapshot_counts_for_it_even_if_the_storage_clock_is_behind() -> None:
    behind = TICK - timedelta(seconds=2)
    record = with_tick(replace(NEW, run=run_for(TICK, behind)), TICK)
    assert sealed_at(record, behind).point_tick == TICK


def test_a_point_taken_after_a_tick_counts_for_it_whoever_took_it() -> None:
    restored = with_tick(replace(NEW, run=None), TICK)
    assert sealed_at(restored, SOON).point_tick == TICK
    assert sealed_at(restored, EARLIER).point_tick is None


moments = st.sampled_from([EARLIER, TICK, LATER])
maybe = st.none() | moments
dues = st.lists(
    st.builds(DueDisk, moments, moments, maybe, maybe, maybe).filter(lambda disk: disk.first_tick <= disk.last_tick)
)


@given(dues, st.integers(0, 10))
def test_no_tick_succeeds_with_a_disk_missing(due: list[DueDisk], more: int) -> None:
    of_tick = [disk for disk in due if disk.first_tick <= TICK <= disk.last_tick]
    found = outcome(TICK, len(of_tick) + more, due, LATER)
    all_done = more == 0 and all(disk.point_tick is not None and disk.point_tick >= TICK for disk in of_tick)
    is_missed = any(disk.missed_tick == TICK for disk in due)
    assert (found is Outcome.SUCCEEDED) == (all_done and not is_missed)
    assert backed_up(TICK, due) <= len(of_tick)


@given(st.timedeltas(timedelta(0), timedelta(days=30)))
def test_a_tick_is_checked_soon_at_first_and_never_rarely(age: timedelta) -> None:
    assert MIN_TICK_CHECK_DELAY <= next_check(TICK, TICK + age) <= MAX_TICK_CHECK_DELAY
