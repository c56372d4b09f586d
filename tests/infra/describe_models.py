"""Run by the Python of `.venv-models`: prints what the SDK's models say, as JSON.

It reads `["MODULE:CLASS", ...]` from standard input, and follows each class to all that it is made of.
"""

import enum
import importlib
import inspect
import json
import pathlib
import re
import sys
from typing import Any

VERSION = re.compile(r'"(\d{4}-\d{2}-\d{2}(?:-preview)?)"')
NAMED = re.compile(r":vartype (\w+):(.*?)(?=\n\s*:|\n\s*\n|\Z)", re.DOTALL)
ENUM = re.compile(r"~[\w.]+\.(\w+)")
LIMITS = ("minimum", "maximum", "min_length", "max_length", "max_items")


def described(module: Any, name: str) -> list[dict[str, Any]]:
    """Describe each attribute of a class: its name in REST, its type, and what holds for it."""
    model = getattr(module, name)
    validation = getattr(model, "_validation", {})
    said = dict(NAMED.findall(inspect.getdoc(model) or ""))
    return [
        {
            # A full stop parts what is nested, unless a backslash stands before it.
            "path": [part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", entry["key"])],
            "type": entry["type"],
            "read_only": validation.get(attribute, {}).get("readonly", False),
            "required": validation.get(attribute, {}).get("required", False),
            "values": values(module, said.get(attribute, "")),
            "limits": {key: validation[attribute][key] for key in LIMITS if key in validation.get(attribute, {})},
        }
        for attribute, entry in model._attribute_map.items()  # noqa: SLF001 - it is what these models are read by
    ]


def values(module: Any, said: str) -> list[Any]:
    """Give the values of the enum that an attribute's description names; none where it names none."""
    named = [getattr(module, name, None) for name in ENUM.findall(said)]
    kinds = [kind for kind in named if isinstance(kind, type) and issubclass(kind, enum.Enum)]
    return [member.value for kind in kinds for member in kind]


def versions(module: Any) -> list[str]:
    """Give the versions of the API that models are of: their folder's, or those which their package asks for."""
    folder = module.__name__.split(".")[-2]
    if re.fullmatch(r"v\d{4}_\d\d_\d\d(_preview)?", folder):
        return [folder[1:].replace("_", "-")]
    package = pathlib.Path(module.__file__).parent.parent
    sources = [package / "_configuration.py", *sorted((package / "operations").glob("*.py"))]
    return sorted({version for source in sources for version in VERSION.findall(source.read_text("utf-8"))})


def main() -> None:
    """Describe what is asked for."""
    asked = json.load(sys.stdin)
    types: dict[str, list[dict[str, Any]]] = {}
    to_do = list(asked)
    while to_do:
        key = to_do.pop()
        if key in types:
            continue
        path, _, name = key.partition(":")
        module = importlib.import_module(path)
        types[key] = described(module, name)
        within = {found for entry in types[key] for found in re.findall(r"\w+", entry["type"])}
        to_do += [
            f"{path}:{found}" for found in sorted(within) if hasattr(getattr(module, found, None), "_attribute_map")
        ]
    of = {key: versions(importlib.import_module(key.partition(":")[0])) for key in asked}
    json.dump({"types": types, "versions": of}, sys.stdout)


if __name__ == "__main__":
    main()
