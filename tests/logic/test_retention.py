"""Which recovery points the retention deletes: by the rules of restic, and never one that something else needs."""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.point import PointState, RecoveryPoint
from shared.model.retention import Facts, Plan, decide, hash_of_plans, why_it_waits
from shared.model.retention_rules import EXAMPLE, Rules, Span, kept_by
from tests.logic.records import DISK
from tests.logic.retention_points import (
    NOW,
    ZONES,
    disks,
    facts_of,
    kept_by_restic,
    moments,
    point_at,
    printed,
    rules,
    spans,
)

UTC_ZONE = ZoneInfo("UTC")
NOTHING_ELSE = Facts(disk=DISK)


def every(hours: int, count: int, newest: datetime = NOW - timedelta(days=3)) -> list[RecoveryPoint]:
    return [point_at(newest - timedelta(hours=hours * number)) for number in reversed(range(count))]


def plan_for(points: Sequence[RecoveryPoint], wanted: str, facts: Facts = NOTHING_ELSE, now: datetime = NOW) -> Plan:
    return decide(points, facts, Rules.parse(wanted), UTC_ZONE, now)


# --- the rules, as operators know them from restic


@given(rules(), moments(), st.sampled_from(ZONES))
def test_the_rules_keep_what_restic_keeps(wanted: Rules, times: list[datetime], zone: ZoneInfo) -> None:
    kept = kept_by(wanted, map(printed, times), zone, NOW)
    assert {time for time, why in kept.items() if why} == {
        printed(time) for time in kept_by_restic(wanted, times, zone)
    }


def test_the_newest_point_of_each_period_stays_and_only_periods_with_points_count() -> None:
    days = [datetime(2026, 11, day, hour, tzinfo=UTC) for day in (1, 2, 9) for hour in (0, 12)]
    kept = kept_by(Rules(daily=2), map(printed, days), UTC_ZONE, NOW)
    assert [time[:13] for time, why in kept.items() if why] == ["2026-11-09T12", "2026-11-02T12"]


def test_a_point_may_satisfy_several_rules() -> None:
    points = every(12, 30)
    plan = plan_for(points, "last=3 daily=2 weekly=1")
    assert plan.stay[points[-1].time][1:] == ["last", "daily", "weekly"]


def test_the_first_point_stays_until_the_history_is_as_long_as_the_rule_asks_for() -> None:
    points = every(24, 10)
    assert next(iter(plan_for(points, "monthly=3").stay)) == points[0].time
    longer = every(24, 200)
    assert longer[0].time in plan_for(longer, "monthly=3").go


def test_days_begin_where_the_zone_says() -> None:
    evening, night = (datetime(2026, 7, 1, hour, tzinfo=UTC) for hour in (21, 23))
    newer = datetime(2026, 7, 2, 21, tzinfo=UTC)
    times = [printed(time) for time in (evening, night, newer)]
    kept = {zone.key: [bool(why) for why in kept_by(Rules(daily=2), times, zone, NOW).values()] for zone in ZONES[:2]}
    assert kept == {"UTC": [True, True, False], "Europe/Berlin": [True, False, True]}


def test_within_counts_from_the_newest_point_so_that_a_dead_disk_loses_nothing() -> None:
    points = every(12, 30)
    plans = [plan_for(points, "within=7d", now=NOW + timedelta(days=days)) for days in (0, 1000)]
    assert [len(plan.stay) for plan in plans] == [14, 14]


@pytest.mark.parametrize(
    ("text", "span"),
    [("7d", Span(days=7)), ("1y6m", Span(years=1, months=6)), ("2d12h", Span(days=2, hours=12))],
)
def test_durations_are_written_as_restic_writes_them(text: str, span: Span) -> None:
    assert Span.parse(text) == span
    assert str(span) == text


def test_a_span_of_months_ends_in_the_last_day_of_a_shorter_month() -> None:
    assert Span(months=1).before(datetime(2026, 3, 31, tzinfo=UTC)) == datetime(2026, 2, 28, tzinfo=UTC)
    assert Span(years=9999).before(NOW) == Span(days=9999, years=2000).before(NOW) == datetime.min.replace(tzinfo=UTC)


@given(rules())
def test_rules_are_read_as_they_are_written(wanted: Rules) -> None:
    assert Rules.parse(str(wanted)) == wanted


