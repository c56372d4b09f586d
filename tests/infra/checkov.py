"""checkov, which holds Bicep against policies: installed once into `.venv-checkov`, and run."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.infra.own_venv import OwnVenv

VENV = OwnVenv(".venv-checkov", Path(__file__).with_name("checkov.lock"))


@dataclass(frozen=True, slots=True)
class Report:
    """What checkov says.

    Attributes:
        failed: the checks that failed, `ID RESOURCE` each.
        skipped: those that a comment in the file takes out, each with the comment's reason.
        looked_at: `FILE/SYMBOL` of each resource that a check was made of.
        parsing_errors: how many files it could not read; it exits with 0 all the same.
    """

    failed: list[str]
    skipped: dict[str, str]
    looked_at: set[str]
    parsing_errors: int


def check(paths: Sequence[Path]) -> Report:
    """Check Bicep files."""
    VENV.install()
    files = ("--file", *map(str, paths))
    options = ("--framework", "bicep", "--skip-download", "--output", "json", "--compact")
    done = subprocess.run(
        (str(VENV.python), "-m", "checkov.main", *files, *options), stdout=subprocess.PIPE, text=True, check=False
    )
    found = json.loads(done.stdout)
    results, summary = found["results"], found["summary"]
    made = [check for outcome in ("passed_checks", "failed_checks", "skipped_checks") for check in results[outcome]]
    return Report(
        failed=[_named(check) for check in results["failed_checks"]],
        skipped={_named(check): check["check_result"]["suppress_comment"] for check in results["skipped_checks"]},
        looked_at={_resource(check) for check in made},
        parsing_errors=summary["parsing_errors"],
    )


def _named(check: dict[str, Any]) -> str:
    return f"{check['check_id']} {_resource(check)}"


def _resource(check: dict[str, Any]) -> str:
    return f"{Path(check['file_path']).name}/{check['resource'].rpartition('.')[2]}"
