"""Timer on `DRILL_SCHEDULE`, if set: start a drill of every disk."""

import azure.functions as func

from shared.azure.services import open_services
from shared.inspection.request import inspect_all
from shared.model.job import JobKind
from shared.settings import load_settings

drill_disks_blueprint = func.Blueprint()


@drill_disks_blueprint.timer_trigger(arg_name="timer", schedule="%DRILL_SCHEDULE%", use_monitor=True)
async def drill_disks(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the binding's name
    """Start a drill of every disk."""
    async with open_services(load_settings()) as services:
        await inspect_all(services, JobKind.DRILL)
