"""Batches: a change list cut so that no page is lost, no call is added, and every message fits its queue."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings

from shared.batches import Effort, Packer, decode, effort, encode
from shared.messages import BatchMessage
from shared.ranges import Change, coalesced
from tests.logic.change_lists import (
    FOUR_MIB,
    GIB,
    MIB,
    PAGE,
    TIB,
    change_lists,
    cut_lists,
    from_pages,
    listed,
    stream,
)

SECONDS_OF_BLOB = 4.0
ONE_CALL = 1 / 500 + FOUR_MIB / (60 * MIB)
MOST_RANGES = 2000
MESSAGE_ROOM = 48 * 1024

# The longest name a blob may have, of characters that take 9 in a URL (REST: Naming containers, blobs, and metadata).
LONGEST_URL = f"https://{'a' * 24}.z99.blob.storage.azure.net/{'c' * 63}/{'%E2%82%AC' * 1024}"

a_few = settings(max_examples=80, deadline=None)


def packed(changes: list[Change]) -> list[tuple[Change, ...]]:
    packer = Packer()
    batches = [batch for change in changes for batch in packer.add(change)]
    return batches + list(packer.rest())


def seconds(batch: tuple[Change, ...]) -> float:
    """Estimate what a batch takes of a blob's 500 requests/s and 60 MiB/s (Scalability targets for Blob storage)."""
    written = sum(change.length for change in batch if not change.clear)
    return sum(change.calls for change in batch) / 500 + written / (60 * MIB)


def message_length(batch: tuple[Change, ...], disk: str = LONGEST_URL) -> int:
    message = BatchMessage(
        disk=disk, run="2026-11-22T12:34:56.1234567Z", plan=9999, window=9999, number=99_999_999, ranges=encode(batch)
    )
    return len(message.model_dump_json().encode())


# --- cutting


@a_few
@given(change_lists())
async def test_the_batches_put_together_are_the_change_list(changes: list[Change]) -> None:
    joined = [change for batch in packed(changes) for change in batch]
    assert await listed(coalesced(stream(joined))) == changes


@a_few
@given(change_lists())
def test_cutting_a_list_into_batches_takes_no_more_calls(changes: list[Change]) -> None:
    calls = sum(change.calls for batch in packed(changes) for change in batch)
    assert calls == sum(change.calls for change in changes)


@a_few
@given(change_lists())
def test_no_batch_is_empty(changes: list[Change]) -> None:
    assert all(packed(changes))


@a_few
@given(change_lists())
def test_no_batch_takes_more_than_a_call_over_its_share_of_the_blob(changes: list[Change]) -> None:
    for batch in packed(changes):
        assert seconds(batch) <= SECONDS_OF_BLOB + ONE_CALL
        assert len(batch) <= MOST_RANGES


@a_few
@given(change_lists())
def test_every_batch_but_the_last_is_full(changes: list[Change]) -> None:
    for batch in packed(changes)[:-1]:
        assert seconds(batch) > SECONDS_OF_BLOB - ONE_CALL or len(batch) == MOST_RANGES


@a_few
@given(cut_lists())
async def test_the_batches_do_not_depend_on_the_pages_of_the_listing(both: tuple[list[Change], list[Change]]) -> None:
    whole, pieces = both
    assert packed(await listed(coalesced(stream(pieces)))) == packed(whole)


def test_a_long_range_is_cut_at_multiples_of_4_mib_from_its_own_start() -> None:
    start = 3 * GIB + 3 * PAGE
    batches = packed([Change(start, start + GIB, clear=False)])
    assert len(batches) > 1
    for (before,), (after,) in pairwise(batches):
        assert before.end == after.start
        assert (after.start - start) % FOUR_MIB == 0


def test_a_clear_is_cut_at_multiples_of_a_gib_from_its_own_start_where_it_is_too_long_for_its_batch() -> None:
    whole = Change(3 * PAGE, 7 * TIB + 5 * PAGE, clear=True)
    batches = packed([whole])
    assert [len(batch) for batch in batches] == [1, 1, 1, 1]
    assert [change.calls for (change,) in batches] == [2000, 2000, 2000, 1169]
    for (before,), (after,) in pairwise(batches):
        assert (before.end, after.clear) == (after.start, True)
        assert (after.start - whole.start) % GIB == 0


