"""What has changed between two versions of a disk, as the service lists it and as a model of its pages knows it."""

import itertools
import random
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.local.gateway import Fault
from infra.local.local_azure import LocalAzure
from shared.azure.blobs.reading import BlobReader
from shared.changes.ranges import Change
from shared.content.filesystems import DiskContent
from shared.content.partition_tables import NO_TABLE, SECTOR, Partition, PartitionTable
from shared.errors import SourceGoneError
from shared.limits import PAGE
from shared.model.point import RecoveryPoint
from shared.model.run import Kind
from shared.model.version import BlobVersion
from tests.cli.content.blobs import MIB, Blob
from tests.logic.made_disks import gpt_disk, mbr
from tidemark.content.attribution import OUTSIDE, WHOLE, Attribution, Part
from tidemark.content.changes import Changes, changes
from tidemark.content.errors import AttachedError, ChangesError
from tidemark.content.progress import Progress, Stage

type Make = Callable[[int], Awaitable[Blob]]
type Counts = tuple[int, int, int]
KIB = 1024
PAGES = 64
TOOL_FOLDERS = "/sbin:/usr/sbin:/bin:/usr/bin"


def counts(found: Changes | Part) -> Counts:
    return found.written, found.cleared, found.ranges


def by_part(found: Changes) -> dict[str, Counts]:
    return {part.name: counts(part) for part in found.parts}


def modelled(touched: set[int], valid: set[int]) -> Counts:
    """Count what a diff lists: pages that were written or cleared, by whether they are valid in the newer version."""
    kinds = {page: page in valid for page in touched}
    ranges = sum(1 for page in sorted(kinds) if kinds.get(page - 1) != kinds[page])
    written = sum(kinds.values())
    return written * PAGE, (len(kinds) - written) * PAGE, ranges


@pytest.mark.parametrize("seed", range(4))
async def test_random_writes_and_clears_are_counted_as_a_model_of_the_pages_does(
    reader: BlobReader, make: Make, seed: int
) -> None:
    rng, disk = random.Random(seed), await make(PAGES * PAGE)
    versions, valid, touched = list[BlobVersion](), list[set[int]](), list[set[int]]()
    for _ in range(4):
        now = set[int]()
        for _ in range(rng.randrange(8)):
            first = rng.randrange(PAGES)
            count = rng.randint(1, min(12, PAGES - first))
            if rng.random() < 0.6:
                await disk.write(first * PAGE, rng.randbytes(count * PAGE))
            else:
                await disk.clear(first * PAGE, count * PAGE)
            now.update(range(first, first + count))
        touched.append(now)
        valid.append(set(disk.valid))
        versions.append(await disk.snapshot())
    await disk.write(0, rng.randbytes(PAGE))
    for older, newer in itertools.combinations(range(4), 2):
        found = await changes(reader, versions[newer], versions[older])
        expected = modelled(set[int]().union(*touched[older + 1 : newer + 1]), valid[newer])
        assert (counts(found), by_part(found)) == (expected, {WHOLE: expected})
    found = await changes(reader, disk.itself, versions[0])
    assert counts(found) == modelled({0}.union(*touched[1:]), disk.valid)


async def test_a_disk_is_compared_with_its_base_snapshot_without_another_snapshot(
    azure: LocalAzure, reader: BlobReader, make: Make
) -> None:
    disk = await make(PAGES * PAGE)
    base = await disk.snapshot()
    await disk.write(3 * PAGE, b"x" * 2 * PAGE)
    before, told = len(azure.gateway.requests), list[Progress]()
    found = await changes(reader, disk.itself, base, progress=told.append)
    assert counts(found) == (2 * PAGE, 0, 1)
    assert {request.operation for request in azure.gateway.requests[before:]} <= {
        "Get Blob Properties",
        "Get Page Ranges",
        "Get Blob",
    }
    assert [told[0][:3], told[-1][:3]] == [(Stage.LIST, 0, PAGES * PAGE), (Stage.LIST, PAGES * PAGE, PAGES * PAGE)]


