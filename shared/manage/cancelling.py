"""`cancel`: end a restore, a verify or a drill that is open; its own steps do, and clean up."""

from dataclasses import replace

from shared.azure.services import Services
from shared.azure.tables.job_rows import JobRows
from shared.jobs.intents import with_subject
from shared.model.inspection import Inspection
from shared.model.intent_row import IntentRow
from shared.model.intents import CancelIntent, IntentRefusedError, IntentWaitsError
from shared.model.restore import Restore


async def cancel(services: Services, intent: CancelIntent, row: IntentRow) -> str:
    """Mark every open job of this ID as cancelled, then wait until it has ended; a timer gives its jobs one ID.

    Raises:
        IntentRefusedError: none is open.
        IntentWaitsError: one has not ended yet.
    """
    restores = [job for job in await services.restores.open() if job.job == intent.job]
    inspections = [job for job in await services.inspections.open() if job.job == intent.job]
    jobs: list[Restore | Inspection] = [*restores, *inspections]
    if not row.subject:
        if not jobs:
            raise IntentRefusedError(
                f"no restore, verify or drill with the ID {intent.job} is open. What to do: check the ID; if it has"
                " ended, its row says how"
            )
        row = await with_subject(services, row, ", ".join(f"{job.row_key} of {job.known_disk.name}" for job in jobs))
    why = f"cancelled by an operator ({row.row_key})"
    for restore in restores:
        await _mark(services, services.restores, restore, why)
    for inspection in inspections:
        await _mark(services, services.inspections, inspection, why)
    if jobs:
        raise IntentWaitsError(f"{row.subject}: ends")
    return f"{row.subject}: has ended; its row says how"


async def _mark[Kept: (Restore, Inspection)](services: Services, rows: JobRows[Kept], job: Kept, why: str) -> None:
    """Mark a job as cancelled, and have its next step taken now."""
    if job.cancelled or not job.can_be_cancelled:
        return

    def marked(found: Kept) -> Kept:
        return replace(found, cancelled=why) if found.can_be_cancelled else found

    if await rows.update(job.disk, job.row_key, marked):
        await services.queues.send(job.message)
