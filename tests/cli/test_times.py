"""Times are read as people say them, by the clock of where they are."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.requests import InspectionRequest
from shared.model.times import last_moment
from tidemark.times import TimeError, read_expiry, read_length, read_point, read_time

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 30, 10, 20, 30, tzinfo=UTC)  # a Monday, 11:20:30 in Berlin

moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds the zone
zones = st.sampled_from([BERLIN, ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata"), ZoneInfo("UTC")])


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("latest", "latest"),
        (" Latest ", "latest"),
        ("now", "2026-11-30T10:20:30Z"),
        ("-2d", "2026-11-28T10:20:30Z"),
        ("-3h", "2026-11-30T07:20:30Z"),
        ("-90 min", "2026-11-30T08:50:30Z"),
        ("-1w", "2026-11-23T10:20:30Z"),
        ("yesterday", "2026-11-29T22:59:59Z"),
        ("today", "2026-11-30T22:59:59Z"),
        ("yesterday 14:00", "2026-11-29T13:00:59Z"),
        ("27 Nov 14:00", "2026-11-27T13:00:59Z"),
        ("27 november 14:00:05", "2026-11-27T13:00:05Z"),
        ("27 Nov", "2026-11-27T22:59:59Z"),
        ("27 Nov 2025", "2025-11-27T22:59:59Z"),
        ("1 Dec", "2025-12-01T22:59:59Z"),
        ("29 Feb", "2024-02-29T22:59:59Z"),
        ("14:00", "2026-11-29T13:00:59Z"),
        ("9:05", "2026-11-30T08:05:59Z"),
        ("2026-07-01", "2026-07-01T21:59:59Z"),
        ("2026-07-01 14:00", "2026-07-01T12:00:59Z"),
        ("2026-07-01T14:00:01", "2026-07-01T12:00:01Z"),
        ("2026-11-22T12:00:00.1234567Z", "2026-11-22T12:00:00.1234567Z"),
        ("2026-11-22T12:00:00.1234567", "2026-11-22T11:00:00.1234567Z"),
        ("2026-11-22t13:00:00+01:00", "2026-11-22T12:00:00Z"),
    ],
)
def test_a_time_is_read_as_it_is_said(said: str, asked: str) -> None:
    assert read_point(said, NOW, BERLIN) == asked


@pytest.mark.parametrize(
    "said",
    [
        "",
        "soon",
        "-2",
        "2d",
        "31 Feb",
        "30 Nov 25:00",
        "2026-13-01",
        "2026-11-30T25:00:00Z",
        "-999999w",
        "tuesday",
        "\N{ARABIC-INDIC DIGIT ONE} Nov",
    ],
)
def test_what_is_no_time_is_refused_with_examples(said: str) -> None:
    with pytest.raises(TimeError, match="What to do: write one like latest, yesterday"):
        read_point(said, NOW, BERLIN)


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("+30d", "2026-12-30T10:20:30Z"),
        ("tomorrow", "2026-12-01T22:59:59Z"),
        ("27 Nov", "2027-11-27T22:59:59Z"),
        ("11:00", "2026-12-01T10:00:59Z"),
        ("29 Feb", "2028-02-29T22:59:59Z"),
    ],
)
def test_a_day_to_come_is_the_next_one(said: str, asked: str) -> None:
    assert read_time(said, NOW, BERLIN, ahead=True).asked == asked


def test_an_expiry_is_a_length_from_when_the_disk_is_usable_or_a_time() -> None:
    assert read_expiry("7d", NOW, BERLIN) == "7d"
    assert read_expiry("24 Dec 18:00", NOW, BERLIN) == "2026-12-24T17:00:59Z"
    with pytest.raises(TimeError):
        read_expiry("7 years", NOW, BERLIN)


def test_a_length_of_time_is_read_and_anything_else_refused() -> None:
    assert read_length("90s") == timedelta(seconds=90)
    assert read_length("10m") == timedelta(minutes=10)
    assert read_length("24h") == timedelta(days=1)
    with pytest.raises(TimeError, match="write one like"):
        read_length("forever")


@given(moments, zones)
def test_a_minute_that_is_shown_names_the_point_that_it_is_shown_for(moment: datetime, zone: ZoneInfo) -> None:
    shown = moment.astimezone(zone)
    if shown.replace(fold=0).utcoffset() != shown.replace(fold=1).utcoffset():
        return  # the hour that comes twice
    read = read_time(f"{shown:%Y-%m-%d %H:%M}", NOW, zone)
    assert read.first <= moment
    assert f"{moment:%Y-%m-%dT%H:%M:%S.%f}0Z" <= last_moment(read.asked)
    assert timedelta() <= read.last - read.first < timedelta(minutes=1)


@given(moments)
def test_a_points_own_time_is_read_as_it_is(moment: datetime) -> None:
    own = f"{moment:%Y-%m-%dT%H:%M:%S.%f}7Z"
    assert read_point(own, NOW, BERLIN) == own


@given(st.text(max_size=30), zones)
def test_whatever_is_said_is_a_time_that_the_app_reads_or_is_refused(said: str, zone: ZoneInfo) -> None:
    try:
        asked = read_point(said, NOW, zone)
    except TimeError:
        return
    disk = "https://account.blob.core.windows.net/vhds/os.vhd"
    assert InspectionRequest.model_validate({"disk": disk, "point": asked}).point == asked


@given(st.integers(0, 10_000), st.sampled_from(["s", "m", "h", "d"]))
def test_an_hour_ago_is_an_hour_ago_on_every_clock(count: int, unit: str) -> None:
    read = {read_point(f"-{count}{unit}", NOW, zone) for zone in (BERLIN, ZoneInfo("Asia/Kolkata"), None)}
    assert len(read) == 1
