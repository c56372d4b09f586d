"""Timer on `VERIFY_SCHEDULE`, if set: verify the newest recovery point of every disk."""

import azure.functions as func

from shared.azure.services import OpenServices
from shared.inspection.request import inspect_all
from shared.model.job import JobKind


def verify_disks_blueprint(open_services: OpenServices) -> func.Blueprint:
    """Register `verify_disks`; `open_services` opens the services of an invocation."""
    blueprint = func.Blueprint()

    @blueprint.timer_trigger(arg_name="timer", schedule="%VERIFY_SCHEDULE%", use_monitor=True)
    async def verify_disks(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the binding's name
        """Start a verify of every disk's newest recovery point."""
        async with open_services() as services:
            await inspect_all(services, JobKind.VERIFY)

    return blueprint
