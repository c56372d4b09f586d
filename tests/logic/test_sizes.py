"""What versions of a blob hold alone, against a model that looks at every page of every version."""

import itertools
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import HttpResponseError
from hypothesis import given
from hypothesis import strategies as st

from shared.changes.ranges import Window
from shared.limits import PAGE
from shared.model.addresses import ContainerAddress
from shared.model.disk import Disk
from shared.model.run import Kind
from shared.model.sizes import (
    BACKUP_BLOB,
    NO_BYTES,
    NOTHING,
    Bytes,
    Chain,
    Held,
    Pair,
    SoftDeleted,
    added_by_run,
    days_kept,
    freed,
    held_in_all,
    is_backup_of,
    neighbours,
    pairs_for,
)
from tests.simulation.blobs import SUCCESS, Blob, Copy, Snapshot

ADDRESS = ContainerAddress.parse("https://backups.blob.core.windows.net/tidemark").blob("disks/vhds/os.vhd")
PAGES = 6


@st.composite
def blobs(draw: st.DrawFn) -> Blob:
    """Make a blob with snapshots, between which pages were written, cleared, cut off, added, or all copied over."""
    numbers = itertools.count(1)
    blob = Blob([None] * PAGES, lambda: next(numbers))
    times = (f"2026-11-22T00:00:{second:02}.0000000Z" for second in itertools.count())
    for step in draw(st.lists(st.sampled_from(("write", "write", "clear", "resize", "copy", "snapshot")), max_size=20)):
        page = draw(st.integers(0, max(0, len(blob.pages) - 1)))
        if step == "resize":
            blob.resize(draw(st.integers(1, PAGES)), None)
        elif step == "copy":
            blob.begin_copy(Copy("", "", tuple(blob.pages)), {}, None, None)
            blob.end_copy(SUCCESS)
        elif step == "snapshot":
            blob.snapshot(next(times), {})
        else:
            blob.set(page, [next(numbers) if step == "write" else None])
    return blob


def chain_of(blob: Blob) -> Chain:
    held = [Held(time, len(taken.pages) * PAGE) for time, taken in sorted(blob.snapshots.items())]
    return Chain(ADDRESS, (*held, Held(BACKUP_BLOB, len(blob.pages) * PAGE)))


def at(blob: Blob, label: str) -> Snapshot:
    return blob.at("" if label == BACKUP_BLOB else label)


def counted(blob: Blob, pair: Pair) -> int:
    """Count a diff as the service lists it; across a copy over the blob all valid pages are new."""
    version, window = "" if pair.version == BACKUP_BLOB else pair.version, Window(0, PAGES * PAGE)
    try:
        listed = blob.valid(version, window) if pair.since == NOTHING else blob.diff(version, pair.since, window)
    except HttpResponseError:
        listed = blob.valid(version, window)
    return sum(change.length for change in listed if not change.clear)


def billed(blob: Blob, labels: AbstractSet[str]) -> int:
    """Count the bytes that some versions hold: each page once for each time that it was written."""
    written = {
        (page, touched)
        for taken in (at(blob, label) for label in labels)
        for page, touched in enumerate(taken.touched)
        if taken.pages[page] is not None
    }
    return len(written) * PAGE


@given(blobs(), st.data())
def test_what_is_freed_by_deleting_versions_is_what_no_other_holds(blob: Blob, data: st.DataObject) -> None:
    chain = chain_of(blob)
    labels = chain.labels
    going = data.draw(st.sets(st.sampled_from(labels)))
    known = {pair: counted(blob, pair) for pair in pairs_for(chain, going)}
    truth = billed(blob, set(labels)) - billed(blob, set(labels) - going)
    assert freed(chain, going, known) == Bytes.exactly(truth)
    some = {pair: known[pair] for pair in known if data.draw(st.booleans())}
    bound = freed(chain, going, some)
    assert bound.at_least <= truth <= bound.at_most, "less known is a bound, never a wrong number"


@given(blobs())
def test_all_versions_together_hold_what_was_written_between_neighbours(blob: Blob) -> None:
    chain = chain_of(blob)
    known = {pair: counted(blob, pair) for pair in neighbours(chain)}
    assert held_in_all(chain, known) == Bytes.exactly(billed(blob, set(chain.labels)))
    assert held_in_all(chain, {}).at_most >= billed(blob, set(chain.labels))


def test_nothing_is_freed_by_deleting_nothing() -> None:
    chain = Chain(ADDRESS, (Held("a", PAGE), Held(BACKUP_BLOB, PAGE)))
    assert pairs_for(chain, set()) == []
    assert freed(chain, set(), {}) == NO_BYTES


def test_few_diffs_say_what_a_row_of_deleted_versions_frees() -> None:
    chain = Chain(ADDRESS, tuple(Held(label, PAGE) for label in ("a", "b", "c", "d", BACKUP_BLOB)))
    pairs = list(pairs_for(chain, {"b", "c"}))
    assert pairs == [Pair("a", "b"), Pair("b", "c"), Pair("c", "d"), Pair("a", "d")]


def added() -> Iterator[tuple[Kind, str, tuple[int | None, str]]]:
    yield Kind.INCREMENTAL, "base", (4096, "base")
    yield Kind.FULL, "base", (4096, "")
    yield Kind.RESYNC, "base", (None, "")
    yield Kind.INCREMENTAL, "", (None, "")


def test_a_run_says_what_it_added_where_what_it_wrote_is_exact() -> None:
    for kind, base, expected in added():
        assert added_by_run(kind, 4096, base) == expected


def test_how_long_soft_delete_keeps_backups_is_told_by_what_it_keeps() -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    kept = [
        SoftDeleted(blob=ADDRESS, snapshot="", size=PAGE, deleted=now - timedelta(days=days, hours=1), days_left=left)
        for days, left in ((3, 27), (28, 2))
    ]
    assert days_kept(kept, now) == 30
    assert days_kept([], now) is None


@pytest.mark.parametrize(
    ("name", "is_its"),
    [
        ("disks/vhds/os.vhd", True),
        ("disks/vhds/os.vhd/2026-11-22T00:00:00.1234567Z", True),
        ("disks/vhds/os.vhd2", False),
        ("disks/vhds/os.vhd/data.vhd", False),
    ],
)
def test_a_deleted_backup_is_a_disks_by_its_name(name: str, is_its: object) -> None:
    assert is_backup_of(Disk.parse("https://disks.blob.core.windows.net/vhds/os.vhd"), name) is is_its
