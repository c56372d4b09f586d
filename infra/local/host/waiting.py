"""Waiting for an event, or for a time to pass, whichever comes first."""

import asyncio


async def happens_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event at most so long; return whether it has happened."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
