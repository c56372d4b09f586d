"""Each promise names tests that there are."""

import ast
import re
from functools import cache

import pytest

from tests.docs.documents import DOCS
from tests.infra.tree import ROOT

NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
PROMISES = (DOCS / "promises.md").read_text(encoding="utf-8")
ROWS = [line for line in PROMISES.splitlines() if line.startswith("| ") and not line.startswith("| promise |")]


@cache
def defined_in(file: str) -> dict[str, bool]:
    """Name the tests of a file below `tests/`, and say of each whether the test command runs it."""
    path = ROOT / "tests" / file
    parsed = ast.parse(path.read_text(encoding="utf-8")) if path.exists() else ast.Module([], [])
    return {
        found.name: "pytest.mark.nightly" not in map(ast.unparse, found.decorator_list)
        for found in parsed.body
        if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_a_promise_names_tests_that_there_are(row: str) -> None:
    named = NAMED.findall(row)
    assert named
    assert len(named) == row.count("::")
    assert [f"{file}::{test}" for file, test in named if test not in defined_in(file)] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_of_the_tests_that_a_promise_names_the_test_command_runs_one_at_least(row: str) -> None:
    assert any(defined_in(file)[test] for file, test in NAMED.findall(row))
