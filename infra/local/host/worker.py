"""The bridge to the worker library: the requests that a Functions host sends, in the same order."""

import asyncio
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import azure_functions_runtime as runtime

from infra.local.host import protos
from infra.local.host.settings import StartError


async def index(app: Path) -> list[protos.RpcFunctionMetadata]:
    """Have the worker library import the app in this process, and return the functions it finds.

    The library's registry is global: one app per process.

    Raises:
        StartError: the library refuses the app, with its message and stack trace; or the app has no functions.
    """
    runtime.start_threadpool_executor()
    initialised: protos.WorkerInitResponse = await runtime.worker_init_request(
        _request("worker_init_request", capabilities={}, function_app_directory=str(app))
    )
    # It begins like the Functions host's message (azure-functions-host, GrpcWorkerChannel), which an alert looks for.
    _check(initialised.result, f"Initializing worker process failed: the worker library refuses the app in {app}.")
    found: protos.FunctionMetadataResponse = await runtime.functions_metadata_request(
        _request("functions_metadata_request", function_app_directory=str(app))
    )
    _check(found.result, f"The worker library could not list the functions of {app}.")
    if not found.function_metadata_results:
        raise StartError(f"No functions found in {app / 'function_app.py'}.")
    for function in found.function_metadata_results:
        loaded: protos.FunctionLoadResponse = await runtime.function_load_request(
            _request("function_load_request", function_id=function.function_id, metadata=function)
        )
        _check(loaded.result, f"The worker library could not load {function.name}.")
    return found.function_metadata_results


async def invoke(
    function_id: str,
    invocation_id: str,
    argument: protos.ParameterBinding,
    trigger_metadata: Mapping[str, protos.TypedData],
) -> protos.InvocationResponse:
    """Run a function to its end; return what it returned, or what it failed with."""
    request = _request(
        "invocation_request",
        invocation_id=invocation_id,
        function_id=function_id,
        input_data=[argument],
        trigger_metadata=dict(trigger_metadata),
        trace_context=SimpleNamespace(trace_parent="", trace_state="", attributes={}),
        retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
    )
    try:
        response: protos.InvocationResponse = await runtime.invocation_request(request)
    except asyncio.CancelledError as error:
        # The library raises this if the function's own code was cancelled; nothing here cancels an invocation.
        failure = protos.RpcException(f"CancelledError: {error}", traceback.format_exc())
        return protos.InvocationResponse(invocation_id, protos.StatusResult(protos.StatusResult.Failure, failure))
    return response


def _request(kind: str, **fields: object) -> SimpleNamespace:
    return SimpleNamespace(
        request=SimpleNamespace(**{kind: SimpleNamespace(**fields)}),
        properties={"host": "127.0.0.1", "protos": protos},
    )


def _check(result: protos.StatusResult, what: str) -> None:
    if result.status == protos.StatusResult.Success:
        return
    reason = f"{result.exception.message}\n{result.exception.stack_trace}" if result.exception else "No reason given."
    raise StartError(f"{what}\n{reason}")
