"""Page ranges come in pages of at most 10,000, each followed by a marker."""

from collections.abc import Iterator
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

import aiohttp
import pytest

from infra.local.gateway import Gateway, page_ranges
from tests.gateway.conftest import API_VERSION
from tests.gateway.page_blobs import PAGE, NewBlob, PageBlob, pages, refusal, settled

FEW = 100
PAGES = 2 * FEW + 1


async def fragmented(new_disk: NewBlob) -> tuple[PageBlob, str, str]:
    """Make a disk, write it whole and clear every second page of it; give it with snapshots of before and after."""
    disk = await new_disk(PAGES)
    before = await disk.snapshot()
    await disk.write(0, PAGES - 1)
    await disk.clear_each(range(1, PAGES, 2))
    return disk, before, await disk.snapshot()


async def one_page(disk: PageBlob, snapshot: str | None, **query: str) -> tuple[int, ET.Element]:
    """Ask for page ranges with the query given as it is, authorised by a SAS."""
    asked = "".join(f"&{name}={quote(value)}" for name, value in query.items())
    url = disk.source_url(snapshot)
    joined = f"{url}&comp=pagelist{asked}"
    async with (
        aiohttp.ClientSession(headers={"x-ms-version": API_VERSION}) as session,
        session.get(joined) as answer,
    ):
        return answer.status, ET.fromstring(await answer.text())


# The limit is lowered here: to go beyond the real one takes ten thousand requests.
async def test_a_difference_of_more_ranges_than_a_page_may_hold_comes_whole(
    new_disk: NewBlob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_ranges, "MAX_RANGES", FEW)
    disk, before, after = await fragmented(new_disk)
    found = await disk.ranges(before, after)
    assert found == [(page, page, page % 2 == 1) for page in range(PAGES)]
    assert settled(found)
    _, page = await one_page(disk, after, prevsnapshot=before)
    assert len(page.findall("PageRange")) + len(page.findall("ClearRange")) == FEW


@pytest.mark.parametrize("wanted", [None, "10000", "10001", "999999"])
async def test_no_page_of_a_difference_holds_more_than_ten_thousand_ranges(
    disk: PageBlob, gateway: Gateway, wanted: str | None
) -> None:
    await disk.resize(20_004)
    gateway.pretend_ranges(disk.path, alternating)
    before, after = await disk.snapshot(), await disk.snapshot()
    query = {} if wanted is None else {"maxresults": wanted}
    _, page = await one_page(disk, after, prevsnapshot=before, **query)
    assert len(page.findall("PageRange")) + len(page.findall("ClearRange")) == 10_000
    assert page.findtext("NextMarker")


