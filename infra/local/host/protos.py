"""The messages between a Functions host and its Python worker, as plain classes.

The worker library takes the message classes from the host; in Azure they are protobuf's. These are the ones it uses for
HTTP, queue and timer triggers, with the names and numbers of `FunctionRpc.proto`
(azure-functions-language-worker-protobuf). A response that sets cookies needs more of them.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class TypedData:
    """A value passed to a function: exactly one of the kinds is set."""

    string: str | None = None
    json: str | None = None
    bytes: builtins.bytes | None = None
    http: RpcHttp | None = None

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's name
        """Name the kind that is set, as a protobuf message does."""
        return next((kind for kind in ("string", "json", "bytes", "http") if getattr(self, kind) is not None), None)


@dataclass(frozen=True, slots=True)
class RpcHttp:
    """An HTTP request or response; `params` are of the route, and `status_code` is text, as in protobuf's message."""

    method: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: TypedData | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    status_code: str = ""
    cookies: list[Any] | None = None
    enable_content_negotiation: bool = False


@dataclass(frozen=True, slots=True)
class ParameterBinding:
    """A named argument of a function."""

    name: str
    data: TypedData

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's name
        """Say that the argument is in the message, not in shared memory."""
        return "data"


@dataclass(frozen=True, slots=True)
class BindingInfo:
    """A binding as the worker declares it; direction and data type are the numbers below."""

    inout: ClassVar[int] = 2
    out: ClassVar[int] = 1
    undefined: ClassVar[int] = 0

    type: str
    data_type: int | None
    direction: int


@dataclass(frozen=True, slots=True)
class RpcRetryOptions:
    """The retry policy of a function."""

    max_retry_count: int
    retry_strategy: str
    delay_interval: Any = None
    minimum_interval: Any = None
    maximum_interval: Any = None


@dataclass(frozen=True, slots=True)
class RpcFunctionMetadata:
    """A function that the worker found: `raw_bindings` are JSON texts, one per binding."""

    name: str
    function_id: str
    managed_dependency_enabled: bool
    directory: str
    script_file: str
    entry_point: str
    is_proxy: bool
    language: str
    bindings: dict[str, BindingInfo]
    raw_bindings: list[str]
    retry_options: RpcRetryOptions | None
    properties: dict[str, str]


@dataclass(frozen=True, slots=True)
class RpcException:
    """An error in the app: `message` is the type and text of the exception, `stack_trace` its traceback."""

    message: str
    stack_trace: str


@dataclass(frozen=True, slots=True)
class StatusResult:
    """The result of a request."""

    Failure: ClassVar[int] = 0
    Success: ClassVar[int] = 1

    status: int
    exception: RpcException | None = None


@dataclass(frozen=True, slots=True)
class WorkerMetadata:
    """The worker's own versions."""

    runtime_name: str
    runtime_version: str
    worker_version: str
    worker_bitness: str
    custom_properties: dict[str, str]


@dataclass(frozen=True, slots=True)
class WorkerInitResponse:
    """The worker has indexed the app, or the reason why it could not."""

    capabilities: dict[str, str]
    worker_metadata: WorkerMetadata
    result: StatusResult


@dataclass(frozen=True, slots=True)
class FunctionMetadataResponse:
    """The functions that the worker found; None if there is no `function_app.py` or nothing in it."""

    use_default_metadata_indexing: bool
    function_metadata_results: list[RpcFunctionMetadata] | None
    result: StatusResult


@dataclass(frozen=True, slots=True)
class FunctionLoadResponse:
    """A function is ready to be invoked."""

    function_id: str
    result: StatusResult


@dataclass(frozen=True, slots=True)
class InvocationResponse:
    """A function has ended."""

    invocation_id: str
    result: StatusResult
    return_value: TypedData | None = None
    output_data: list[ParameterBinding] = field(default_factory=list)
