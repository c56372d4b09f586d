"""The limit of a blob: so many requests and bytes in any second, and 503 ServerBusy to the rest."""

from collections.abc import Iterator

import pytest

from infra.local.gateway import Gateway, Request
from infra.local.gateway.limits import Limit
from tests.gateway.page_blobs import PAGE, NewBlob, PageBlob, refusal

NO_LIMIT = 10**12


def _write(length: int, operation: str = "Put Page From URL") -> Request:
    headers = {"x-ms-range": f"bytes=0-{length - 1}"}
    return Request(method="PUT", operation=operation, path="/a/c/b", query={}, headers=headers)


@pytest.fixture
def limited(gateway: Gateway) -> Iterator[Gateway]:
    yield gateway
    gateway.limits.clear()


def test_a_blob_takes_so_many_requests_in_any_second() -> None:
    limit = Limit(requests=2, length=NO_LIMIT)
    assert [limit.takes(_write(PAGE), at) for at in (0.0, 0.5, 0.9, 1.0, 1.4, 1.5)] == [
        True,
        True,
        False,
        True,
        False,
        True,
    ]


def test_a_blob_takes_so_many_bytes_in_any_second_and_a_clear_or_a_list_has_none() -> None:
    limit = Limit(requests=100, length=3 * PAGE)
    asked = [
        _write(2 * PAGE),
        _write(2 * PAGE),
        _write(PAGE),
        *(_write(9 * PAGE, name) for name in ("Clear Pages", "Get Page Ranges")),
    ]
    assert [limit.takes(request, 0.0) for request in asked] == [True, False, True, True, True]
    assert limit.takes(_write(3 * PAGE), 1.0)


async def test_what_is_beyond_the_limit_is_refused_and_has_no_effect(
    disk: PageBlob, new_disk: NewBlob, limited: Gateway
) -> None:
    other = await new_disk(1)
    limited.limits.set(disk.path, requests=100, length=2 * PAGE)
    await disk.write(0, 0)
    assert await refusal(disk.write(1, 2)) == (503, "ServerBusy")
    assert await disk.ranges() == [(0, 0, False)]
    await other.write(0, 0)