def alternating(start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """Pretend that each page has changed: written and cleared in turn."""
    for page in range(start // PAGE, end // PAGE):
        yield page * PAGE, (page + 1) * PAGE, page % 2 == 1


async def test_the_last_page_has_no_marker(disk: PageBlob) -> None:
    await disk.write(0, 0)
    _, page = await one_page(disk, None)
    assert page.find("NextMarker") is not None
    assert not page.findtext("NextMarker")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
async def test_small_pages_give_the_same_list(disk: PageBlob, size: int) -> None:
    before = await disk.snapshot()
    for page in range(0, 40, 4):
        await disk.write(page, page + 1)
        await disk.clear(page + 1, page + 2)
    after = await disk.snapshot()
    whole = await disk.ranges(before, after)
    assert len(whole) == 20
    assert await disk.ranges(before, after, results_per_page=size) == whole
    assert await disk.ranges(until=after, results_per_page=size) == await disk.ranges(until=after)
    window = {"offset": PAGE, "length": 30 * PAGE}
    assert await disk.ranges(before, after, results_per_page=size, **window) == await disk.ranges(
        before, after, **window
    )


async def test_an_exact_page_is_the_last(disk: PageBlob, gateway: Gateway) -> None:
    for page in (0, 2, 4, 6):
        await disk.write(page, page)
    gateway.requests.clear()
    assert len(await disk.ranges(results_per_page=2)) == 4
    assert len(gateway.requests) == 2


async def test_a_page_begins_at_its_offset_though_the_disk_has_changed(disk: PageBlob) -> None:
    for page in (0, 10, 20):
        await disk.write(page, page)
    served = disk.client.list_page_ranges(results_per_page=1).by_page()
    first = [found async for found in await anext(served)]
    await disk.write(11, 20)
    rest = [found async for page in served async for found in page]
    assert [pages(found)[:2] for found in first + rest] == [(0, 0), (10, 20)]


@pytest.mark.parametrize("wanted", ["0", "-1"])
async def test_no_results_cannot_be_asked_for(disk: PageBlob, wanted: str) -> None:
    status, error = await one_page(disk, None, maxresults=wanted)
    assert (status, error.findtext("Code")) == (400, "OutOfRangeQueryParameterValue")


@pytest.mark.parametrize("query", [{"maxresults": "many"}, {"marker": "next"}, {"marker": "ZnJvbSA5OTk5OTk5OTk="}])
async def test_a_bad_parameter_is_refused(disk: PageBlob, query: dict[str, str]) -> None:
    status, error = await one_page(disk, None, **query)
    assert (status, error.findtext("Code")) == (400, "InvalidQueryParameterValue")


async def test_each_page_needs_authorisation(disk: PageBlob) -> None:
    for page in (0, 2):
        await disk.write(page, page)
    _, first = await one_page(disk, None, maxresults="1")
    marker = first.findtext("NextMarker") or ""
    parts = urlsplit(disk.client.url)
    url = f"http://{parts.netloc}{parts.path}?comp=pagelist&maxresults=1&marker={quote(marker)}"
    async with aiohttp.ClientSession(headers={"x-ms-version": API_VERSION}) as session, session.get(url) as answer:
        assert answer.status in (403, 404)


async def test_a_million_ranges_can_be_pretended(new_disk: NewBlob, gateway: Gateway) -> None:
    disk = await new_disk(4_000_000)
    asked: list[tuple[int, int]] = []
    read = 0

    def ranges(start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        nonlocal read
        asked.append((start, end))
        for index in range(start // (4 * PAGE), 1_000_000):
            first = index * 4 * PAGE
            if first >= end:
                return
            if first + PAGE > start:
                read += 1
                yield first, first + PAGE, index % 2 == 1

    gateway.pretend_ranges(disk.path, ranges)
    before, after = await disk.snapshot(), await disk.snapshot()
    window = {"offset": 4_000 * PAGE, "length": 80_001 * PAGE}
    found = await disk.ranges(before, after, **window)
    assert found == [(index * 4, index * 4, index % 2 == 1) for index in range(1000, 21_001)]
    assert len(asked) == 3
    assert read <= len(found) + len(asked)


async def test_a_plain_list_of_more_than_ten_thousand_ranges_comes_whole(disk: PageBlob, gateway: Gateway) -> None:
    every_second = [(page * PAGE, (page + 1) * PAGE, False) for page in range(0, 20_004, 2)]
    await disk.resize(20_004)
    gateway.pretend_ranges(disk.path, lambda start, _end: (found for found in every_second if found[1] > start))
    assert await disk.ranges() == [(page, page, False) for page in range(0, 20_004, 2)]
    _, page = await one_page(disk, None)
    assert len(page.findall("PageRange")) == 10_000


async def test_a_pretence_ends(disk: PageBlob, gateway: Gateway) -> None:
    gateway.pretend_ranges(disk.path, lambda _start, _end: [(0, PAGE, True)])
    assert await disk.ranges() == [(0, 0, True)]
    gateway.pretend_ranges(disk.path, None)
    assert await disk.ranges() == []


async def test_a_pretended_blob_must_exist(gateway: Gateway, disk: PageBlob) -> None:
    gateway.pretend_ranges(disk.path, lambda _start, _end: [])
    await disk.client.delete_blob()
    assert await refusal(disk.ranges()) == (404, "BlobNotFound")
