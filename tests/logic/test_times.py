"""Times: one moment has one text, to the seventh digit, and the texts are in the order of the moments."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.times import canonical_time

DIGIT = 10**7
"""Of the seventh digit, in a second."""

DAY = 24 * 3600 * DIGIT
YEAR_ONE = datetime(1, 1, 1)  # noqa: DTZ001 - the model knows no zones
LAST = (datetime(9999, 12, 31) - YEAR_ONE).days * DAY  # noqa: DTZ001


moments = st.one_of(st.integers(DAY, LAST), st.integers(730_000 * DAY, 730_000 * DAY + 50))
"""Moments as counts of the seventh digit since the year 1; those of the second kind are close together."""

offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59)
"""Minutes that a zone is ahead of UTC."""


def said(moment: int, offset: int) -> str:
    """Write a moment as a clock in a zone shows it."""
    local = YEAR_ONE + timedelta(seconds=moment // DIGIT, minutes=offset)
    sign, (hours, minutes) = "-" if offset < 0 else "+", divmod(abs(offset), 60)
    return f"{local.isoformat()}.{moment % DIGIT:07d}{sign}{hours:02d}:{minutes:02d}"


@given(moments, offsets)
def test_a_time_in_any_zone_is_that_moment_in_utc_to_the_seventh_digit(moment: int, offset: int) -> None:
    in_utc = said(moment, 0).replace("+00:00", "Z")
    assert canonical_time(said(moment, offset)) == in_utc
    assert canonical_time(in_utc) == in_utc


@given(moments, offsets, moments, offsets)
def test_times_are_in_the_order_of_their_moments(one: int, here: int, other: int, there: int) -> None:
    first, second = canonical_time(said(one, here)), canonical_time(said(other, there))
    assert (first < second) == (one < other)
    assert (first == second) == (one == other)


@pytest.mark.parametrize(
    ("written", "time"),
    [
        pytest.param("2026-11-22T12:00:00.1234567Z", "2026-11-22T12:00:00.1234567Z", id="as Azure prints it"),
        pytest.param("2026-11-22T12:00:00Z", "2026-11-22T12:00:00.0000000Z", id="no fraction"),
        pytest.param("2026-11-22T12:00:00.5Z", "2026-11-22T12:00:00.5000000Z", id="one digit"),
        pytest.param("2026-11-22T12:00:00.12345678999Z", "2026-11-22T12:00:00.1234567Z", id="more digits are cut"),
        pytest.param("2026-11-22T23:59:59.99999999Z", "2026-11-22T23:59:59.9999999Z", id="cut, not rounded"),
        pytest.param("2026-11-22t12:00:00z", "2026-11-22T12:00:00.0000000Z", id="small letters"),
        pytest.param(" 2026-11-22 12:00:00Z\n", "2026-11-22T12:00:00.0000000Z", id="white space"),
        pytest.param("2026-11-22T12:00:00-00:00", "2026-11-22T12:00:00.0000000Z", id="minus zero"),
        pytest.param("2027-01-01T00:30:00.0000001+01:00", "2026-12-31T23:30:00.0000001Z", id="another year in UTC"),
        pytest.param("2026-11-22T12:00:00+05:45", "2026-11-22T06:15:00.0000000Z", id="an offset with minutes"),
        pytest.param("2028-02-29T00:00:00Z", "2028-02-29T00:00:00.0000000Z", id="a leap day"),
        pytest.param("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.0000000Z", id="the first moment"),
        pytest.param("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.9999999Z", id="the last moment"),
    ],
)
def test_a_time_is_read_in_any_form_that_rfc_3339_allows(written: str, time: str) -> None:
    assert canonical_time(written) == time


@pytest.mark.parametrize("written", ["2026-11-22T12:00:00", "2026-11-22T12:00:00.1234567", "2026-11-22 12:00:00"])
def test_a_time_without_a_zone_is_refused_as_ambiguous(written: str) -> None:
    with pytest.raises(ValueError, match="has no time zone; add Z for UTC"):
        canonical_time(written)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "now",
        "latest",
        "2026-11-22",
        "2026-11-22Z",
        "2026-11-22T12:00Z",
        "20261122T120000Z",
        "2026-W47-7T12:00:00Z",
        "2026-11-22T12:00:00.Z",
        "2026-11-22T12:00:00,5Z",
        "2026-11-22T12:00:00+01",
        "2026-11-22T12:00:00+0100",
        "2026-11-22T12:00:00 UTC",
        "2026-11-22T12:00:00Z or so",
        "12026-11-22T12:00:00Z",
        "-2026-11-22T12:00:00Z",
        "1790000000",
        "٢٠٢٦-11-22T12:00:00Z",
        "2026-11-22T12:00:00.1²Z",
    ],
)
def test_a_time_in_another_form_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"is not an RFC 3339 time"):
        canonical_time(written)


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("2026-11-22T24:00:00Z", id="hour 24"),
        pytest.param("2026-11-22T24:00:00.5Z", id="past hour 24"),
        pytest.param("2026-11-22T12:60:00Z", id="minute 60"),
        pytest.param("2026-12-31T23:59:60Z", id="second 60"),
        pytest.param("2026-02-29T12:00:00Z", id="no leap year"),
        pytest.param("2026-13-01T12:00:00Z", id="month 13"),
        pytest.param("2026-00-10T12:00:00Z", id="month 0"),
        pytest.param("0000-01-01T00:00:00Z", id="year 0"),
        pytest.param("2026-11-22T12:00:00+24:00", id="an offset of a day"),
        pytest.param("0001-01-01T00:00:00+00:01", id="before the first moment"),
        pytest.param("9999-12-31T23:59:59-00:01", id="after the last moment"),
    ],
)
def test_a_time_that_does_not_exist_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is not a date and time that exists"):
        canonical_time(written)


@given(st.text(max_size=60) | st.text("0123456789-+:.TZ ", min_size=15, max_size=40))
def test_any_other_text_is_refused_without_repeating_it(written: str) -> None:
    try:
        time = canonical_time(written)
    except ValueError as refusal:
        assert str(refusal).startswith(  # noqa: PT017
            ("has no time zone; add Z for UTC", "is not an RFC 3339 time", "is not a date and time that exists")
        )
    else:
        assert canonical_time(time) == time
