"""Run a functions app: `python -m infra.local.host --app DIR`."""

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TextIO

from aiohttp import web
from azure_functions_runtime import stop_threadpool_executor

from infra.local.host import worker
from infra.local.host.admin import Admin
from infra.local.host.bindings import Function, HttpTrigger, QueueTrigger, TimerTrigger, read_function
from infra.local.host.http import HttpTriggers
from infra.local.host.invocations import Invocations
from infra.local.host.keys import Keys
from infra.local.host.logs import log_everything, log_to_stderr
from infra.local.host.queues import QueueListener
from infra.local.host.sends import Sends
from infra.local.host.settings import (
    QueueOptions,
    StartError,
    add_local_settings,
    read_http_options,
    read_queue_options,
)
from infra.local.host.sign_in import take_sign_in
from infra.local.host.storage import connect
from infra.local.host.timer import TimerListener

GRACE_SECONDS = 10.0
PROJECT_ROOT = Path(__file__).resolve().parents[3]

_log = logging.getLogger("host")


@dataclass(frozen=True, slots=True)
class Options:
    """The command line: `message_lease` and `max_polling_interval` in seconds."""

    app: Path
    port: int
    message_lease: int
    max_polling_interval: float | None
    local_settings: bool
    log_everything: bool


def main() -> int:
    """Run the host until it is told to stop; return its exit code."""
    options = _read_options()
    ready = _keep_stdout_for_ready_line()
    log_to_stderr()
    try:
        return asyncio.run(_serve(options, ready))
    except StartError as error:
        print(error, file=sys.stderr)
        return 1


async def _serve(options: Options, ready: TextIO) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    keys, sign_in = Keys.take(os.environ), take_sign_in(os.environ)
    queue_options = _enter_app(options)
    functions = [read_function(found, os.environ) for found in await worker.index(options.app)]
    if options.log_everything:
        log_everything()
    invocations, sends = Invocations(functions), Sends()
    async with AsyncExitStack() as stack:
        stack.enter_context(sends.watched())
        listeners = await _make_listeners(
            functions, queue_options, invocations, sends=sends, options=options, stack=stack
        )
        http = HttpTriggers(
            functions, invocations, prefix=read_http_options(options.app).route_prefix, keys=keys, sign_in=sign_in
        )
        url = await _open_admin(Admin(listeners, functions, invocations, sends, http), options.port, stack)
        for function in functions:
            _log.info("function name=%s trigger=%s", function.name, function.trigger)
        print(f"host ready {url}", file=ready)
        ready.close()
        crashed = await _listen(list(listeners.values()), stop, invocations)
        left = invocations.in_flight
    if left:
        # Their threads can't be stopped; their messages become visible again when the leases expire.
        _log.warning("host-stopped running=%s", left)
        logging.shutdown()
        os._exit(int(crashed))
    stop_threadpool_executor()
    return int(crashed)


async def _listen(
    listeners: Sequence[QueueListener | TimerListener], stop: asyncio.Event, invocations: Invocations
) -> bool:
    """Run the listeners until the host is told to stop or one of them fails; return whether one failed.

    Running invocations then get `GRACE_SECONDS` to finish.
    """
    tasks = [asyncio.create_task(listener.listen()) for listener in listeners]
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    for listener in listeners:
        listener.stop()
    deadline = time.monotonic() + GRACE_SECONDS
    ended, _ = await asyncio.wait(tasks, timeout=GRACE_SECONDS)
    await invocations.drain(deadline - time.monotonic())
    errors = [error for task in ended if (error := task.exception())]
    for error in errors:
        _log.error("listener-broke", exc_info=error)
    return bool(errors)


async def _make_listeners(
    functions: Sequence[Function],
    queue_options: QueueOptions,
    invocations: Invocations,
    *,
    sends: Sends,
    options: Options,
    stack: AsyncExitStack,
) -> dict[str, QueueListener | TimerListener]:
    services = {
        connection: await connect(connection, os.environ, stack)
        for connection in {f.trigger.connection for f in functions if isinstance(f.trigger, QueueTrigger)}
    }

    def listener(function: Function, trigger: QueueTrigger | TimerTrigger) -> QueueListener | TimerListener:
        if isinstance(trigger, QueueTrigger):
            service = services[trigger.connection]
            lease = options.message_lease
            return QueueListener(
                function, trigger, service, queue_options, invocations, sends=sends, message_lease=lease
            )
        return TimerListener(function, trigger, invocations)

    return {
        function.name: listener(function, function.trigger)
        for function in functions
        if not isinstance(function.trigger, HttpTrigger)
    }


async def _open_admin(admin: Admin, port: int, stack: AsyncExitStack) -> str:
    runner = web.AppRunner(admin.application(), access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


def _enter_app(options: Options) -> QueueOptions:
    """Make the app's folder this process's own: settings, working directory and import path."""
    if options.local_settings:
        add_local_settings(options.app, os.environ)
    queue_options = read_queue_options(options.app, os.environ)
    if options.max_polling_interval is not None:
        override = {"max_polling_interval": timedelta(seconds=options.max_polling_interval)}
        queue_options = queue_options.model_copy(update=override)
    os.chdir(options.app)
    # The project's root is on the path only for this package; an app elsewhere must not find modules there.
    sys.path[:] = [str(options.app), *(entry for entry in sys.path if entry not in {"", str(PROJECT_ROOT)})]
    return queue_options


def _keep_stdout_for_ready_line() -> TextIO:
    """Reserve stdout for the ready line; what the app prints goes to stderr."""
    ready = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return ready


def _read_options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m infra.local.host", description=__doc__)
    parser.add_argument("--app", required=True, type=Path, metavar="DIR", help="the folder of function_app.py")
    parser.add_argument(
        "--port", type=int, default=0, help="port of HTTP triggers and of the admin API (0: any free one)"
    )
    parser.add_argument(
        "--message-lease", type=int, default=600, metavar="SECONDS", help="how long a received message is invisible"
    )
    parser.add_argument(
        "--max-polling-interval", type=float, metavar="SECONDS", help="instead of host.json's maxPollingInterval"
    )
    parser.add_argument(
        "--no-local-settings", action="store_false", dest="local_settings", help="do not read local.settings.json"
    )
    parser.add_argument("--log-everything", action="store_true", help="log everything from all libraries")
    given = parser.parse_args()
    return Options(
        app=given.app.resolve(),
        port=given.port,
        message_lease=given.message_lease,
        max_polling_interval=given.max_polling_interval,
        local_settings=given.local_settings,
        log_everything=given.log_everything,
    )


if __name__ == "__main__":
    sys.exit(main())
