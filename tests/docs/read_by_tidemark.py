"""Reading a command as the command line does."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import typer
from typer.main import get_command

from tidemark.cli import app as tidemark

_MISTAKE: type[Exception] = typer.BadParameter.__mro__[1]


def read_by_tidemark(arguments: Sequence[str]) -> str:
    """Read a command line's command by its own options, as if it was typed."""
    if arguments and arguments[0].startswith("-"):
        return "" if arguments[0] in {"--help", "--install-completion"} else f"no option {arguments[0]}"
    command = _commands().get(arguments[0])
    if command is None:
        return f"no such command: {arguments[0]}"
    try:
        command.make_context(arguments[0], list(arguments[1:]))
    except _MISTAKE as mistaken:
        return str(mistaken)
    return ""


@cache
def _commands() -> dict[str, Any]:
    """Give the commands of the command line."""
    return dict(getattr(get_command(tidemark), "commands", {}))