def test_the_order_of_rules_and_what_separates_them_does_not_matter() -> None:
    assert Rules.parse(" weekly=8,\n last=6 ,damaged=30d") == Rules.parse("last=6 weekly=8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must keep something"),
        ("  , ", "must keep something"),
        ("damaged=30d", "must keep something"),
        ("last=0", "a number from 1 to 9999 after last="),
        ("last=-1", "a number from 1 to 9999 after last="),
        ("last=٣", "a number from 1 to 9999 after last="),
        ("daily=1.5", "a number from 1 to 9999 after daily="),
        ("daily", "a number from 1 to 9999 after daily="),
        ("last=10000", "a number from 1 to 9999 after last="),
        ("within=7", "must have a duration of years, months, days and hours, such as 7d"),
        ("within=0d", "must have a duration"),
        ("within=-7d", "must have a duration"),
        ("within=", "must have a duration"),
        ("last=6 damaged=0h", "must have a duration"),
        ("last=6 last=6", "must not have last twice"),
        ("30d", "30d is none"),
        ("age=30d", "last, hourly, daily, weekly, monthly, yearly, within, damaged, such as last=6"),
        ("keep-daily=3", "keep-daily=3 is none"),
        ("Daily=3", "Daily=3 is none"),
    ],
)
def test_rules_that_are_wrong_or_keep_nothing_are_refused_with_an_example(text: str, said: str) -> None:
    with pytest.raises(ValueError, match="must") as refusal:
        Rules.parse(text)
    assert said in str(refusal.value)


# --- what is never deleted


def never_to_go(points: list[RecoveryPoint], facts: Facts) -> set[str]:
    """Tell which points may not go, whatever the rules say; each line is one of the promises."""
    good = [point for point in points if point.state in {PointState.SEALED, PointState.VERIFIED}]
    times = {point.time for point in good[-2:]}
    times |= (
        {max(good, key=lambda p: (p.verified is not None, p.time)).time} if any(p.verified for p in good) else set()
    )
    well = [point for point in good if point.drilled and point.drill_result.startswith("done")]
    times |= {well[-1].time} if well else set()
    times |= {point.time for point in points if point.kept and not (point.kept_until and point.kept_until <= NOW)}
    times |= {facts.base} | set(facts.in_use)
    times |= {point.time for point in points if datetime.fromisoformat(point.time) > NOW - timedelta(hours=48)}
    return {point.time for point in points} if facts.frozen or facts.disagrees else times


@given(st.data(), disks(), rules(), st.sampled_from(ZONES))
def test_no_rules_delete_what_must_never_go(
    data: st.DataObject, points: list[RecoveryPoint], wanted: Rules, zone: ZoneInfo
) -> None:
    facts = data.draw(facts_of(points))
    plan = decide(points, facts, wanted, zone, NOW)
    assert not plan.go.keys() & never_to_go(points, facts)
    assert sorted([*plan.go, *plan.stay]) == [point.time for point in points]


@given(st.data(), disks(), rules(), st.sampled_from(ZONES))
def test_what_goes_is_what_no_rule_keeps_and_nothing_needs(
    data: st.DataObject, points: list[RecoveryPoint], wanted: Rules, zone: ZoneInfo
) -> None:
    facts = data.draw(facts_of(points))
    good = [point for point in points if point.state is not PointState.DAMAGED]
    ruled = kept_by_restic(wanted, [datetime.fromisoformat(point.time) for point in good], zone)
    free = {point.time for point in points} - never_to_go(points, facts) - {printed(time) for time in ruled}
    looked_at = [(point.verified, point) for point in good if point.verified]
    looked_at += [(point.drilled, point) for point in good if point.drilled]
    staying = {point.time for point in points if point.state is PointState.DAMAGED and not is_over(point, wanted)}
    staying |= {point.time for at, point in looked_at if at in {point.verified, point.drilled}}
    going = decide(points, facts, wanted, zone, NOW).go.keys()
    assert free - going <= (staying if good else {point.time for point in points})


def is_over(point: RecoveryPoint, wanted: Rules) -> bool:
    """Tell whether a damaged point has been kept for as long as the rules say."""
    return point.damaged_at is not None and point.damaged_at <= wanted.damaged.before(NOW)


@given(st.data(), disks(), rules())
def test_once_a_plan_is_carried_out_nothing_more_is_to_go(
    data: st.DataObject, points: list[RecoveryPoint], wanted: Rules
) -> None:
    facts = data.draw(facts_of(points))
    plan = decide(points, facts, wanted, UTC_ZONE, NOW)
    left = [point for point in points if point.time in plan.stay]
    assert decide(left, facts, wanted, UTC_ZONE, NOW).go == {}


@given(disks(), rules(), st.integers(2, 10_000))
def test_a_disk_without_new_points_loses_nothing_more_as_time_passes(
    points: list[RecoveryPoint], wanted: Rules, days: int
) -> None:
    lasting = [replace(point, kept_until=None) for point in points if point.state is not PointState.DAMAGED]
    plans = [decide(lasting, NOTHING_ELSE, wanted, UTC_ZONE, NOW + timedelta(days=after)) for after in (2, days)]
    assert plans[0] == plans[1]


@given(st.data(), disks(), rules(), st.sampled_from(ZONES))
def test_rules_that_ask_for_more_delete_no_more(
    data: st.DataObject, points: list[RecoveryPoint], wanted: Rules, zone: ZoneInfo
) -> None:
    facts = data.draw(facts_of(points))
    name = data.draw(st.sampled_from([field.name for field in fields(Rules)]))
    value = getattr(wanted, name)
    longer = (
        replace(value or Span(), hours=5 + (value.hours if value else 0)) if name in {"within", "damaged"} else None
    )
    changes: dict[str, Any] = {name: longer or value + 1}
    more = replace(wanted, **changes)
    going = [decide(points, facts, asked, zone, NOW).go.keys() for asked in (wanted, more)]
    assert going[1] <= going[0]