async def test_a_range_across_two_listings_is_one(
    reader: BlobReader, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = await make(PAGES * PAGE)
    older = await disk.snapshot()
    await disk.write(5 * PAGE, b"x" * 20 * PAGE)
    newer = await disk.snapshot()
    monkeypatch.setattr("tidemark.content.changes.LISTING_WINDOW", 8 * PAGE)
    assert counts(await changes(reader, newer, older)) == (20 * PAGE, 0, 1)


async def test_what_a_disk_has_grown_by_counts_as_far_as_it_is_valid(reader: BlobReader, make: Make) -> None:
    disk = await make(8 * PAGE)
    small = await disk.snapshot()
    await disk.resize(PAGES * PAGE)
    await disk.write(6 * PAGE, b"x" * 4 * PAGE)
    await disk.write(40 * PAGE, b"x" * PAGE)
    large = await disk.snapshot()
    found = await changes(reader, large, small)
    assert (*counts(found), found.size, found.older_size) == (5 * PAGE, 0, 2, PAGES * PAGE, 8 * PAGE)
    await disk.resize(8 * PAGE)
    shrunk = await changes(reader, await disk.snapshot(), large)
    assert (*counts(shrunk), shrunk.size, shrunk.older_size) == (0, 0, 0, 8 * PAGE, PAGES * PAGE)


async def put(disk: Blob, start: int, content: bytes) -> None:
    await disk.write(start, content.ljust(-(-len(content) // PAGE) * PAGE, b"\0"))


async def with_gpt(disk: Blob, *spans: tuple[int, int]) -> None:
    """Put a GPT of partitions from and to these bytes on a disk."""
    made = gpt_disk([(start // SECTOR, end // SECTOR - 1) for start, end in spans], len(disk.expected) // SECTOR)
    for at, content in made.parts:
        await put(disk, at, content)


async def with_mbr(disk: Blob, *spans: tuple[int, int]) -> None:
    """Put an MBR of partitions from and to these bytes on a disk."""
    await put(disk, 0, mbr([(0, 0x83, start // SECTOR, (end - start) // SECTOR) for start, end in spans]))


@pytest.mark.parametrize(("table", "scheme"), [(with_mbr, "MBR"), (with_gpt, "GPT")])
async def test_changes_are_told_by_partition(
    reader: BlobReader, make: Make, table: Callable[..., Awaitable[None]], scheme: str
) -> None:
    disk = await make(8 * MIB)
    # Not in the order of their places, with room between them.
    await table(disk, (4 * MIB, 6 * MIB), (MIB, 3 * MIB))
    await disk.write(5 * MIB, b"x" * 8 * PAGE)
    older = await disk.snapshot()
    await disk.write(MIB - PAGE, b"y" * 3 * PAGE)
    await disk.write(2 * MIB, b"y" * PAGE)
    await disk.write(3 * MIB - PAGE, b"y" * (MIB + 2 * PAGE))
    await disk.clear(5 * MIB, 4 * PAGE)
    found = await changes(reader, await disk.snapshot(), older)
    assert (found.scheme, counts(found)) == (scheme, (MIB + 6 * PAGE, 4 * PAGE, 4))
    assert [(part.name, part.start, part.end) for part in found.parts] == [
        ("partition 1", 4 * MIB, 6 * MIB),
        ("partition 2", MIB, 3 * MIB),
        (OUTSIDE, 0, 8 * MIB),
    ]
    assert by_part(found) == {
        "partition 1": (PAGE, 4 * PAGE, 2),
        "partition 2": (4 * PAGE, 0, 3),
        OUTSIDE: (MIB + PAGE, 0, 2),
    }


async def test_the_table_of_the_newer_version_counts(reader: BlobReader, make: Make) -> None:
    disk = await make(4 * MIB)
    await with_mbr(disk, (MIB, 2 * MIB))
    older = await disk.snapshot()
    await with_mbr(disk, (2 * MIB, 4 * MIB))
    await disk.write(3 * MIB, b"x" * PAGE)
    found = await changes(reader, await disk.snapshot(), older)
    assert by_part(found) == {"partition 1": (PAGE, 0, 1), OUTSIDE: (PAGE, 0, 1)}


async def test_a_range_that_is_outside_partitions_twice_is_one_range(reader: BlobReader, make: Make) -> None:
    disk = await make(4 * MIB)
    await with_mbr(disk, (MIB, 2 * MIB))
    older = await disk.snapshot()
    await disk.write(PAGE, b"x" * (3 * MIB))
    found = await changes(reader, await disk.snapshot(), older)
    assert by_part(found) == {"partition 1": (MIB, 0, 1), OUTSIDE: (2 * MIB, 0, 1)}


@pytest.mark.skipif(not shutil.which("mkfs.ext4", path=TOOL_FOLDERS), reason=f"no mkfs.ext4 in {TOOL_FOLDERS}")
async def test_a_real_filesystem_in_a_partition_is_named(reader: BlobReader, make: Make, tmp_path: Path) -> None:
    disk, image = await make(10 * MIB), tmp_path / "volume"
    await with_gpt(disk, (MIB, 9 * MIB))
    older = await disk.snapshot()
    made(image, 8 * MIB)
    written = 0
    content = image_content(image)
    for at in range(0, len(content), 64 * KIB):
        if any(part := content[at : at + 64 * KIB]):
            await disk.write(MIB + at, part)
            written += len(part)
    found = await changes(reader, await disk.snapshot(), older)
    assert [(part.name, part.filesystem, part.written) for part in found.parts] == [
        ("partition 1", "ext4", written),
        (OUTSIDE, "", 0),
    ]


def made(image: Path, size: int) -> None:
    program = shutil.which("mkfs.ext4", path=TOOL_FOLDERS)
    assert program
    with image.open("wb") as file:
        file.truncate(size)
    subprocess.run([program, "-q", "-F", str(image)], check=True, capture_output=True)


def image_content(image: Path) -> bytes:
    return image.read_bytes()


@pytest.mark.parametrize("seed", range(20))
def test_every_changed_byte_is_in_one_part(seed: int) -> None:
    rng, size = random.Random(seed), 1000 * PAGE
    spans = [sorted(rng.sample(range(1, 1001), 2)) for _ in range(rng.randrange(5))]
    partitions = tuple(Partition(start * PAGE, end * PAGE) for start, end in spans)
    table = PartitionTable("MBR", partitions) if partitions else NO_TABLE
    attribution = Attribution(DiskContent(has_footer=False, table=table, filesystems=()), size)
    edges = sorted(rng.sample(range(1001), 40))
    made = [Change(a * PAGE, b * PAGE, rng.random() < 0.5) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    for change in made:
        attribution.add(change)
    parts = attribution.parts
    assert sum(part.written for part in parts) == sum(change.length for change in made if not change.clear)
    assert sum(part.cleared for part in parts) == sum(change.length for change in made if change.clear)
    for part in parts[:-1]:
        touching = [change for change in made if change.start < part.end and part.start < change.end]
        assert min(part.written, part.cleared) >= 0
        assert part.ranges <= len(touching)
        assert part.written + part.cleared <= part.end - part.start


def runs(*written: int) -> list[RecoveryPoint]:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    return [
        RecoveryPoint.of_a_copy(
            time=f"2026-11-{number + 1:02d}T00:00:00.0000000Z",
            kind=Kind.INCREMENTAL,
            reason="",
            backup_blob=None,  # type: ignore[arg-type]  # of the disk's backup blob
            backup_snapshot="",
            size=64 * MIB,
            started=now,
            sealed=now,
            bytes_written=bytes_written,
        )
        for number, bytes_written in enumerate(written)
    ]


async def test_what_was_written_is_compared_with_what_is_usual(reader: BlobReader, make: Make) -> None:
    disk = await make(4 * MIB)
    older = await disk.snapshot()
    await disk.write(0, b"x" * (MIB // 2))
    newer = await disk.snapshot()
    found = await changes(reader, newer, older, earlier=runs(*[MIB] * 10, *range(10 * KIB, 30 * KIB, 2 * KIB)))
    assert (found.usual, found.is_unusual) == (19 * KIB, True)
    assert found.times_usual == pytest.approx(512 / 19)
    found = await changes(reader, newer, older, earlier=runs(*[MIB // 4] * 5))
    assert (found.usual, found.times_usual, found.is_unusual) == (MIB // 4, 2, False)
    for earlier in (runs(*[1] * 4), [], runs(*[0] * 5)):
        found = await changes(reader, newer, older, earlier=earlier)
        assert (found.times_usual, found.is_unusual) == (None, bool(earlier) and found.usual == 0)


@pytest.mark.parametrize("operation", ["Get Blob Properties", "Get Page Ranges", "Get Blob"])
async def test_an_attached_premium_disk_is_said_to_be_one(
    azure: LocalAzure, reader: BlobReader, make: Make, operation: str
) -> None:
    disk = await make(PAGES * PAGE)
    base, later = await disk.snapshot(), await disk.snapshot()
    in_use = (409, "SystemInUse", "The blob is in use.")
    azure.gateway.faults.add(Fault(operation, disk.path, only_base=True, refuse=in_use))
    with pytest.raises(AttachedError) as refused:
        await changes(reader, disk.itself, base)
    said = str(refused.value)
    assert said.startswith(f"{disk.address.url} is attached to a VM, and ")
    assert said.endswith("(SystemInUse). What to do: compare two of its recovery points instead")
    assert counts(await changes(reader, later, base)) == (0, 0, 0)


async def test_what_cannot_be_compared_is_said_with_what_to_do(reader: BlobReader, make: Make) -> None:
    disk, other = await make(PAGES * PAGE), await make(PAGES * PAGE)
    older = await disk.snapshot()
    newer = await disk.snapshot()
    for first, second, said in (
        (newer, await other.snapshot(), r"are versions of two blobs.* What to do: choose two recovery points"),
        (older, newer, r"is not older than .* What to do: swap the two"),
        (newer, disk.itself, r"is not older than .* What to do: swap the two"),
    ):
        with pytest.raises(ChangesError, match=said):
            await changes(reader, first, second)
    await disk.client.start_copy_from_url(other.client.url)
    for version, said in (
        (disk.itself, r"was copied over between the two.* What to do: compare two .* the next backup rewrites"),
        (await disk.snapshot(), r"was copied over between the two.* What to do: choose two other recovery points"),
    ):
        with pytest.raises(ChangesError, match=said):
            await changes(reader, version, newer)


async def test_a_version_that_is_gone_is_said_to_be(reader: BlobReader, make: Make) -> None:
    disk = await make(PAGES * PAGE)
    gone = BlobVersion(disk.address, "2026-01-01T00:00:00.0000000Z")
    with pytest.raises(SourceGoneError, match="no longer exists"):
        await changes(reader, disk.itself, gone)


async def test_an_empty_disk_is_one_part(reader: BlobReader, make: Make) -> None:
    disk = await make(PAGES * PAGE)
    older = await disk.snapshot()
    found = await changes(reader, await disk.snapshot(), older)
    assert (counts(found), found.scheme, found.doubts) == ((0, 0, 0), "", ())
    assert [(part.name, part.filesystem) for part in found.parts] == [(WHOLE, "")]