def test_a_clear_of_a_whole_window_is_one_range_of_one_batch() -> None:
    window = Change(0, 64 * GIB, clear=True)
    assert packed([window]) == [(window,)]
    assert effort([window]).clear_calls == 64


def test_thousands_of_scattered_clears_fill_a_batch_by_their_number() -> None:
    scattered = from_pages([(1, 1, True)] * (2 * MOST_RANGES + 1))
    assert [len(batch) for batch in packed(scattered)] == [MOST_RANGES, MOST_RANGES, 1]


def test_no_change_needs_no_batch() -> None:
    assert packed([]) == []


# --- messages


def test_the_message_of_the_worst_batch_there_is_fits() -> None:
    # 8 TiB are 17,179,869,184 pages: more numbers of 8 digits than these would go beyond the disk's end.
    changes = from_pages((gap, 1_000_000, True) for gap in [10_000_000] * 1400 + [1_000_000] * 600)
    assert 7 * TIB < changes[-1].end <= 8 * TIB
    (batch,) = packed(changes)
    assert len(batch) == MOST_RANGES
    assert message_length(batch) < MESSAGE_ROOM


@pytest.mark.parametrize("seed", range(10))
def test_every_message_of_a_fragmented_8_tib_disk_fits(seed: int) -> None:
    rng = random.Random(seed)
    room = 8 * TIB // PAGE // (3 * MOST_RANGES)
    scattered = from_pages(
        (rng.randrange(1, room // 2), rng.choice([1, rng.randrange(1, room // 2)]), rng.random() < 0.95)
        for _ in range(3 * MOST_RANGES)
    )
    assert scattered[-1].end <= 8 * TIB
    assert all(message_length(batch) < MESSAGE_ROOM for batch in packed(scattered))


@a_few
@given(change_lists())
def test_a_batch_is_read_as_it_was_written(changes: list[Change]) -> None:
    for batch in packed(changes):
        assert decode(encode(batch)) == list(batch)


def test_ranges_are_written_as_pages_since_the_last_and_pages_negative_to_clear() -> None:
    changes = [Change(3 * PAGE, 4 * PAGE, clear=False), Change(4 * PAGE, 9 * PAGE, clear=True)]
    assert encode(changes) == [3, 1, 0, -5]
    assert decode([3, 1, 0, -5]) == changes


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param([1], id="half a range"),
        pytest.param([0, 1, 5], id="a range and a half"),
        pytest.param([-1, 1], id="before the disk"),
        pytest.param([0, 2, -1, 1], id="overlapping"),
        pytest.param([0, 0], id="empty"),
        pytest.param([0, 1, 1, 0], id="empty after another"),
    ],
)
def test_numbers_that_are_no_batch_are_refused(numbers: list[int]) -> None:
    with pytest.raises(ValueError, match="a batch's ranges are"):
        decode(numbers)


# --- effort


def test_effort_counts_ranges_bytes_and_calls_by_kind() -> None:
    changes = [
        Change(0, 9 * MIB, clear=False),
        Change(9 * MIB, 9 * MIB + GIB, clear=True),
        Change(2 * GIB, 2 * GIB + PAGE, clear=False),
    ]
    assert effort(changes) == Effort(
        ranges=3, bytes_written=9 * MIB + PAGE, bytes_cleared=GIB, write_calls=4, clear_calls=1
    )


@a_few
@given(change_lists())
def test_the_efforts_of_all_batches_add_up_to_that_of_the_list(changes: list[Change]) -> None:
    total = Effort()
    for batch in packed(changes):
        total = total.plus(effort(batch))
    # A range that two batches share is counted in both.
    assert total._replace(ranges=0) == effort(changes)._replace(ranges=0)
    assert total.ranges >= len(changes)
