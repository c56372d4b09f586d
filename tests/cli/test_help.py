"""`--help` is quick, whatever it is the help of: nothing of Azure is imported for it."""

import re
import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from infra.local.local_azure import ROOT
from tidemark.cli import app

HEAVY = {"azure", "aiohttp", "pydantic", "rich", "shared"}


def commands() -> list[str]:
    return sorted(getattr(get_command(app), "commands", {}))


def imported_for(*arguments: str) -> tuple[str, set[str]]:
    """Run the program; give what it prints, and the packages that it imports."""
    done = subprocess.run(
        (sys.executable, "-X", "importtime", "-m", "tidemark", *arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, {match[1] for match in re.finditer(r"\| +([a-z_]+)", done.stderr)}


def test_the_help_lists_all_commands_and_imports_nothing_heavy() -> None:
    printed, packages = imported_for("--help")
    assert all(re.search(rf"^  {name} ", printed, re.MULTILINE) for name in commands())
    assert "Exit codes: 0" in printed
    assert packages.isdisjoint(HEAVY)


@pytest.mark.parametrize("name", ["status"])
def test_the_help_of_a_command_imports_nothing_heavy(name: str) -> None:
    printed, packages = imported_for(name, "--help")
    assert "--json" in printed
    assert packages.isdisjoint(HEAVY)


def test_help_is_had_wherever_it_is_asked_for_and_no_value_is_taken_for_it() -> None:
    first, last, value = (
        CliRunner().invoke(app, ["keep", *words])
        for words in (["-h"], ["os", "--note", "x", "--help"], ["--note", "-h"])
    )
    assert (first.exit_code, last.exit_code, value.exit_code) == (0, 0, 2)
    assert first.output == last.output != value.output


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("tidemark re", {"restore", "retire", "rebuild"}),
        ("tidemark restore --no", {"--no-adopt", "--no-undo"}),
    ],
)
def test_the_shell_completes_commands_and_options(typed: str, offered: set[str]) -> None:
    asked = {"_TIDEMARK_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    done = CliRunner().invoke(app, [], prog_name="tidemark", env=asked)
    assert set(done.output.split()) == offered


@pytest.mark.parametrize("name", commands())
def test_each_command_can_print_json_says_what_it_does_and_when_it_stops_waiting(name: str) -> None:
    command = getattr(get_command(app), "commands", {})[name]
    options = {option: parameter for parameter in command.params for option in parameter.opts}
    assert "--json" in options
    assert command.help
    assert len(command.help.partition(".")[0]) < 68, "it fits into the list of commands"
    if "--wait" in options or "--watch" in options:
        assert options["--timeout"].default == "24h"


def test_a_note_without_a_word_keeps_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[object]()
    monkeypatch.setattr("tidemark.commands.asking._ask", lambda *about, **_: asked.append(about[2]))
    for more in ([], ["--keep", ""], ["--keep", "why"]):
        assert CliRunner().invoke(app, ["backup", "os", *more]).exit_code == 0
    assert asked == [{}, {"keep": True, "note": None}, {"keep": True, "note": "why"}]


def test_an_option_is_not_taken_for_the_note_of_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[object]()
    monkeypatch.setattr("tidemark.commands.asking._ask", lambda *about, **_: asked.append(about))
    done = CliRunner().invoke(app, ["backup", "os", "--keep", "--wait"])
    assert (done.exit_code, asked) == (2, [])
    assert "--keep takes a note" in done.output
