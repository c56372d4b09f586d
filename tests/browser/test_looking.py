"""What must not happen on a page is found, whatever it is."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Browser

from tests.browser.looking import PHONE, looking

PLAIN = """<!doctype html><html lang="en"><head><title>A page</title><link rel="icon" href="data:,">{head}</head>
<body><main><h1>A page</h1>{body}</main></body></html>"""


@contextlib.asynccontextmanager
async def serving(body: str = "", head: str = "", **headers: str) -> AsyncIterator[str]:
    """Serve one page; give its address."""

    async def answer(_request: web.Request) -> web.Response:
        text = PLAIN.format(head=head, body=body)
        return web.Response(text=text, content_type="text/html", headers={**headers})

    application = web.Application()
    application.router.add_get("/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def test_a_page_without_faults_is_looked_at_under_the_strictest_policy(browser: Browser) -> None:
    policy: dict[str, Any] = {"Content-Security-Policy": "default-src 'none'; img-src data:"}
    async with serving("<p>Nothing to see.</p>", **policy) as url, looking(browser, url) as look:
        assert "Nothing to see." in await look.text()
        await look.require_accessible()
        await look.require_no_sideways_scrolling()


@pytest.mark.parametrize(
    ("body", "head", "told"),
    [
        ("", "<script>console.error('broken')</script>", "console: broken"),
        ("", "<script>throw new Error('broken')</script>", "script: "),
        ('<img alt="" src="https://elsewhere.example/pixel.png">', "", "asked for https://elsewhere.example/pixel.png"),
        ('<img alt="" src="/missing.png">', "", "console: "),
        ("", '<link rel="stylesheet" href="http://localhost:9/style.css">', "asked for http://localhost:9/style.css"),
    ],
)
async def test_an_error_or_a_request_elsewhere_fails_who_looks(
    browser: Browser, body: str, head: str, told: str
) -> None:
    async with serving(body, head) as url:
        with pytest.raises(AssertionError) as failure:
            async with looking(browser, url) as look:
                await look.page.wait_for_load_state("networkidle")
        assert told in str(failure.value)


async def test_what_the_policy_forbids_is_an_error(browser: Browser) -> None:
    policy: dict[str, Any] = {"Content-Security-Policy": "default-src 'none'; img-src data:"}
    async with serving(head="<script>1</script>", **policy) as url:
        with pytest.raises(AssertionError, match="Content Security Policy"):
            async with looking(browser, url):
                pass


async def test_what_nobody_can_read_is_no_accessible_page(browser: Browser) -> None:
    faint = '<p style="color: #eee; background: #fff">Hardly to be seen.</p><img src="data:,">'
    async with serving(faint) as url, looking(browser, url) as look:
        with pytest.raises(AssertionError) as failure:
            await look.require_accessible()
    assert "color-contrast" in str(failure.value)
    assert "image-alt" in str(failure.value)


async def test_what_is_wider_than_a_phone_is_found(browser: Browser) -> None:
    async with serving('<div style="width: 600px">Wide.</div>') as url, looking(browser, url, width=PHONE) as look:
        with pytest.raises(AssertionError, match="pixels in a window of 375"):
            await look.require_no_sideways_scrolling()
