"""The running app with its status page, and what is waited for on it."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from infra.local.status_page import GROUP, PAGE_SETTINGS, page_url
from tests.app.cloud import App, Cloud, Disk, until
from tests.browser.looking import Look


@dataclass(frozen=True, slots=True)
class Shown:
    """An app and where its page is."""

    app: App

    @property
    def url(self) -> str:
        """The page of all disks, which does not load itself again while it is looked at."""
        return f"{page_url(self.app.host)}?refresh=off"

    def url_of(self, disk: Disk) -> str:
        """The page of a disk."""
        return f"{page_url(self.app.host)}?{urlencode({'disk': disk.url, 'refresh': 'off'})}"


@contextlib.asynccontextmanager
async def showing(
    cloud: Cloud,
    *disks: Disk | str,
    changed: Mapping[str, object] | None = None,
    rules: str = "",
) -> AsyncIterator[Shown]:
    """Run the app for these disks, with its page for whoever looks, and a plan of a retention if there are rules."""
    settings: dict[str, Any] = {**PAGE_SETTINGS, "RETENTION": rules, "RETENTION_MODE": "report" if rules else "off"}
    async with cloud.app(*disks, changed=changed, signed_in=GROUP, **settings) as app:
        yield Shown(app)


async def until_it_says(look: Look, text: str) -> str:
    """Load the page again and again until it says this; give all that it says then."""

    async def said() -> str:
        await look.page.reload()
        found = await look.text()
        return found if text in found else ""

    return await until(said, f"{text!r} on the page")
