"""Which snapshots are orphans: none that a row knows, that is young, or whose disk is busy."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.model.addresses import BlobAddress
from shared.model.disk import Disk
from shared.model.orphans import OLDER_THAN, Known, Orphan, hash_of, is_orphan, looks_lost

DISK = Disk.parse("https://disks.blob.core.windows.net/vhds/os.vhd")
BACKUP = BlobAddress.parse("https://backups.blob.core.windows.net/tidemark/disks/vhds/os.vhd")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def time(days: int) -> str:
    return f"{NOW - timedelta(days=days):%Y-%m-%dT%H:%M:%S}.0000000Z"


DAYS = st.integers(0, 20)
SNAPSHOTS = st.builds(Orphan, st.just(DISK), st.sampled_from([BACKUP, None]), DAYS.map(time), DAYS.map(time))
KNOWN = st.builds(Known, DAYS.map(time), st.frozensets(DAYS.map(time)), st.booleans())


@given(SNAPSHOTS, KNOWN)
def test_an_orphan_is_old_of_a_disk_at_rest_and_known_to_no_row(found: Orphan, known: Known) -> None:
    is_old = NOW - datetime.fromisoformat(found.snapshot) >= OLDER_THAN
    is_known = found.run in known.points if found.blob else found.snapshot == known.base
    expected = is_old and not is_known and not known.is_busy and bool(known.points)
    assert is_orphan(found, known, NOW) == expected


@given(st.lists(SNAPSHOTS), KNOWN)
def test_rows_look_lost_once_more_recovery_points_are_unknown_than_known(found: list[Orphan], known: Known) -> None:
    backups = [snapshot for snapshot in found if snapshot.blob]
    assert looks_lost(found, known) == (len(backups) > len(known.points))


@given(st.lists(SNAPSHOTS, unique=True), st.lists(SNAPSHOTS, unique=True))
def test_two_lists_have_the_same_hash_only_if_they_list_the_same(one: list[Orphan], other: list[Orphan]) -> None:
    names = [sorted({snapshot.name for snapshot in found}) for found in (one, other)]
    hashes = [hash_of(sorted({snapshot.digest for snapshot in found})) for found in (one, other)]
    assert (hashes[0] == hashes[1]) == (names[0] == names[1])
