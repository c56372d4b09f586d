"""Many random writes, clears, copies, resizes and snapshots: differences equal a page-by-page model's."""

import asyncio
import itertools
import random

import pytest

from tests.gateway.page_blobs import PAGE, Found, NewBlob, PageBlob, settled

PAGES = 64
STEPS = 25


class Model:
    """The disk as it should be: what each page holds, and the pages touched, in order, with marks for snapshots."""

    def __init__(self) -> None:
        self.content: list[bytes | None] = [None] * PAGES
        self.touched: list[set[int]] = [set()]
        self.snapshots: dict[str, tuple[int, list[bytes | None]]] = {}

    def touch(self, first: int, contents: list[bytes | None]) -> None:
        self.content[first : first + len(contents)] = contents
        self.touched[-1].update(range(first, first + len(contents)))

    def mark(self, snapshot: str) -> None:
        self.snapshots[snapshot] = (len(self.touched), self.content.copy())
        self.touched.append(set())

    def difference(self, since: str, until: str) -> dict[int, bool]:
        """Give the pages between two snapshots, and for each if it is cleared."""
        (start, _), (end, content) = self.snapshots[since], self.snapshots[until]
        pages: set[int] = set().union(*self.touched[start:end])
        return {page: content[page] is None for page in sorted(pages)}


def by_page(found: Found) -> dict[int, bool]:
    return {page: cleared for first, last, cleared in found for page in range(first, last + 1)}


async def act(choice: random.Random, disk: PageBlob, other: PageBlob, model: Model) -> None:
    """Do one random thing to the disk and the model."""
    first = choice.randrange(PAGES)
    count = min(choice.choice([1, 1, 2, 3, 8, 30]), PAGES - first)
    kind = choice.choice(["write", "write", "same", "zeros", "clear", "clear", "copy"])
    if kind == "clear":
        await disk.clear(first, first + count - 1)
        model.touch(first, [None] * count)
    elif kind == "copy":
        start = choice.randrange(PAGES - count + 1)
        await disk.client.upload_pages_from_url(other.source_url(None), first * PAGE, count * PAGE, start * PAGE)
        model.touch(first, [bytes([start + number]) * PAGE for number in range(count)])
    else:
        content = model.content[first : first + count] if kind == "same" else [None] * count
        fresh = b"\0" if kind == "zeros" else choice.randbytes(8)
        pages = [page or fresh * (PAGE // len(fresh)) for page in content]
        await disk.client.upload_page(b"".join(pages), offset=first * PAGE, length=count * PAGE)
        model.touch(first, list(pages))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(1, 5))])
async def test_snapshots_differ_as_the_model_says(new_disk: NewBlob, seed: int) -> None:
    choice = random.Random(seed)
    disk, other, model = await new_disk(PAGES), await new_disk(PAGES), Model()
    await other.write(0, PAGES - 1, b"".join(bytes([page]) * PAGE for page in range(PAGES)))
    for _ in range(STEPS):
        if choice.random() < 0.15:
            model.mark(await disk.snapshot())
        await act(choice, disk, other, model)
    model.mark(await disk.snapshot())
    pairs = list(itertools.combinations(model.snapshots, 2))
    for since, until in choice.sample(pairs, min(len(pairs), 12)):
        found = await disk.ranges(since, until, results_per_page=choice.choice([None, None, 6, 15]))
        assert settled(found)
        assert by_page(found) == model.difference(since, until)
    for snapshot, (_, content) in model.snapshots.items():
        held = await disk.read(0, PAGES - 1, snapshot=snapshot)
        assert held == b"".join(page or b"\0" * PAGE for page in content)


async def test_a_backup_that_applies_each_difference_equals_the_disk(new_disk: NewBlob, new_backup: NewBlob) -> None:
    choice = random.Random(20)
    disk, other, backup, model = await new_disk(PAGES), await new_disk(PAGES), await new_backup(PAGES), Model()
    await other.write(0, PAGES - 1, b"".join(bytes([page]) * PAGE for page in range(PAGES)))
    base = await disk.snapshot()
    for _ in range(4):
        for _ in range(8):
            await act(choice, disk, other, model)
        now = await disk.snapshot()
        url = disk.source_url(now)
        found = await disk.ranges(base, now)
        await asyncio.gather(
            *(
                backup.clear(first, last)
                if cleared
                else backup.client.upload_pages_from_url(url, first * PAGE, (last - first + 1) * PAGE, first * PAGE)
                for first, last, cleared in found
            )
        )
        assert await backup.read(0, PAGES - 1) == await disk.read(0, PAGES - 1, snapshot=now)
        assert await backup.ranges() == await disk.ranges(until=now)
        base = now
