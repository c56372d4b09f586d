"""What azd does beside the templates: refuses what it can't read, says what was deployed, waits for the roles."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.commands import commands
from tests.docs.documents import prose
from tests.infra.bicep_file import read
from tests.infra.tree import INFRA, MAIN, ROOT

SHELL = shutil.which("sh")
with_a_shell = pytest.mark.skipif(SHELL is None, reason="there is no sh")


def hook(event: str, system: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "azure.yaml").read_text())["hooks"][event][system]
    return found


def read_by_azd(kind: str) -> list[str]:
    """Name the environment values that azd makes a boolean or a number of."""
    passed = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    parameters = read(MAIN).of("param")
    return sorted(entry["value"].strip("${}") for name, entry in passed.items() if parameters[name].type == kind)


def run(event: str, environment: dict[str, str], path: str) -> subprocess.CompletedProcess[str]:
    """Run a hook as azd does on a POSIX system."""
    assert SHELL
    command = (SHELL, "-e", "-c", hook(event, "posix")["run"])
    return subprocess.run(command, env={**environment, "PATH": path}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("event", ["preprovision", "postprovision"])
@pytest.mark.parametrize(("system", "shell"), [("posix", "sh"), ("windows", "pwsh")])
def test_a_hook_runs_everywhere_and_what_it_says_stays_in_sight(event: str, system: str, shell: str) -> None:
    assert hook(event, system)["shell"] == shell
    # Else azd shows its last lines while it runs, and wipes them.
    assert hook(event, system)["interactive"] is True


@pytest.mark.parametrize("system", ["posix", "windows"])
def test_all_booleans_and_numbers_are_looked_at_before_a_deployment(system: str) -> None:
    named = re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", hook("preprovision", system)["run"])
    assert sorted(named) == sorted(read_by_azd("bool") + read_by_azd("int"))


@with_a_shell
@pytest.mark.parametrize("name", read_by_azd("bool"))
@pytest.mark.parametrize("value", ["yes", "on", "TRUE ", "1", "truefalse"])
def test_a_boolean_that_azd_might_take_for_unset_stops_the_deployment(name: str, value: str) -> None:
    done = run("preprovision", {name: value}, "/nowhere")
    assert done.returncode == 1
    assert f"{name} is '{value}'" in done.stderr
    assert "true or false" in done.stderr


@with_a_shell
@pytest.mark.parametrize("name", read_by_azd("int"))
@pytest.mark.parametrize("value", ["ten", "30d", "1,000", "-1", "4.5", " 7"])
def test_a_number_that_azd_might_take_for_unset_stops_the_deployment(name: str, value: str) -> None:
    done = run("preprovision", {name: value}, "/nowhere")
    assert done.returncode == 1
    assert f"{name} is '{value}'" in done.stderr
    assert "whole number" in done.stderr


@with_a_shell
def test_a_deployment_with_good_values_or_none_goes_on() -> None:
    numbers = dict.fromkeys(read_by_azd("int"), "12")
    for booleans in ("true", "false", ""):
        done = run("preprovision", numbers | dict.fromkeys(read_by_azd("bool"), booleans), "/nowhere")
        assert (done.returncode, done.stderr) == (0, "")
    assert run("preprovision", {}, "/nowhere").returncode == 0


@with_a_shell
def test_what_was_deployed_is_shown_and_the_roles_get_a_minute_before_the_upload(tmp_path: Path) -> None:
    deployed = '{"privateNetwork":false,"softDeleteDays":30}'
    sleep = tmp_path / "sleep"
    sleep.write_text('#!/bin/sh\necho "slept $1"\n')
    sleep.chmod(0o755)
    done = run("postprovision", {"TIDEMARK_DEPLOYED": deployed}, f"{tmp_path}{os.pathsep}{os.defpath}")
    assert done.returncode == 0
    assert deployed in done.stdout
    assert done.stdout.splitlines()[-1] == "slept 60"


def test_windows_waits_and_shows_the_same() -> None:
    script = hook("postprovision", "windows")["run"]
    assert "$env:TIDEMARK_DEPLOYED" in script
    assert script.splitlines()[-1] == "Start-Sleep -Seconds 60"


def test_the_docs_say_what_azd_does_not_see() -> None:
    said = prose()
    # azd skips a deployment whose template and parameters are those of the last one.
    assert "azd provision --no-state" in said
    # The scale controller knows the schedules of the last package, or of the last `syncfunctiontriggers`.
    assert "syncfunctiontriggers" in said
    assert "RoleDefinitionDoesNotExist" in said
    assert "403" in said


def test_the_azure_cli_is_signed_in_before_it_is_used() -> None:
    typed = [" ".join(command.words) for command in commands()]
    assert typed.index("az login") < typed.index("azd up")
