"""What the expressions of a Bicep file stand for, as far as that is known before a deployment."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.infra.bicep_expressions import (
    Array,
    Call,
    Choice,
    Condition,
    Loop,
    Name,
    Node,
    Number,
    Object,
    Operation,
    Part,
    Text,
    expression_of,
)
from tests.infra.bicep_file import BicepFile, Declared
from tests.infra.bicep_words import Word


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that only the deployment knows. `kind`: `string`, `int`, `bool`, `array`, `object` or `any`."""

    kind: str


@dataclass(frozen=True, slots=True)
class OneOf:
    """A value that is one of some."""

    values: tuple["Value", ...]


# A text, a number, a truth, `null`, an object or an array of values; or what is not known so well.
type Value = str | int | dict[str, Any] | list[Any] | Unknown | OneOf | None

_CONSTANTS: dict[str, Value] = {"true": True, "false": False, "null": None}
_ANY = Unknown("any")
_GIVES = {
    **dict.fromkeys(("guid", "join", "loadTextContent", "replace", "string", "subscriptionResourceId"), "string"),
    **dict.fromkeys(("toLower", "toUpper", "uniqueString", "format", "substring", "resourceId", "take"), "string"),
    **dict.fromkeys(("empty", "contains", "startsWith", "endsWith", "bool"), "bool"),
    **dict.fromkeys(("indexOf", "length", "int", "min", "max"), "int"),
    **dict.fromkeys(("items", "map", "filter", "range", "split", "concat"), "array"),
}
_SCALARS = {"string", "int", "bool", "array", "object"}
# Of these the properties are known before: https://learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions-resource
_TEXTS_OF_RESOURCES = {"id", "name", "type", "apiVersion"}


@dataclass(frozen=True)
class Scope:
    """What the symbols of a file stand for.

    Attributes:
        file: the file.
        passed: the parameters that a module was called with.
        bound: the names that loops have given to their items.
    """

    file: BicepFile
    passed: Mapping[str, Value] = field(default_factory=dict)
    bound: Mapping[str, Value] = field(default_factory=dict)

    def value(self, node: Node) -> Value:
        """Give what an expression stands for."""
        found: Value = _ANY
        match node:
            case Number(number):
                found = number
            case Text(parts):
                found = self._text(parts)
            case Object(entries):
                found = {self._key(key): self.value(entry) for key, entry in entries}
            case Array(items):
                found = [self.value(item) for item in items]
            case Condition(body):
                found = self.value(body)
            case Choice(ways):
                found = OneOf(tuple(self.value(way) for way in ways))
            case Operation(operator):
                found = Unknown("int" if operator in {"+", "-", "*", "/", "%"} else "bool")
            case Name() | Part() | Call() | Loop():
                found = self._looked_up(node)
        return found

    def _looked_up(self, node: Name | Part | Call | Loop) -> Value:
        match node:
            case Name(text):
                return self._named(text)
            case Part():
                return self._part(node)
            case Call(function, arguments):
                return self._called(function, arguments)
            case Loop():
                return list(self._items(node))

    def _text(self, parts: tuple[str | Node, ...]) -> Value:
        values = [part if isinstance(part, str) else self.value(part) for part in parts]
        known = [str(value) for value in values if isinstance(value, str | int) and not isinstance(value, bool)]
        return "".join(known) if len(known) == len(values) else Unknown("string")

    def _key(self, key: str | Text) -> str:
        value = self.value(key) if isinstance(key, Text) else key
        return value if isinstance(value, str) else "*"

    def _named(self, name: str) -> Value:
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name in self.bound:
            return self.bound[name]
        declared = self.file.declared[name]
        plain = Scope(self.file, self.passed)
        if declared.keyword == "param":
            # Of what a module is passed at least the type is known.
            passed = self.passed.get(name, _ANY)
            return plain.parameter(declared) if passed == _ANY else passed
        return plain.value(expression_of(declared.words[1:])) if declared.keyword == "var" else _ANY

    def parameter(self, declared: Declared) -> Value:
        """Give what a parameter may be: what is allowed, the least and the most, or its type alone."""
        allowed = declared.decorator("allowed")
        if allowed:
            found = self.value(expression_of(allowed))
            return OneOf(tuple(found)) if isinstance(found, list) else _ANY
        ends = [declared.decorator(name) for name in ("minValue", "maxValue")]
        if all(ends):
            return OneOf(tuple(self.value(expression_of(end)) for end in ends))
        kind = declared.type.partition("=")[0].rstrip("?")
        return Unknown("array" if kind.endswith("[]") else kind if kind in _SCALARS else "any")

    def _part(self, node: Part) -> Value:
        match node:
            case Part(Name(text), str(name)) if self._is_resource(text):
                return Unknown("string") if name in _TEXTS_OF_RESOURCES else _ANY
            case Part(of, name):
                return _part_of(self.value(of), name if isinstance(name, str) else self.value(name))

    def _is_resource(self, name: str) -> bool:
        declared = self.file.declared.get(name)
        return name not in self.bound and declared is not None and declared.keyword in {"resource", "module"}

    def _called(self, function: str, arguments: tuple[Node, ...]) -> Value:
        if function == "loadJsonContent":
            path = self.value(arguments[0])
            loaded: Value = json.loads((self.file.path.parent / str(path)).read_text(encoding="utf-8"))
            return loaded
        values = [self.value(argument) for argument in arguments]
        if function == "union" and all(isinstance(value, dict) for value in values):
            return {key: entry for value in values if isinstance(value, dict) for key, entry in value.items()}
        return Unknown(_GIVES.get(function, "any"))

    def _items(self, loop: Loop) -> Iterator[Value]:
        of = self.value(loop.of)
        for item in of if isinstance(of, list) else [_ANY]:
            names = {loop.item: item, **({loop.index: Unknown("int")} if loop.index else {})}
            yield Scope(self.file, self.passed, {**self.bound, **names}).value(loop.body)


def _part_of(value: Value, name: Value) -> Value:
    match value:
        case OneOf(values):
            return OneOf(tuple(_part_of(way, name) for way in values))
        case dict():
            return value.get(name, _ANY) if isinstance(name, str) else _ANY
        case list() if isinstance(name, int):
            return value[name] if name < len(value) else _ANY
        case list():
            return OneOf(tuple(value))
    return _ANY


def scopes(main: BicepFile, found: BicepFile) -> list[Scope]:
    """Give a scope for each call of a module by the main file, or that of the main file itself."""
    if found.path == main.path:
        return [Scope(found)]
    calls = [module for module in main.of("module").values() if main.path.parent / module.target == found.path]
    return [Scope(found, _passed(Scope(main), module.words[2:])) for module in calls]


def _passed(own: Scope, words: tuple[Word, ...]) -> dict[str, Value]:
    body = own.value(expression_of(words))
    # Of a loop over what is not known there is one body.
    (body,) = body if isinstance(body, list) else [body]
    passed = body.get("params", {}) if isinstance(body, dict) else {}
    assert isinstance(passed, dict)
    return passed
