"""No command of the docs goes stale: each is read by the tool that it calls, or by what the tool reads."""

import ast
import contextlib
import importlib
import io
import json
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from pydantic import ValidationError

from shared.model.intents import INTENTS
from shared.model.requests import Asked, InspectionRequest, RequestError, RestoreRequest
from tests.docs.azure_cli import AzureCli
from tests.docs.commands import Command, commands, commands_of
from tests.docs.documents import Block, blocks
from tests.docs.local_commands import is_local
from tests.docs.read_by_tidemark import read_by_tidemark
from tests.docs.shown import prints_shown
from tests.infra.tree import INFRA, ROOT

# What a shell does itself, or any machine has.
OF_THE_SHELL = {"cat", "cd", "echo", "export", "sed", "sha256sum", "sleep", "tail"}
# What is not at hand where the tests run, by the forms that the docs may use: NAME, VALUE and APP stand for anything.
NOT_AT_HAND = {
    "azd": [
        *("auth login", "deploy", "down", "env get-value NAME", "env get-values", "env new NAME", "env set NAME VALUE"),
        *("env refresh", "provision", "provision --no-state", "provision --preview", "up", "version"),
    ],
    "func": ["azure functionapp publish APP --python", "start"],
    "gh": ["attestation verify NAME --repo NAME"],
    "pyenv": ["install NAME"],
    "apt": ["install NAME", "install NAME NAME"],
    "brew": ["install NAME"],
}
# Which test has the print that the docs show of a command that takes long.
COMPARED = {
    "python3 infra/local demo": "tests/local/test_demo.py",
    "python3 infra/local test": "tests/docs/test_prints.py",
    "python3 infra/local up": "tests/local/test_up.py",
}
PICTURE = re.compile("[─-╿▲▶▼◀→]")
# What all mistakes in options are.
# Which test runs all commands of the command line whose print is shown.
OF_TIDEMARK = "tests/cli/test_shown.py"
# Written by what Azure tells: azd keeps them in its environment.
FROM_AZURE = {"TIDEMARK_STATUS_PAGE", "TIDEMARK_DEPLOYED"}


def mistake(command: Command) -> str:
    """Say what is wrong with a command; nothing where its tool can read it. Those of az are read all at once."""
    if command.program in READERS:
        return READERS[command.program](command.arguments)
    if command.program in NOT_AT_HAND:
        typed = " ".join(command.arguments)
        forms = [re.sub(r"[A-Z]+", r"(?:\\S+|.*[ {].*)", re.escape(form)) for form in NOT_AT_HAND[command.program]]
        return "" if any(re.fullmatch(form, typed, re.DOTALL) for form in forms) else "no form of it that is known"
    in_venv = re.fullmatch(r"\.venv/bin/([\w-]+)", command.program)
    if in_venv:
        return "" if shutil.which(in_venv[1], path=Path(sys.executable).parent) else "it is not installed in .venv"
    return "" if command.program in {"az", *OF_THE_SHELL} else "no test knows this program"


def read_by_local(arguments: Sequence[str]) -> str:
    """Read `python3 infra/local COMMAND ...` by the command's own `--help`."""
    if arguments[:1] == ("-m",):
        return "" if importlib.util.find_spec(arguments[1]) else "no such module"
    if arguments[:1] != ("infra/local",):
        return "python3 starts infra/local"
    name, rest = arguments[1], arguments[2:]
    if name == "tidemark":
        return read_by_tidemark(rest)
    if name not in entry().COMMANDS:
        return "no such command"
    return _read_by_command(name, rest)


def _read_by_command(name: str, rest: Sequence[str]) -> str:
    if name in {"lint", "setup"}:  # they have no options and no --help
        return f"{name} takes no arguments" if rest else ""
    if name == "test":
        return "".join(
            f"{path} is not there" for path in rest if not path.startswith("-") and not (ROOT / path).exists()
        )
    known = set(re.findall(r"(?<![\w-])--?[\w-]+", help_of(name)))
    return "".join(f"{name} has no option {word}" for word in rest if word.startswith("-") and word not in known)


