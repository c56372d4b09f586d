"""What outlives an invocation: all invocations of a worker share its connections, and the URLs that open disks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from shared.azure.app_identity import Tokens
from shared.azure.connections import Connections, open_connections
from shared.azure.sources.access_urls import AccessUrls
from shared.azure.sources.uploads import UploadUrls
from shared.settings import Settings


@dataclass(slots=True, eq=False)
class _Kept:
    """Open connections.

    Attributes:
        connections: the connections.
        stack: closes them.
        settings: the settings by which they were opened.
        loop: the event loop that they belong to.
        users: how many invocations use them.
    """

    connections: Connections
    stack: contextlib.AsyncExitStack
    settings: Settings
    loop: asyncio.AbstractEventLoop
    users: int = 0


class KeptConnections:
    """What a worker keeps. Its connections are opened by who first needs them, for its settings and its event loop.

    Whoever runs a worker has no call for its end, but asyncio closes what is still open when the event loop ends: the
    generator behind `open_connections` (`asyncio.loop.shutdown_asyncgens`).

    Attributes:
        access: the URLs that read snapshots of managed disks. They are secrets, as those in `uploads`.
        uploads: the URLs that write to managed disks that are being made.
    """

    def __init__(self, access: AccessUrls | None = None, uploads: UploadUrls | None = None) -> None:
        self.access = AccessUrls() if access is None else access
        self.uploads: UploadUrls = {} if uploads is None else uploads
        self._tokens = Tokens()
        self._kept: _Kept | None = None

    @contextlib.asynccontextmanager
    async def of(self, settings: Settings) -> AsyncIterator[Connections]:
        """Give the connections for these settings; they stay open after the block.

        Those of other settings, or of another event loop, are replaced, and closed once nobody uses them.
        """
        before, kept = self._kept, await self._current(settings)
        self._kept = kept
        kept.users += 1
        try:
            if before and before is not kept:
                await _close_unused(before)
            yield kept.connections
        finally:
            kept.users -= 1
            if kept is not self._kept:
                await _close_unused(kept)

    async def aclose(self) -> None:
        """Close the connections, once nobody uses them; whoever needs some later opens new ones."""
        kept, self._kept = self._kept, None
        if kept:
            await _close_unused(kept)

    async def _current(self, settings: Settings) -> _Kept:
        """Give what is kept, if it serves; else open connections. That waits for nothing, so nobody opens others."""
        loop = asyncio.get_running_loop()
        if self._kept and self._kept.loop is loop and self._kept.settings == settings:
            return self._kept
        stack = contextlib.AsyncExitStack()
        connections = await stack.enter_async_context(open_connections(settings, self._tokens))
        return _Kept(connections, stack, settings, loop)


async def _close_unused(kept: _Kept) -> None:
    """Close connections that nobody uses, in the event loop that they belong to, if that still runs."""
    if kept.users:
        return
    if kept.loop is asyncio.get_running_loop() or kept.loop.is_closed():
        await kept.stack.aclose()
    else:
        asyncio.run_coroutine_threadsafe(kept.stack.aclose(), kept.loop)
