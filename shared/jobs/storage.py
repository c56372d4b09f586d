"""Waiting for the app's own storage: nothing retries a timer's function, and its next run is hours away."""

from datetime import timedelta

from azure.core.exceptions import AzureError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.errors import StepFailedError
from shared.events import Event, log_event

MAX_WAIT = timedelta(minutes=10)
"""How long a timer's function waits for the table, the queues or a token."""

_RETRY_INTERVAL = timedelta(seconds=10)


async def wait_for_storage(services: Services, failed: Event) -> None:
    """Create missing queues and tables, retrying for up to `MAX_WAIT`.

    Args:
        services: the services.
        failed: the event to log if that does not suffice.

    Raises:
        StepFailedError: the table or the queues can't be reached.
    """
    until = services.now() + MAX_WAIT
    while True:
        try:
            await services.ensure()
        except AzureError as error:
            reason = explain(error)
            if services.now() >= until:
                log_event(failed, reason=reason)
                raise StepFailedError(reason) from None
            log_event(Event.TICK_WAITS, reason=reason)
            await services.sleep(_RETRY_INTERVAL)
        else:
            return
