"""Timer on `BACKUP_SCHEDULE` (every 12 hours in the templates): snapshot all disks and start their runs."""

import azure.functions as func

from shared.azure.services import open_services
from shared.backup.take_snapshots import take_snapshots as take
from shared.settings import load_settings

take_snapshots_blueprint = func.Blueprint()


@take_snapshots_blueprint.timer_trigger(arg_name="timer", schedule="%BACKUP_SCHEDULE%", use_monitor=True)
async def take_snapshots(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the binding's name
    """Snapshot all disks at once, then record and enqueue a run for each."""
    async with open_services(load_settings()) as services:
        await take(services)