def read_by_curl(arguments: Sequence[str]) -> str:
    done = subprocess.run(("curl", "--help", "all"), stdout=subprocess.PIPE, text=True, check=True)
    known = set(re.findall(r"(?<!\S)--?[\w-]+", done.stdout))
    return "".join(f"curl has no option {word}" for word in arguments if word.startswith("-") and word not in known)


def read_by_git(arguments: Sequence[str]) -> str:
    done = subprocess.run(("git", "--list-cmds=main"), stdout=subprocess.PIPE, text=True, check=True)
    return "" if arguments[0] in done.stdout.split() else "no such command of git"


def read_by_make(arguments: Sequence[str]) -> str:
    targets = re.findall(r"^([\w-]+(?: [\w-]+)*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return "".join(f"no target {word}" for word in arguments if word not in " ".join(targets).split())


READERS: dict[str, Callable[[Sequence[str]], str]] = {
    "python3": read_by_local,
    "curl": read_by_curl,
    "git": read_by_git,
    "make": read_by_make,
    "tidemark": read_by_tidemark,
}


@cache
def entry() -> ModuleType:
    """Import what `python3 infra/local` runs."""
    return importlib.import_module("infra.local.__main__")


@cache
def help_of(name: str) -> str:
    """Give what a command of `python3 infra/local` prints as its help, as it does: by the module that it becomes."""
    became: list[str] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(entry(), "become", lambda module, _: became.append(module))
        entry().COMMANDS[name](())
        patched.setattr(sys, "argv", [name, "--help"])
        of_ctrl_c, printed = signal.getsignal(signal.SIGINT), io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # another test may have imported the module
            runpy.run_module(became[0], run_name="__main__", alter_sys=True)
        signal.signal(signal.SIGINT, of_ctrl_c)
    return printed.getvalue()


def read_as_request(text: str) -> None:
    """Read a message that asks for something as the app does."""
    body = text.replace("ACCOUNT", "account").replace("CONTAINER", "container").encode()
    failed = []
    kinds: list[type[Asked]] = [RestoreRequest, InspectionRequest, *INTENTS.values()]
    for kind in kinds:
        try:
            kind.read(body)
        except RequestError as error:
            failed.append(str(error))
        else:
            return
    raise AssertionError(" ".join(failed))


def read_as_json(block: Block) -> None:
    found = json.loads(block.text)
    if isinstance(found, dict) and "disk" in found and "event" not in found and "RowKey" not in found:
        read_as_request(block.text)


def read_as_picture(block: Block) -> None:
    assert block in [shown for _, shown in prints_shown()] or PICTURE.search(block.text), (
        "it follows no command, and is no picture"
    )


BY_LANGUAGE: dict[str, Callable[[Block], object]] = {
    "sh": commands_of,
    "text": read_as_picture,
    "json": read_as_json,
    "yaml": lambda block: yaml.safe_load(block.text),
    "toml": lambda block: tomllib.loads(block.text),
    "python": lambda block: ast.parse(block.text),
    "kusto": lambda _: None,  # tests/infra/test_alerts.py
    "mermaid": lambda _: None,
}


@pytest.mark.parametrize("block", blocks(), ids=lambda block: block.place)
def test_a_code_block_is_of_a_language_that_is_tested(block: Block) -> None:
    assert block.language in BY_LANGUAGE, f"{block.place}: no test knows what {block.language or 'a bare fence'} is"
    BY_LANGUAGE[block.language](block)


@pytest.mark.parametrize("block", blocks(), ids=lambda block: block.place)
def test_the_site_shows_a_code_block_as_one(block: Block) -> None:
    assert re.fullmatch(r"(\{[^}]*\}|title=\"[^\"]*\")?", block.options), "Python-Markdown reads no other options"


@pytest.mark.parametrize("command", commands(), ids=str)
def test_a_command_is_read_by_its_tool(command: Command) -> None:
    assert mistake(command) == ""


@pytest.mark.nightly
def test_every_az_command_is_read_by_the_azure_cli(azure_cli: AzureCli) -> None:
    typed = {command: command.arguments for command in commands() if command.program == "az"}
    assert typed
    refused = azure_cli.refused([*dict.fromkeys(typed.values())])
    assert {str(command): refused[words] for command, words in typed.items() if words in refused} == {}


def test_what_azd_is_told_is_a_value_that_the_templates_take() -> None:
    taken = set(re.findall(r"\$\{(\w+)", (INFRA / "main.parameters.json").read_text()))
    told = [
        command.arguments[2]
        for command in commands()
        if command.arguments[:2] in {("env", "set"), ("env", "get-value")}
    ]
    assert told
    assert set(told) <= taken | FROM_AZURE


@pytest.mark.parametrize("shown", prints_shown(), ids=lambda shown: shown[1].place)
def test_a_print_that_is_shown_is_compared_with_what_is_printed(shown: tuple[str, Block]) -> None:
    command, block = shown
    if command in COMPARED or command.startswith("tidemark "):
        assert (ROOT / COMPARED.get(command, OF_TIDEMARK)).exists()
    else:
        assert is_local(commands_by_line()[command]), (
            f"{block.place}: no test runs {command} and compares what it prints"
        )


def commands_by_line() -> dict[str, Command]:
    return {" ".join(command.words): command for command in commands()}


@pytest.mark.nightly
def test_a_mistake_in_a_command_is_found(azure_cli: AzureCli) -> None:
    lines = {
        "az storage message put --queue x --content y": "--queue",
        "az storage mesage put": "mesage",
        "az vm create --resource-group RG --name VM --attach-os-disk os --os-type minix": "minix",
        "azd env sett A b": "form",
        "python3 infra/local dmo": "no such command",
        "python3 infra/local demo --disc a": "no option --disc",
        "python3 infra/local test tests/no_such": "is not there",
        "curl --requst POST": "no option --requst",
        "git pul": "no such command",
        "func azure functionapp publish": "form",
        "tidemark stats": "no such command",
        "tidemark restore os --inplace": "--inplace",
        "tidemark forget os": "Missing parameter: at",
        "rclone copy a b": "no test knows",
        ".venv/bin/no-such-tool": "not installed",
    }
    made = [command for line in lines for command in commands_of(Block(ROOT / "README.md", 1, 3, "sh", "", line, ""))]
    refused = azure_cli.refused([command.arguments for command in made if command.program == "az"])
    found = [refused.get(command.arguments, "") or mistake(command) for command in made]
    assert [(line, said) for (line, part), said in zip(lines.items(), found, strict=True) if part not in said] == []


def test_a_shell_is_read_as_a_shell_reads_it() -> None:
    text = (
        'A=$(az account show --query "a b")   # why\n'
        "az group create --name $A \\\n   --location x\n"
        'for Q in a b; do\n   az rest --url "$(cat f)/$Q" > /tmp/f\ndone\n'
        "az version | sed 's/a b/c/'\n"
        "export C='x\ny' && echo $C\n"
    )
    found = [
        (command.words, command.kept_as) for command in commands_of(Block(ROOT / "README.md", 1, 9, "sh", "", text, ""))
    ]
    assert found == [
        (("az", "account", "show", "--query", "a b"), "A"),
        (("az", "group", "create", "--name", "$A", "--location", "x"), ""),
        (("cat", "f"), ""),
        (("az", "rest", "--url", "SUBSTITUTED/$Q"), ""),
        (("az", "version"), ""),
        (("sed", "s/a b/c/"), ""),
        (("export", "C=x\ny"), ""),
        (("echo", "$C"), ""),
    ]


def test_a_request_with_a_mistake_is_found() -> None:
    read_as_request('{"disk": "https://ACCOUNT.blob.core.windows.net/vhds/os.vhd", "point": "latest"}')
    with pytest.raises((AssertionError, ValidationError)):
        read_as_request('{"disk": "https://ACCOUNT.blob.core.windows.net/vhds/os.vhd", "pont": "latest"}')
