"""The files of `infra/` that Azure gets."""

from functools import cache
from pathlib import Path
from typing import Any

from pycep import BicepParser

ROOT = Path(__file__).parent.parent.parent
INFRA = ROOT / "infra"
MAIN = INFRA / "main.bicep"
MODULES = sorted((INFRA / "modules").glob("*.bicep"))
BICEP_FILES = [MAIN, *MODULES]
_PARSER = BicepParser()


@cache
def parsed(path: Path) -> dict[str, Any]:
    """Parse a Bicep file by pycep: the grammar's own tree."""
    return dict[str, Any](_PARSER.parse(text=path.read_text(encoding="utf-8")))


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Give the configuration of each resource of a type that the tree makes, by `FILE/SYMBOL`."""
    found = {}
    for path in BICEP_FILES:
        for symbol, resource in parsed(path).get("resources", {}).items():
            if resource["type"] == kind and not resource.get("existing"):
                found[f"{path.name}/{symbol}"] = _unwrapped(resource["config"])
    return found


def _unwrapped(config: dict[str, Any]) -> dict[str, Any]:
    """Take a loop or a condition off."""
    inner: dict[str, Any] = config
    while "config" in inner and set(inner) <= {"config", "condition", "loop_type"}:
        inner = inner["config"]
    return inner
