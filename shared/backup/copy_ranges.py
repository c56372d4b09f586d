"""The third step: apply a batch of a run's change list to the backup blob, and hand on what is left."""

from datetime import timedelta

from shared.azure.services import Services
from shared.backup.copy_batch import Lasts, copy_batch
from shared.events import Event
from shared.model.messages import BatchMessage
from shared.runs.failures import recording_failures

TURN = timedelta(seconds=60)
"""How long a batch goes on while other disks' wait: so long that the way from one to the next counts little."""

TURNS = 10
"""How many turns a batch takes while nobody waits: it is to end long before the host ends it (host.json)."""


async def copy_ranges(services: Services, message: BatchMessage) -> None:
    """Apply a batch. One that the run does not wait for is dropped; applying anything twice is harmless."""
    async with recording_failures(services, message, Event.COPY_RANGES_FAILED):
        await copy_batch(services, message, number=message.number, lasts=Lasts(TURN, TURNS))
