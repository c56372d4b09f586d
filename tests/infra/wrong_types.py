"""Where the resources of a Bicep file are not what their types say, each in a line."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.infra.bicep_expressions import expression_of
from tests.infra.bicep_file import BicepFile, Declared
from tests.infra.bicep_values import OneOf, Scope, Unknown, Value, scopes
from tests.infra.models import MODELS, Field, fields_of, fields_of_model, is_model

# Bicep's own, beside what a type has.
_BICEP_S = {"name", "parent", "scope", "dependsOn"}
_KINDS = {"int": {"int"}, "long": {"int"}, "float": {"int"}, "bool": {"bool"}}
_LENGTHS = {"min_length", "max_length", "max_items"}


def wrong_types(main: BicepFile, found: BicepFile) -> list[str]:
    """List what is wrong in a file, as the main file calls it: unknown, missing, read-only, no such value or type."""
    return [line for resource in made_by(found) for line in wrong_in(main, found, resource)]


def made_by(found: BicepFile) -> list[Declared]:
    """Give the resources that a file makes."""
    return [resource for resource in found.of("resource").values() if resource.words[1].text != "existing"]


def wrong_in(main: BicepFile, found: BicepFile, resource: Declared) -> list[str]:
    """List what is wrong in a resource of a file."""
    lines = [line for scope in scopes(main, found) for line in _of_resource(scope, resource)]
    return [f"{found.path.name}/{resource.name}{line}" for line in dict.fromkeys(lines)]


def _of_resource(scope: Scope, resource: Declared) -> Iterator[str]:
    body = scope.value(expression_of(resource.words[2:]))
    if resource.target not in MODELS:
        yield f": there is no model of {resource.target} in tests/infra/models.py"
        return
    fields = {name: entry for name, entry in fields_of(resource.target).items() if name not in _BICEP_S}
    for made in body if isinstance(body, list) else [body]:
        assert isinstance(made, dict)
        if "name" not in made:
            yield ".name is missing"
        yield from _object({name: entry for name, entry in made.items() if name not in _BICEP_S}, fields, "")


def _object(value: dict[str, Any], fields: Mapping[str, Field], where: str) -> Iterator[str]:
    known = {name.casefold(): name for name in fields}
    for name, entry in value.items():
        if name in fields and fields[name].read_only:
            yield f"{where}.{name} is read-only"
        elif name in fields:
            yield from _value(entry, fields[name], f"{where}.{name}")
        elif name.casefold() in known:
            yield f"{where}.{name} is written {known[name.casefold()]}"
        else:
            yield f"{where}.{name} is not known"
    for name, entry in fields.items():
        if entry.required and not entry.read_only and _may_be_absent(value.get(name)):
            yield f"{where}.{name} is missing"


def _may_be_absent(value: Value) -> bool:
    return any(_may_be_absent(way) for way in value.values) if isinstance(value, OneOf) else value is None


def _value(value: Value, entry: Field, where: str) -> Iterator[str]:
    if isinstance(value, OneOf):
        for way in value.values:
            yield from _value(way, entry, where)
    elif value is None or value == Unknown("any") or entry.type == "object":
        return
    elif entry.within or is_model(entry.module, entry.type):
        yield from _of_model(value, entry, where)
    elif entry.type[0] in "[{":
        yield from _of_many(value, entry, where)
    else:
        yield from _scalar(value, entry, where)
    if not isinstance(value, OneOf):
        yield from _beyond(value, entry, where)


def _of_model(value: Value, entry: Field, where: str) -> Iterator[str]:
    if isinstance(value, dict):
        yield from _object(value, entry.within or fields_of_model(entry.module, entry.type), where)
    elif value != Unknown("object"):
        yield f"{where} is {_kind(value)}, not object"


def _of_many(value: Value, entry: Field, where: str) -> Iterator[str]:
    one = Field(entry.type[1:-1], values=entry.values, module=entry.module)
    kind = "array" if entry.type.startswith("[") else "object"
    if isinstance(value, list) and kind == "array":
        for number, item in enumerate(value):
            yield from _value(item, one, f"{where}[{number}]")
    elif isinstance(value, dict) and kind == "object":
        for key, item in value.items():
            yield from _value(item, one, f"{where}.{key}")
    elif _kind(value) != kind:
        yield f"{where} is {_kind(value)}, not {kind}"


def _scalar(value: Value, entry: Field, where: str) -> Iterator[str]:
    kinds = _KINDS.get(entry.type, {"string"})
    if _kind(value) not in kinds:
        yield f"{where} is {_kind(value)}, not {' or '.join(sorted(kinds))}"
    elif entry.values and not isinstance(value, Unknown) and value not in entry.values:
        yield f"{where} is {value!r}, which is none of {', '.join(map(repr, entry.values))}"


def _kind(value: Value) -> str:
    match value:
        case Unknown(kind):
            return kind
        case bool():
            return "bool"
        case dict() | list():
            return "object" if isinstance(value, dict) else "array"
    return "int" if isinstance(value, int) else "string"


def _beyond(value: Value, entry: Field, where: str) -> Iterator[str]:
    """Yield the limits that a value which is known does not keep."""
    for limit, bound in entry.limits.items():
        if isinstance(value, str | list) and limit in _LENGTHS:
            measured = len(value)
        elif isinstance(value, int) and limit not in _LENGTHS:
            measured = value
        else:
            continue
        if measured < bound if limit.startswith("min") else measured > bound:
            yield f"{where} is beyond its {limit} of {bound}"
