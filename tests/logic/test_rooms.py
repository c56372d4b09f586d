"""Imports run one way: no room of `shared` needs, through others, one that needs it; nor does any module."""

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "shared").rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Name the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def graph(name: Callable[[str], str]) -> dict[str, set[str]]:
    """Give what each module, or room, imports of the others."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in MODULES:
        importer = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name(importer)] |= {name(module) for module in imported(path) if module.startswith("shared.")}
    return {importer: modules - {importer} for importer, modules in found.items()}


@pytest.mark.parametrize("name", [room_of, str], ids=["rooms", "modules"])
def test_imports_make_no_circle(name: Callable[[str], str]) -> None:
    assert len(tuple(TopologicalSorter(graph(name)).static_order())) > 10


def test_the_app_needs_nothing_of_the_tests_or_of_the_local_azure() -> None:
    strangers = {(path.name, module) for path in MODULES for module in imported(path)}
    assert {found for found in strangers if found[1].partition(".")[0] in {"functions", "infra", "tests"}} == set()
