"""The functions of the app, each with the trigger it declares."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from infra.local.host.keys import AuthLevel
from infra.local.host.protos import RpcFunctionMetadata
from infra.local.host.routes import Route
from infra.local.host.schedule import Schedule, parse_schedule
from infra.local.host.settings import StartError, expand

DEFAULT_CONNECTION = "AzureWebJobsStorage"
_RESPONSE = ("http", "$return")
# Naming Queues and Metadata (REST): 3 to 63 lower-case letters, digits and single dashes, none at an end.
_QUEUE_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    """A queue trigger; `connection` names the app setting, or group of settings, of the queue service."""

    type: ClassVar[str] = "queueTrigger"

    parameter: str
    queue: str
    connection: str

    def __str__(self) -> str:
        return f"{self.type} {self.queue}"


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    """A timer trigger; one that is not `monitored` gets no schedule status."""

    type: ClassVar[str] = "timerTrigger"

    parameter: str
    schedule: Schedule
    run_on_startup: bool
    monitored: bool

    def __str__(self) -> str:
        return f"{self.type} {self.schedule}"


@dataclass(frozen=True, slots=True)
class HttpTrigger:
    """An HTTP trigger; without `methods` it answers all of them."""

    type: ClassVar[str] = "httpTrigger"

    parameter: str
    route: Route
    methods: frozenset[str]
    level: AuthLevel

    def __str__(self) -> str:
        return f"{self.type} {self.route}"


type Trigger = HttpTrigger | QueueTrigger | TimerTrigger


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the app; `id` is assigned by the worker library."""

    name: str
    id: str
    trigger: Trigger


def read_function(metadata: RpcFunctionMetadata, environment: Mapping[str, str]) -> Function:
    """Read a function that the worker library found, with `%SETTING%` replaced by app settings.

    Raises:
        StartError: a binding that this host does not support, a missing setting, an invalid schedule, queue name or
            route.
    """
    declared: list[dict[str, Any]] = [json.loads(text) for text in metadata.raw_bindings]
    # The response of an HTTP trigger is what its function returns.
    bindings = [binding for binding in declared if (binding["type"], binding["name"]) != _RESPONSE]
    if unsupported := [binding["type"] for binding in bindings if binding["type"] not in _READERS]:
        raise StartError(
            f"{metadata.name} has a binding of type {unsupported[0]}, which the local host does not support:"
            f" it supports {', '.join(_READERS)}."
        )
    if len(bindings) != 1:
        raise StartError(f"{metadata.name} has {len(bindings)} triggers; one is expected.")
    if metadata.retry_options is not None:
        raise StartError(f"{metadata.name} has a retry policy, which the local host does not support.")
    read = _READERS[bindings[0]["type"]]
    return Function(metadata.name, metadata.function_id, read(metadata.name, bindings[0], environment))


def _read_http(name: str, binding: Mapping[str, Any], environment: Mapping[str, str]) -> HttpTrigger:
    route = expand(binding.get("route") or name, environment, f"route of {name}")
    try:
        return HttpTrigger(
            binding["name"],
            Route.parse(route),
            frozenset(method.upper() for method in binding.get("methods", ())),
            AuthLevel[binding.get("authLevel", "FUNCTION").upper()],
        )
    except ValueError as error:
        raise StartError(f"route of {name} is {route!r}: {error}.") from None


def _read_queue(name: str, binding: Mapping[str, Any], environment: Mapping[str, str]) -> QueueTrigger:
    queue = expand(binding["queueName"], environment, f"queueName of {name}")
    if not _QUEUE_NAME.fullmatch(queue):
        raise StartError(f"queueName of {name} is {queue!r}, which is not a valid queue name.")
    return QueueTrigger(binding["name"], queue, binding.get("connection") or DEFAULT_CONNECTION)


def _read_timer(name: str, binding: Mapping[str, Any], environment: Mapping[str, str]) -> TimerTrigger:
    declared = binding["schedule"]
    expanded = expand(declared, environment, f"schedule of {name}")
    try:
        schedule = parse_schedule(expanded)
    except ValueError as error:
        origin = f" (from {declared})" if expanded != declared else ""
        raise StartError(f"schedule of {name} is {expanded!r}{origin}: {error}.") from None
    return TimerTrigger(
        binding["name"],
        schedule,
        run_on_startup=bool(binding.get("runOnStartup")),
        monitored=binding.get("useMonitor") is not False,
    )


_READERS: dict[str, Callable[[str, Mapping[str, Any], Mapping[str, str]], Trigger]] = {
    HttpTrigger.type: _read_http,
    QueueTrigger.type: _read_queue,
    TimerTrigger.type: _read_timer,
}
