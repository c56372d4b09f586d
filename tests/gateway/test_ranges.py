"""The algebra of ranges, against a model of single bytes."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from infra.local.gateway.ranges import Spans, Touched, changes, cut, merged

SIZE = 60
spans = st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(1, SIZE)).map(lambda pair: (min(pair), max(pair))))
spans = spans.map(lambda found: [(start, end) for start, end in found if start < end])


def points(found: Spans) -> set[int]:
    return {point for start, end in found for point in range(start, end)}


@given(spans)
def test_merged_spans_hold_the_same_bytes_in_order_and_apart(found: Spans) -> None:
    result = merged(found)
    assert points(result) == points(found)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(result))


@given(spans, spans)
def test_changes_split_what_was_touched_by_what_is_valid(touched: Spans, valid: Spans) -> None:
    result = changes(merged(touched), merged(valid))
    data = points([(found.start, found.end) for found in result if not found.cleared])
    cleared = points([(found.start, found.end) for found in result if found.cleared])
    assert data == points(touched) & points(valid)
    assert cleared == points(touched) - points(valid)
    assert all(a.end < b.start or a.cleared != b.cleared for a, b in itertools.pairwise(result))
    assert all(a.end <= b.start for a, b in itertools.pairwise(result))


@given(spans, st.integers(0, SIZE), st.integers(0, SIZE))
def test_a_cut_keeps_the_bytes_of_the_window(found: Spans, start: int, end: int) -> None:
    assert points(cut(merged(found), start, end)) == points(found) & set(range(start, end))


def test_tens_of_thousands_of_touches_stay_few_spans() -> None:
    touched = Touched()
    for page in range(50_000):
        touched.add(page * 7 % 50_000, page * 7 % 50_000 + 1)
    assert touched.spans() == [(0, 50_000)]
