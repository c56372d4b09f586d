"""Step 3 of a backup: apply a batch of the run's change list to the backup blob, and enqueue the next batch."""

from datetime import timedelta

from shared.azure.services import Services
from shared.backup.copy_batch import BatchLimits, copy_batch
from shared.events import Event
from shared.model.messages import BatchMessage
from shared.runs.failures import recording_failures

TURN = timedelta(seconds=60)
"""How long a batch runs while those of other disks wait: long enough to make the cost of switching negligible."""

TURNS = 10
"""Turns a batch takes while no other waits: it must end well before the function times out (host.json)."""


async def copy_ranges(services: Services, message: BatchMessage) -> None:
    """Apply a batch; drop it if the run does not wait for it. Applying a change twice is harmless."""
    async with recording_failures(services, message, Event.COPY_RANGES_FAILED):
        await copy_batch(services, message, number=message.number, limits=BatchLimits(TURN, TURNS))
