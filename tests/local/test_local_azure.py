"""The settings that the local Azure gives its app."""

from datetime import UTC, datetime, timedelta

import pytest

from infra.local.host.schedule import parse_schedule
from infra.local.local_azure import schedule_far_from

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("hour", range(24))
@pytest.mark.parametrize("minute", [0, 59])
def test_no_tick_is_due_while_a_demo_or_a_test_runs_whatever_the_time_of_day(hour: int, minute: int) -> None:
    now = datetime(2026, 11, 30, hour, minute, tzinfo=UTC)
    schedule = parse_schedule(schedule_far_from(now))
    first = schedule.after(now)
    assert 5 * HOUR <= first - now <= 6 * HOUR
    assert schedule.after(first) - first == 12 * HOUR
