"""The invocations of the app's functions: logging them, counting them, and tracking those in flight."""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from azure_functions_runtime import invocation_id_cv

from infra.local.host import worker
from infra.local.host.bindings import Function
from infra.local.host.protos import InvocationResponse, ParameterBinding, TypedData

_log = logging.getLogger("host")


@dataclass(slots=True)
class Tally:
    """The number of a function's runs in this host."""

    succeeded: int = 0
    failed: int = 0
    running: int = 0


class Invocations:
    """Runs functions in the worker library, and tracks what has not ended yet."""

    def __init__(self, functions: Iterable[Function]) -> None:
        self.tallies = {function.name: Tally() for function in functions}
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def in_flight(self) -> int:
        """The work that has begun and not ended; for a queue trigger, from a message's receipt to its deletion."""
        return len(self._tasks)

    def begin[Result](self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Start work that counts as in flight until it ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def run(self, function: Function, data: TypedData, metadata: Mapping[str, TypedData], *, reason: str) -> bool:
        """Invoke a function with its trigger's data and wait for it to end; return whether it succeeded."""
        response = await self.answer(function, data, metadata, reason=reason)
        return response.result.exception is None

    async def answer(
        self, function: Function, data: TypedData, metadata: Mapping[str, TypedData], *, reason: str
    ) -> InvocationResponse:
        """Invoke a function like `run`; return what it returned, or what it failed with."""
        invocation = str(uuid.uuid4())
        tally = self.tallies[function.name]
        started = time.monotonic()
        _log.info("invocation-start function=%s invocation=%s reason=%s", function.name, invocation, reason)
        tally.running += 1
        token = invocation_id_cv.set(invocation)
        try:
            argument = ParameterBinding(function.trigger.parameter, data)
            response = await worker.invoke(function.id, invocation, argument, metadata)
        finally:
            invocation_id_cv.reset(token)
            tally.running -= 1
        end = f"function={function.name} invocation={invocation} duration={time.monotonic() - started:.3f}s"
        if (failure := response.result.exception) is None:
            tally.succeeded += 1
            _log.info("invocation-end %s outcome=succeeded", end)
        else:
            tally.failed += 1
            _log.error("invocation-end %s outcome=failed exception=%s", end, json.dumps(failure.message))
            _log.error("invocation-stack invocation=%s\n%s", invocation, failure.stack_trace)
        return response

    async def drain(self, seconds: float) -> None:
        """Wait at most so long for the work in flight to end."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=max(seconds, 0))

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("host-error", exc_info=error)
