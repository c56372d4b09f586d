"""Timer on `DRILL_SCHEDULE`, if set: start a drill of every disk."""

import azure.functions as func

from shared.azure.services import OpenServices
from shared.inspection.request import inspect_all
from shared.model.job import JobKind


def drill_disks_blueprint(open_services: OpenServices) -> func.Blueprint:
    """Register `drill_disks`; `open_services` opens the services of an invocation."""
    blueprint = func.Blueprint()

    @blueprint.timer_trigger(arg_name="timer", schedule="%DRILL_SCHEDULE%", use_monitor=True)
    async def drill_disks(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the binding's name
        """Start a drill of every disk."""
        async with open_services() as services:
            await inspect_all(services, JobKind.DRILL)

    return blueprint
