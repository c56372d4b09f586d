"""checkov, which holds Bicep against policies: installed once into `.venv-checkov`, and run."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.infra.tree import ROOT

if sys.platform != "win32":
    import fcntl

LOCK = Path(__file__).with_name("checkov.lock")
VENV = ROOT / ".venv-checkov"
PYTHON = VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
STAMP = VENV / ".lock-hash"


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
    _install()
    files = ("--file", *map(str, paths))
    options = ("--framework", "bicep", "--skip-download", "--output", "json", "--compact")
    done = subprocess.run(
        (str(PYTHON), "-m", "checkov.main", *files, *options), stdout=subprocess.PIPE, text=True, check=False
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


def _install() -> None:
    """Make the venv, unless it is of this lock; of tests at once, one does and the others wait."""
    with LOCK.open("rb") as lock:
        if sys.platform != "win32":
            fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = hashlib.sha256(lock.read()).hexdigest()
        if not STAMP.exists() or STAMP.read_text() != wanted:
            _make(wanted)


def _make(stamp: str) -> None:
    """Make the venv; the stamp is written last."""
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run((base, "-I", "-m", "venv", "--clear", "--without-pip", str(VENV)), check=True)
    pip = (sys.executable, "-I", "-m", "pip", "--python", str(PYTHON), "--disable-pip-version-check")
    subprocess.run((*pip, "install", "--quiet", "--no-deps", "--no-compile", "--requirement", str(LOCK)), check=True)
    STAMP.write_text(stamp)
