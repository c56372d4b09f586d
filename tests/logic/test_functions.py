"""Every trigger of a queue or a timer works with the services that it is given, and opens none of its own."""

import contextlib
import importlib
from collections.abc import AsyncIterator
from pathlib import Path

import azure.functions as func
import pytest

from shared.azure.services import Services

TRIGGERS = sorted(
    path.stem
    for path in (Path(__file__).parents[2] / "functions").glob("*.py")
    if path.stem not in {"__init__", "show_status"}
)


class OpenedError(Exception):
    """Raised where the services would be opened."""


@contextlib.asynccontextmanager
async def opens() -> AsyncIterator[Services]:
    raise OpenedError
    yield


@pytest.mark.parametrize("trigger", TRIGGERS)
async def test_a_trigger_has_its_services_opened_by_what_it_is_given(trigger: str) -> None:
    app = func.FunctionApp()
    app.register_functions(getattr(importlib.import_module(f"functions.{trigger}"), f"{trigger}_blueprint")(opens))
    functions = app.get_functions()
    assert functions
    for function in functions:
        with pytest.raises(OpenedError):
            await function.get_user_function()(func.QueueMessage(id="id", body=b"{}"))
