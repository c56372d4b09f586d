"""A blueprint that the app registers."""

import azure.functions as func
from evidence import leave  # type: ignore[import-not-found]  # found in the app's folder, by the host

blueprint = func.Blueprint()


@blueprint.queue_trigger(arg_name="message", queue_name="%QUEUES%-errands", connection="Errands")
def run_errand(message: func.QueueMessage) -> None:
    leave("run_errand", "ran", body=message.get_body().decode())
