"""Runs in the venv of the Azure CLI: a command a line of standard input, and a line of output for what came of it."""

import contextlib
import io
import json
import os
import sys
from typing import Any

import jmespath
from azure.cli.core import get_default_cli
from knack.events import EVENT_INVOKER_POST_PARSE_ARGS

# The CLI's log keeps the first that it is given.
ERRORS = io.StringIO()


def read_only(_: object, **__: object) -> None:
    """End a command once its options have been read."""
    sys.exit(0)


def give(arguments: list[str], *, runs: bool) -> dict[str, Any]:
    """Give a command to the CLI; say its exit code, and what it writes."""
    cli = get_default_cli()
    if not runs:
        cli.register_event(EVENT_INVOKER_POST_PARSE_ARGS, read_only)
    output, before = io.StringIO(), ERRORS.tell()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(ERRORS):
        try:
            code = cli.invoke(arguments, out_file=output)
        except SystemExit as ended:
            code = ended.code
    return {"code": code or 0, "output": output.getvalue(), "errors": ERRORS.getvalue()[before:]}


def columns(query: str) -> list[str]:
    """Name the fields that a query reads from a row: those at its start, not those within them."""

    def of(node: dict[str, Any]) -> list[str]:
        if node["type"] == "field":
            return [node["value"]]
        first_alone = node["type"] == "subexpression" and node["children"][0]["type"] in {"field", "subexpression"}
        return [name for child in node["children"][: 1 if first_alone else None] for name in of(child)]

    return sorted(set(of(jmespath.compile(query).parsed)))


for line in sys.stdin:
    asked = json.loads(line)
    os.environ.update(asked["environment"])
    if "query" in asked:
        said: object = columns(asked["query"])
    else:
        said = give(asked["arguments"], runs=asked["runs"])
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
