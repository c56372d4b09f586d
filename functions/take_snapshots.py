"""Timer on `BACKUP_SCHEDULE` (every 12 hours in the templates): snapshot all disks and start their runs."""

import azure.functions as func
from azure.functions.timer import TimerRequest

from shared.azure.services import open_services
from shared.backup.take_snapshots import take_snapshots as take
from shared.model.times import next_due
from shared.settings import load_settings

take_snapshots_blueprint = func.Blueprint()


@take_snapshots_blueprint.timer_trigger(arg_name="timer", schedule="%BACKUP_SCHEDULE%", use_monitor=True)
async def take_snapshots(timer: TimerRequest) -> None:
    """Snapshot all disks at once, then record and enqueue a run for each."""
    async with open_services(load_settings()) as services:
        await take(services, next_due(timer.schedule_status))
