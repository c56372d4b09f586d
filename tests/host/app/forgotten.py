"""A blueprint that the app does not register."""

import azure.functions as func

blueprint = func.Blueprint()


@blueprint.queue_trigger(arg_name="message", queue_name="forgotten", connection="AzureWebJobsStorage")
def run_forgotten(message: func.QueueMessage) -> None:
    raise AssertionError(message.id)
