"""The sample app that the tests of the local functions host run."""

import asyncio
import logging
import time
from datetime import datetime

import azure.functions as func
import forgotten  # type: ignore[import-not-found]  # noqa: F401 - imported, and its blueprint not registered
from errands import blueprint  # type: ignore[import-not-found]  # found in the app's folder, by the host
from evidence import leave, patience, released  # type: ignore[import-not-found]
from pages import pages  # type: ignore[import-not-found]

app = func.FunctionApp()
app.register_functions(blueprint)
app.register_functions(pages)


@app.queue_trigger(arg_name="message", queue_name="%QUEUES%-notes", connection="AzureWebJobsStorage")
def note(message: func.QueueMessage, context: func.Context) -> None:
    body = message.get_body().decode()
    print("printed by note:", body)  # noqa: T201 - where a print goes is tested
    logging.getLogger("sample").info("logged by note: %s", body)
    leave(
        "note",
        "ran",
        body=body,
        id=message.id,
        dequeue_count=message.dequeue_count,
        insertion_time=_iso(message.insertion_time),
        expiration_time=_iso(message.expiration_time),
        invocation=context.invocation_id,
    )


@app.queue_trigger(arg_name="message", queue_name="%QUEUES%-failures", connection="AzureWebJobsStorage")
async def fail(message: func.QueueMessage) -> None:
    body = message.get_body().decode()
    leave("fail", "ran", body=body, dequeue_count=message.dequeue_count)
    if body == "be cancelled":
        raise asyncio.CancelledError
    raise ValueError(f"told to {body}")


@app.queue_trigger(arg_name="message", queue_name="%QUEUES%-holds", connection="AzureWebJobsStorage")
async def hold(message: func.QueueMessage) -> None:
    body = message.get_body().decode()
    leave("hold", "started", body=body, dequeue_count=message.dequeue_count)
    deadline = patience()
    while not released(body) and time.monotonic() < deadline:  # noqa: ASYNC110 - the event is in another process
        await asyncio.sleep(0.02)
    leave("hold", "ended", body=body)


@app.timer_trigger(arg_name="timer", schedule="%TICKS%")
def tick(timer: func.TimerRequest) -> None:
    leave(
        "tick",
        "ran",
        past_due=timer.past_due,
        status=_part(timer, "schedule_status"),
        schedule=_part(timer, "schedule"),
    )


@app.timer_trigger(arg_name="timer", schedule="%TICKS%")
async def hold_tick(timer: func.TimerRequest) -> None:
    leave("hold_tick", "started", past_due=timer.past_due)
    deadline = patience()
    while not released("hold_tick") and time.monotonic() < deadline:  # noqa: ASYNC110 - the event is in another process
        await asyncio.sleep(0.02)
    leave("hold_tick", "ended")


@app.timer_trigger(arg_name="timer", schedule="%TICKS%", run_on_startup=True, use_monitor=False)
def tick_at_start(timer: func.TimerRequest) -> None:
    leave("tick_at_start", "ran", status=_part(timer, "schedule_status"))


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _part(timer: func.TimerRequest, name: str) -> object:
    part: object = getattr(timer, name)  # there at run time, though not in the type
    return part
