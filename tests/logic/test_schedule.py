"""When ticks are due, by the setting BACKUP_SCHEDULE."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.schedule import due_around

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)  # a Sunday
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("schedule", "tick", "following", "gap"),
    [
        ("0 0 */12 * * *", NOON, NOON + 12 * HOUR, 12 * HOUR),
        ("0 0 */12 * * *", NOON + timedelta(milliseconds=8), NOON + 12 * HOUR, 12 * HOUR),
        ("0 0 */12 * * *", NOON - timedelta(milliseconds=8), NOON + 12 * HOUR, 12 * HOUR),  # it went off early
        ("0 0 */12 * * *", NOON + 5 * HOUR, NOON + 12 * HOUR, 12 * HOUR),  # somebody started it
        ("0 */12 * * *", NOON, NOON + 12 * HOUR, 12 * HOUR),  # five fields
        ("0 0 12 * * SUN", NOON, NOON + 7 * DAY, 7 * DAY),
        ("0 0 12 * * 1-5", NOON + 5 * DAY, NOON + 8 * DAY, 3 * DAY),  # Friday
        ("0 0 12 * * 1-5", NOON + 8 * DAY, NOON + 9 * DAY, 3 * DAY),  # on Monday the last one is of Friday
        ("0 0 12 * * 1-5", NOON + 9 * DAY, NOON + 10 * DAY, DAY),
        ("0 0 12 * * Sunday", NOON, NOON + 7 * DAY, 7 * DAY),
        ("0 0 12 * * monday-FRI", NOON + 5 * DAY, NOON + 8 * DAY, 3 * DAY),
        ("0 0 12 1 January,july *", NOON, NOON + 40 * DAY, 184 * DAY),
        ("0 0 12 * * SAT-SUN", NOON, NOON + DAY, DAY),  # the platform turns it round: from Sunday (0) to Saturday (6)
        ("0 0 22-2/4 * * *", NOON, NOON + 2 * HOUR, 4 * HOUR),
        ("0 0 6,18 * * *", NOON + 6 * HOUR, NOON + 18 * HOUR, 12 * HOUR),
        ("0 0 12 1 * SUN", NOON, NOON + 252 * DAY, 273 * DAY),  # a first that is a Sunday: 1 November, 1 August
    ],
)
def test_the_next_tick_and_the_longest_gap_around_one_follow_from_the_schedule(
    schedule: str, tick: datetime, following: datetime, gap: timedelta
) -> None:
    due = due_around(schedule, tick)
    assert due is not None
    assert due.next == following
    assert due.longest_gap == gap


@pytest.mark.parametrize("schedule", ["12:00:00", "@daily", "0 0 0 30 2 *", "0 0 25 * * *", "* *"])
def test_of_a_schedule_that_only_the_platform_can_read_nothing_is_said(schedule: str) -> None:
    assert due_around(schedule, NOON) is None


@given(
    st.sampled_from(["0 */5 * * * *", "0 0 */6 * * *", "30 15 1 * * 1-5", "0 0 3 1 * *"]),
    st.integers(0, 400 * 86400),
)
def test_a_tick_is_never_due_before_the_one_it_follows(schedule: str, seconds: int) -> None:
    tick = NOON + timedelta(seconds=seconds)
    due = due_around(schedule, tick)
    assert due is not None
    assert tick < due.next <= tick + timedelta(seconds=10) + due.longest_gap
    again = due_around(schedule, due.next)
    assert again is not None
    assert again.next > due.next
    assert again.longest_gap >= again.next - due.next
