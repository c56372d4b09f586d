"""Timer on `BACKUP_SCHEDULE` (every 12 hours in the templates): snapshot all disks and start their runs."""

import azure.functions as func

from shared.azure.services import OpenServices
from shared.backup.take_snapshots import take_snapshots as take


def take_snapshots_blueprint(open_services: OpenServices) -> func.Blueprint:
    """Register `take_snapshots`; `open_services` opens the services of an invocation."""
    blueprint = func.Blueprint()

    @blueprint.timer_trigger(arg_name="timer", schedule="%BACKUP_SCHEDULE%", use_monitor=True)
    async def take_snapshots(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the binding's name
        """Snapshot all disks at once, then record and enqueue a run for each."""
        async with open_services() as services:
            await take(services)

    return blueprint
