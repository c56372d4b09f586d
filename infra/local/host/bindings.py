"""The functions of the app, each with the trigger it declares."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from infra.local.host.protos import RpcFunctionMetadata
from infra.local.host.schedule import Schedule, parse_schedule
from infra.local.host.settings import StartError, expand

DEFAULT_CONNECTION = "AzureWebJobsStorage"
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
class Function:
    """A function of the app; `id` is assigned by the worker library."""

    name: str
    id: str
    trigger: QueueTrigger | TimerTrigger


def read_function(metadata: RpcFunctionMetadata, environment: Mapping[str, str]) -> Function:
    """Read a function that the worker library found, with `%SETTING%` replaced by app settings.

    Raises:
        StartError: a binding that this host does not support, a missing setting, an invalid schedule or queue name.
    """
    bindings: list[dict[str, Any]] = [json.loads(text) for text in metadata.raw_bindings]
    if unsupported := [b["type"] for b in bindings if b["type"] not in {QueueTrigger.type, TimerTrigger.type}]:
        raise StartError(
            f"{metadata.name} has a binding of type {unsupported[0]}, which the local host does not support:"
            f" it supports {QueueTrigger.type} and {TimerTrigger.type}."
        )
    if len(bindings) != 1:
        raise StartError(f"{metadata.name} has {len(bindings)} triggers; one is expected.")
    if metadata.retry_options is not None:
        raise StartError(f"{metadata.name} has a retry policy, which the local host does not support.")
    read = _read_queue if bindings[0]["type"] == QueueTrigger.type else _read_timer
    return Function(metadata.name, metadata.function_id, read(metadata.name, bindings[0], environment))


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
