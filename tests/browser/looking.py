"""Somebody who looks at pages: what they see, and what must never happen meanwhile."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.async_api import Browser, ConsoleMessage, Page, Request, Route

from infra.local.local_azure import ROOT

AXE = ROOT / "infra" / "local" / "node_modules" / "axe-core" / "axe.min.js"
PHONE, DESK = 375, 1440
"""Widths of a window, in CSS pixels."""

_HEIGHT = 900

type Scheme = Literal["dark", "light"]


@dataclass
class Look:
    """A window with one page.

    Attributes:
        page: the page.
        host: the only host that may be asked, with its port.
        wrong: what must not happen, and did: errors on the console, and requests to other hosts.
    """

    page: Page
    host: str
    wrong: list[str] = field(default_factory=list)

    async def goes_to(self, url: str) -> int:
        """Open a page; give the status of the answer."""
        answer = await self.page.goto(url)
        assert answer is not None
        return answer.status

    async def text(self) -> str:
        """Give what there is to read, as it is laid out."""
        return await self.page.inner_text("body")

    async def require_accessible(self) -> None:
        """Require that axe finds nothing that keeps people from using the page."""
        await self.page.evaluate(_axe())
        found: dict[str, Any] = await self.page.evaluate("axe.run()")
        assert found["passes"], "it has looked at something"
        told = [f"{wrong['id']}: {wrong['help']}: {wrong['nodes'][0]['html'][:200]}" for wrong in found["violations"]]
        assert told == [], told

    async def require_no_sideways_scrolling(self) -> None:
        """Require that the page is no wider than the window."""
        width, window = await self.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert width <= window, f"{width} pixels in a window of {window}"


@contextlib.asynccontextmanager
async def looking(browser: Browser, url: str, *, width: int = DESK, scheme: Scheme = "light") -> AsyncIterator[Look]:
    """Open a window on a page, and require at the end that nothing went wrong.

    Args:
        browser: the browser.
        url: the address; its host alone may be asked.
        width: of the window, in CSS pixels.
        scheme: the colours that its user prefers.
    """
    context = await browser.new_context(viewport={"width": width, "height": _HEIGHT}, color_scheme=scheme)
    try:
        look = Look(await context.new_page(), urlsplit(url).netloc)

        async def ask(route: Route, request: Request) -> None:
            if urlsplit(request.url).netloc == look.host or request.url.startswith("data:"):
                await route.continue_()
                return
            look.wrong.append(f"asked for {request.url}")
            await route.abort()

        def hear(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                look.wrong.append(f"console: {message.text}")

        await context.route("**/*", ask)
        look.page.on("console", hear)
        look.page.on("pageerror", lambda error: look.wrong.append(f"script: {error}"))
        assert await look.goes_to(url) < 500
        yield look
        assert look.wrong == [], look.wrong
    finally:
        await context.close()


@cache
def _axe() -> str:
    return AXE.read_text(encoding="utf-8")
