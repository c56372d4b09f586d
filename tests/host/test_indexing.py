"""What the host finds in an app, and what it says of an app that it can't run."""

from pathlib import Path

import pytest

from infra.local.host.forked import fork
from infra.local.host.process import HostProcess, run_host
from tests.host.sample import Sample, write_app

QUEUE_FUNCTION = """
import azure.functions as func

app = func.FunctionApp()

@app.queue_trigger(arg_name="message", queue_name="some-queue", connection="AzureWebJobsStorage")
"""


async def refusal(app: Path, settings: dict[str, str]) -> str:
    """Start the app, which is to fail, and give what the host said."""
    log = app / "host.log"
    with pytest.raises(RuntimeError):
        async with run_host(app, settings, log=log, start=fork):
            pass
    return log.read_text()


async def test_the_functions_of_the_app_and_of_its_registered_blueprints_are_found(host: HostProcess) -> None:
    assert await host.functions() == {
        "note": "queueTrigger",
        "fail": "queueTrigger",
        "hold": "queueTrigger",
        "run_errand": "queueTrigger",
        "tick": "timerTrigger",
        "hold_tick": "timerTrigger",
        "tick_at_start": "timerTrigger",
        "echo": "httpTrigger",
        "keyed": "httpTrigger",
        "for_admins": "httpTrigger",
        "picture": "httpTrigger",
        "plain": "httpTrigger",
        "silent": "httpTrigger",
        "broken": "httpTrigger",
        "any_disk": "httpTrigger",
        "one_disk": "httpTrigger",
        "files": "httpTrigger",
    }


async def test_a_blueprint_that_is_not_registered_is_absent(host: HostProcess) -> None:
    assert "run_forgotten" not in await host.functions()


async def test_an_output_annotated_with_builtin_list_fails_the_whole_app_as_in_azure(tmp_path: Path) -> None:
    source = (
        QUEUE_FUNCTION
        + """
@app.queue_output(arg_name="out", queue_name="others", connection="AzureWebJobsStorage")
def send(message: func.QueueMessage, out: func.Out[list[str]]) -> None: ...
"""
    )
    said = await refusal(write_app(tmp_path / "app", source), {"AzureWebJobsStorage": "unused"})
    assert "FunctionLoadError: cannot load the send function: binding out has invalid non-type annotation" in said
    assert "Traceback (most recent call last)" in said


async def test_an_app_that_fails_to_import_is_refused_with_its_stack(tmp_path: Path) -> None:
    said = await refusal(write_app(tmp_path / "app", "import tests\n"), {})
    assert "No module named 'tests'" in said, "the project's own modules are not on an app's path"
    assert "function_app.py" in said


async def test_a_binding_that_the_host_does_not_play_is_named(tmp_path: Path) -> None:
    source = (
        QUEUE_FUNCTION
        + """
@app.blob_output(arg_name="out", path="container/blob", connection="AzureWebJobsStorage")
def write(message: func.QueueMessage, out: func.Out[str]) -> None: ...
"""
    )
    said = await refusal(write_app(tmp_path / "app", source), {"AzureWebJobsStorage": "unused"})
    assert "write has a binding of type blob, which the local host does not support" in said


@pytest.mark.parametrize("setting", ["QUEUES", "TICKS"])
async def test_a_setting_that_a_trigger_names_and_nobody_set_is_named(sample: Sample, setting: str) -> None:
    del sample.settings[setting]
    assert f"the app setting {setting} is not set" in await refusal(sample.app, sample.settings)


async def test_a_bad_schedule_is_named_with_its_setting(sample: Sample) -> None:
    said = await refusal(sample.app, sample.settings | {"TICKS": "0 0 25 * * *"})
    assert "schedule of tick is '0 0 25 * * *' (from %TICKS%)" in said


async def test_a_connection_that_nobody_set_is_named(sample: Sample) -> None:
    del sample.settings["Errands"]
    assert "The app setting Errands is not set" in await refusal(sample.app, sample.settings)