def test_damaged_points_hold_no_place_and_go_once_their_time_is_over() -> None:
    found = NOW - timedelta(days=29)
    points = every(24, 6)
    points[-1] = points[-1].as_damaged("bytes 0-511 differ", found)
    assert points[0].time in plan_for(points, "last=4").go
    assert points[1].time in plan_for(points, "last=4").stay
    assert plan_for(points, "last=4").stay[points[-1].time] == ["damaged"]
    assert points[-1].time in plan_for(points, "last=4", now=NOW + timedelta(days=1)).go
    assert points[-1].time in plan_for(points, "last=4 damaged=28d").go


def test_a_damaged_point_stays_while_nobody_knows_since_when_or_no_good_one_is_left() -> None:
    points = every(24, 6)
    points[0] = replace(points[0].as_damaged("bytes 0-511 differ", NOW), damaged_at=None)
    assert plan_for(points, "last=1", now=NOW + timedelta(days=999)).stay[points[0].time] == ["damaged"]
    ruins = [point.as_damaged("bytes 0-511 differ", NOW) for point in points]
    assert plan_for(ruins, "last=1", now=NOW + timedelta(days=999)).go == {}


def test_a_drill_that_leaves_doubts_is_not_one_that_went_well() -> None:
    points = every(24, 9)
    points[1] = points[1].as_drilled(NOW - timedelta(days=4), 9.0, "done: identical: all 64 GiB")
    doubts = "done: the disk may already have been unusable when it was backed up: no partition table"
    points[3] = points[3].as_drilled(NOW - timedelta(days=2), 9.0, doubts)
    plan = plan_for(points, "last=1")
    assert plan.stay[points[1].time] == ["the last drilled well"]
    assert points[3].time in plan.go


def test_a_point_that_is_being_deleted_goes_on_going_and_holds_no_place() -> None:
    points = every(24, 6)
    points[-1] = points[-1].as_deleting("asked for")
    plan = plan_for(points, "last=2", replace(NOTHING_ELSE, frozen="it is late"))
    assert dict(plan.go) == {points[-1].time: "asked for"}
    assert plan_for(points, "last=2").stay.keys() == {points[-3].time, points[-2].time}


# --- what is shown of a plan, and what waits


def test_a_plan_says_what_goes_and_stays_and_why() -> None:
    points = every(24, 6)
    plan = plan_for(points, "last=4", replace(NOTHING_ELSE, in_use={points[0].time: "restore-7"}))
    assert dict(plan.go) == {points[1].time: "no rule keeps it"}
    assert plan.stay[points[0].time] == ["read by restore-7"]
    assert plan.stay[points[-1].time] == ["of the last 2 good points", "last"]


@pytest.mark.parametrize("change", ["disk", "rules", "zone", "points"])
def test_the_hash_covers_the_disk_the_rules_the_zone_and_what_goes(change: str) -> None:
    points, facts = every(24, 9), NOTHING_ELSE
    plan = decide(points, facts, Rules.parse("last=4"), UTC_ZONE, NOW)
    other = decide(
        points[change == "points" :],
        replace(facts, disk=f"{DISK}2") if change == "disk" else facts,
        Rules.parse("last=4 yearly=1" if change == "rules" else "last=4"),
        ZONES[1] if change == "zone" else UTC_ZONE,
        NOW,
    )
    assert plan.hash == plan_for(points, "last=4", now=NOW + timedelta(days=99)).hash
    assert plan.hash != other.hash
    hashes = {"a": plan.hash, "b": "1"}
    assert hash_of_plans(hashes) == hash_of_plans(dict(reversed(hashes.items()))) != hash_of_plans({"a": plan.hash})


def test_the_first_plan_a_changed_one_and_one_that_takes_much_wait() -> None:
    plan = plan_for(every(24, 10), "last=8")
    assert (len(plan.go), why_it_waits(plan, plan.rules)) == (2, "")
    assert "first plan" in why_it_waits(plan, "")
    assert "were changed from last=9 damaged=30d (UTC) to last=8 damaged=30d (UTC)" in why_it_waits(
        plan, "last=9 damaged=30d (UTC)"
    )
    assert "takes 3 of 10" in why_it_waits(plan_for(every(24, 10), "last=7"), "last=7 damaged=30d (UTC)")
    assert "takes 21 of 100" in why_it_waits(plan_for(every(24, 100), "last=79"), "last=79 damaged=30d (UTC)")
    assert why_it_waits(plan_for(every(24, 100), "last=80"), "last=80 damaged=30d (UTC)") == ""
    assert why_it_waits(plan_for(every(24, 8), EXAMPLE), "") == "", "where nothing goes, nothing waits"


@given(spans())
def test_a_span_before_a_moment_is_before_it(span: Span) -> None:
    assert span.before(NOW) < NOW
