"""The pages of a large blob, kept as extents, are the pages that a list would hold."""

from hypothesis import given
from hypothesis import strategies as st

from shared.changes.ranges import Change, Window
from shared.limits import PAGE
from tests.simulation.blobs import Blob, Page
from tests.simulation.fleet.extents import Extents

PAGES = 24

pages = st.lists(st.sampled_from((None, 0, 1, 2)), min_size=PAGES, max_size=PAGES)
spans = st.tuples(st.integers(0, PAGES), st.integers(0, PAGES)).map(sorted)


@given(pages, st.lists(st.tuples(spans, pages), max_size=6))
def test_what_is_laid_over_extents_is_there_and_all_else_stays(
    first: list[Page], laid: list[tuple[list[int], list[Page]]]
) -> None:
    extents = Extents.of(first)
    expected = list(first)
    for (start, end), content in laid:
        parts = [
            part._replace(first=part.first + start, end=part.end + start)
            for part in Extents.of(content[: end - start]).all()
        ]
        extents.lay(start, end, parts)
        expected[start:end] = content[: end - start]
    assert extents[:] == expected
    assert extents == Extents.of(expected)


@given(pages, st.integers(0, 2 * PAGES))
def test_a_copy_is_cut_off_or_made_longer_and_the_original_stays(content: list[Page], count: int) -> None:
    extents = Extents.of(content)
    assert extents.copy(count)[:] == (content + [None] * PAGES)[:count]
    assert extents[:] == content


@given(pages, spans)
def test_pages_that_were_never_written_read_as_zeros(content: list[Page], span: list[int]) -> None:
    start, end = span
    assert Extents.of(content).read(start, end)[:] == [page or 0 for page in content[start:end]]


@given(pages, pages, spans)
def test_ranges_are_those_of_a_blob_of_pages(before: list[Page], after: list[Page], span: list[int]) -> None:
    window = Window(span[0] * PAGE, span[1] * PAGE)
    numbers = iter(range(10**6))
    blob = Blob(list(before), lambda: next(numbers), tracked=False)
    blob.snapshot("1", {})
    blob.set(0, after)
    blob.snapshot("2", {})
    old, new = Extents.of(before), Extents.of(after)
    if window.start == window.end:
        return
    assert list(new.valid(window)) == blob.valid("2", window)
    assert _joined(list(new.diff(old, window))) == blob.diff("2", "1", window)


def _joined(changes: list[Change]) -> list[Change]:
    joined: list[Change] = []
    for change in changes:
        if joined and joined[-1].end == change.start and joined[-1].clear == change.clear:
            joined[-1] = joined[-1]._replace(end=change.end)
        else:
            joined.append(change)
    return joined
