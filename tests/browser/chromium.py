"""A headless Chromium: the machine's own, driven by Playwright."""

import contextlib
import os
from collections.abc import AsyncIterator

from playwright.async_api import Browser, async_playwright

from infra.local.__main__ import BROWSERS, may_install_browser

NONE_FOUND = (
    f"No browser on PATH ({', '.join(BROWSERS)}), so nothing was looked at in one. What to do: install one of them"
)


def is_required() -> bool:
    """Tell whether there has to be one: in CI, and where the test command installs it."""
    return bool(os.environ.get("CI")) or may_install_browser()


@contextlib.asynccontextmanager
async def run_chromium(executable: str) -> AsyncIterator[Browser]:
    """Run the browser until the block ends; it asks nobody but whom a page asks."""
    async with async_playwright() as playwright:
        # As root, which some containers are, Chromium runs without its sandbox only.
        browser = await playwright.chromium.launch(
            executable_path=executable,
            chromium_sandbox=hasattr(os, "geteuid") and os.geteuid() != 0,
            args=["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
        )
        try:
            yield browser
        finally:
            await browser.close()
