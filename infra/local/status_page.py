"""The status page of an app on the local host, where whoever asks is signed in as a member of the allowed group."""

import asyncio
from collections.abc import Mapping

from infra.local.host.process import HostProcess

GROUP = "7f1d4c0a-52f3-4b8e-9c1d-6a2f0c9e4b11"
"""The allowed group, made up; who asks is in it (`run_host`, `signed_in`)."""

_LOOK_SECONDS = 1.0

PAGE_SETTINGS: Mapping[str, str] = {"STATUS_PAGE": "entra", "STATUS_PAGE_GROUP": GROUP}
"""The app settings that serve the page as `statusPage=entra` does in Azure."""


def page_url(host: HostProcess) -> str:
    """Give the page's address, which a browser on this machine can open."""
    return f"{host.url}/api/status"


async def stay(host: HostProcess) -> None:
    """Leave the app and its page running until this is cancelled.

    Raises:
        aiohttp.ClientError: the host has ended by itself.
    """
    while True:
        await host.status()
        await asyncio.sleep(_LOOK_SECONDS)
