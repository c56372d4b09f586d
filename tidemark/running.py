"""How a command runs: the storage is opened, what comes of it is printed, and mistakes are said in one line."""

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from shared.errors import without_secrets
from tidemark.configuration import storage
from tidemark.outcome import JSON_VERSION, Answer, Exit, Problem

if TYPE_CHECKING:
    from tidemark.store import Store

type Work = Callable[["Store"], Awaitable[Answer]]


def run(command: str, work: Work, *, as_json: bool, unknown: str = "") -> int:
    """Do a command's work with the app's storage, and print what comes of it; return the exit code.

    Args:
        command: its name.
        work: the work.
        as_json: whether it is printed as JSON.
        unknown: what begins the line that is printed, in place of an error, where nothing can be found out.
    """
    # What the SDK warns of, the answer says in one line.
    logging.getLogger("azure").setLevel(logging.CRITICAL)

    async def opened() -> Answer:
        from tidemark.store import open_store  # noqa: PLC0415 - only now is Azure's SDK needed

        async with open_store(storage()) as store:
            return await work(store)

    return finish(command, lambda: asyncio.run(opened()), as_json=as_json, unknown=unknown)


def finish(command: str, work: Callable[[], Answer], *, as_json: bool, unknown: str = "") -> int:
    """Do a command's work, and print what comes of it; return the exit code. See `run`."""
    try:
        answer = work()
    except Problem as problem:
        return _failed(command, problem, as_json=as_json, unknown=unknown)
    except KeyboardInterrupt:
        return _failed(command, Problem("stopped; the app goes on", Exit.ATTENTION), as_json=as_json)
    if as_json:
        print_json(command, answer.code, {"data": answer.data})
    else:
        from tidemark.screen import out, show  # noqa: PLC0415 - not needed for JSON

        show(out(), answer.shown)
    return int(answer.code)


def print_json(command: str, code: Exit, values: dict[str, Any]) -> None:
    """Print a command's JSON."""
    whole = {"version": JSON_VERSION, "command": command, "exit": int(code), **values}
    sys.stdout.write(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")


def _failed(command: str, problem: Problem, *, as_json: bool, unknown: str = "") -> int:
    message = without_secrets(str(problem))
    if unknown and not as_json:
        sys.stdout.write(f"{unknown}: {' '.join(message.split())}\n")
        return int(problem.code)
    if as_json:
        print_json(command, problem.code, {"error": message})
    sys.stderr.write(f"tidemark {command}: {message}\n")
    return int(problem.code)
