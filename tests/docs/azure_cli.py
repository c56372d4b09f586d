"""The Azure CLI itself, installed once into `.venv-az`: it reads a command's options, and runs a command."""

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.infra.own_venv import OwnVenv

VENV = OwnVenv(".venv-az", Path(__file__).with_name("az.lock"))
_SCRIPT = Path(__file__).with_name("drive_azure_cli.py")
_KEPT = VENV.folder / "read.json"
# It reports nothing to anybody, asks nothing, and finds no account of the person who runs the tests.
_SURROUNDINGS = {
    "AZURE_CONFIG_DIR": str(VENV.folder / "config"),
    "AZURE_CORE_COLLECT_TELEMETRY": "no",
    "AZURE_CORE_NO_COLOR": "yes",
    "AZURE_CORE_ONLY_SHOW_ERRORS": "yes",
    "AZURE_CORE_DISABLE_CONFIRM_PROMPT": "yes",
    "AZURE_CORE_SURVEY_MESSAGE": "no",
}


@dataclass(frozen=True, slots=True)
class Said:
    """What came of a command.

    Attributes:
        code: its exit code.
        output: what it printed.
        errors: what it wrote to standard error.
    """

    code: int
    output: str
    errors: str


class AzureCli:
    """The CLI as one process, since to start it takes a second."""

    def __enter__(self) -> Self:
        """Start it."""
        VENV.install()
        surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("AZURE_", "PYTHON"))}
        self._process = subprocess.Popen(
            (str(VENV.python), "-W", "ignore", str(_SCRIPT)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=surroundings | _SURROUNDINGS,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._process.communicate()

    def reads(self, arguments: Sequence[str]) -> Said:
        """Have a command's options read, no more."""
        return Said(**self._ask(arguments=arguments, runs=False))

    def runs(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Said:
        """Run a command."""
        return Said(**self._ask(arguments=arguments, runs=True, environment=environment))

    def columns(self, query: str) -> list[str]:
        """Name the fields of a row that a query (`--query`) reads."""
        return list(self._ask(query=query))

    def refused(self, lines: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
        """Give what the CLI can't read, each with why. What it has read is kept: it takes seconds."""
        of = hashlib.sha256(VENV.lock.read_bytes() + _SCRIPT.read_bytes()).hexdigest()
        kept: dict[str, Any] = json.loads(_KEPT.read_text("utf-8")) if _KEPT.exists() else {}
        known: dict[str, str] = kept["read"] if kept.get("of") == of else {}
        if unknown := [line for line in lines if json.dumps(line) not in known]:
            for line in unknown:
                said = self.reads(line)
                known[json.dumps(line)] = _why(said) if said.code else ""
            half = _KEPT.with_suffix(f".{os.getpid()}")
            half.write_text(json.dumps({"of": of, "read": known}), "utf-8")
            half.replace(_KEPT)
        return {line: known[json.dumps(line)] for line in lines if known[json.dumps(line)]}

    def _ask(self, environment: Mapping[str, str] | None = None, **asked: object) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"environment": environment or {}, **asked}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def _why(said: Said) -> str:
    """Give the errors without the examples of the command that follow them."""
    return "\n".join(line for line in said.errors.splitlines() if "ERROR: " in line) or f"exit code {said.code}"
