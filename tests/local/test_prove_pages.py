"""When a list of page ranges that came in pages is taken for whole."""

from collections.abc import Sequence

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from azure.core import AsyncPipelineClient
from azure.core.rest import AsyncHttpResponse, HttpRequest

from shared.changes.ranges import Change
from tests.conformance.real.managed.pages import Given, Listed, is_whole
from tests.conformance.real.managed.urls import Opened
from tests.conformance.real.verdicts import NotSettledError

GOOD = Given(200, "", {}, b"")
REFUSED = Given(400, "InvalidQueryParameterValue", {}, b"")
ONE_PAGE = "<PageList><PageRange><Start>0</Start><End>511</End></PageRange><NextMarker>again</NextMarker></PageList>"


def page(*starts: int, given: Given = GOOD, size: int = 1, clear: bool = False) -> Listed:
    return Listed(given, [Change(start, start + size, clear) for start in starts], "more")


def test_a_list_is_whole_where_small_pages_have_what_large_ones_have() -> None:
    assert is_whole([page(0, 2, 4, 6)], [page(0, 2), page(4, 6)])
    assert is_whole([page(0, 5)], [page(0), page(5), page()])
    assert is_whole([page(0, size=4)], [page(0, size=2), page(2, size=2)]), "a page may end within a range"


@pytest.mark.parametrize(
    "pages",
    [
        [page(0, 2), page(6)],
        [page(0, 2), page(2, 4, 6)],
        [page(4, 6), page(0, 2)],
        [page(0, 2), page(4, 6, clear=True)],
        [page(0, 2), page(given=REFUSED)],
        [page(0, 2, 4, 6), page(given=REFUSED)],
    ],
    ids=["one is lost", "one is told twice", "not in order", "cleared", "refused", "refused after all"],
)
def test_a_list_is_not_whole_where_a_range_is_lost_or_told_twice_or_refused(pages: Sequence[Listed]) -> None:
    assert not is_whole([page(0, 2, 4, 6)], pages)


def test_nothing_is_settled_by_a_list_that_comes_in_one_page() -> None:
    with pytest.raises(NotSettledError):
        is_whole([page(0, 2)], [page(0, 2)])


async def test_a_service_that_knows_no_marker_is_not_asked_for_ever() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=ONE_PAGE, content_type="application/xml")

    app = web.Application()
    app.router.add_get("/disk", answer)
    async with (
        TestServer(app) as server,
        AsyncPipelineClient[HttpRequest, AsyncHttpResponse](base_url="", policies=[]) as http,
    ):
        pages = await Opened(http, f"{server.make_url('/disk')}?sig=x").pages()
    assert len(pages) == 2
    assert not is_whole(pages, pages)
