"""What a Bicep file declares, what it names, and what it passes on."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from tests.infra.bicep_words import Kind, Word, statements_of, words_of

_DECLARING = {"param", "var", "resource", "module", "output", "type"}
_LITERALS = {"true", "false", "null"}
_SYNTAX = {"for", "in", "if", "existing"}
_BUILT_IN_TYPES = {"string", "int", "bool", "array", "object"}
# Those that the tree may call. A name that is missing here is added when it is used, and looked up first:
# https://learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions
FUNCTIONS = {
    *(
        "empty",
        "environment",
        "filter",
        "guid",
        "indexOf",
        "items",
        "join",
        "loadJsonContent",
        "loadTextContent",
        "map",
    ),
    *("replace", "resourceGroup", "string", "subscription", "subscriptionResourceId", "tenant", "toLower", "union"),
    "uniqueString",
}
_DECORATORS = {
    *("allowed", "batchSize", "description", "maxLength", "maxValue", "metadata", "minLength", "minValue", "secure"),
}


@dataclass(frozen=True, slots=True)
class Declared:
    """One thing that a file declares.

    Attributes:
        keyword: `param`, `var`, `resource`, `module`, `output` or `type`.
        name: its symbol.
        line: where it is.
        words: all that follows the name.
        type: of a parameter or an output, as it is written.
        decorators: each `@name(...)` above it.
    """

    keyword: str
    name: str
    line: int
    words: tuple[Word, ...]
    type: str = ""
    decorators: tuple[tuple[Word, ...], ...] = ()

    def decorator(self, name: str) -> tuple[Word, ...]:
        """Give the words between the brackets of a decorator; none where it has not got it."""
        return next((words[3:-1] for words in self.decorators if words[1].text == name), ())

    @property
    def is_required(self) -> bool:
        """Whether a parameter has to be passed."""
        return self.type == "".join(word.text for word in self.words) and not self.type.endswith("?")

    @property
    def target(self) -> str:
        """A module's path, or a resource's type and version."""
        return self.words[0].text

    def passed(self) -> dict[str, list[Word]]:
        """Give a module's `params`, each with the words of its value."""
        return entries_of(_value_of(list(self.words), "params") or [])


@dataclass(frozen=True)
class BicepFile:
    """A Bicep file that was read."""

    path: Path
    declared: dict[str, Declared] = field(default_factory=dict)
    outputs: dict[str, Declared] = field(default_factory=dict)
    decorators: list[list[Word]] = field(default_factory=list)

    def of(self, keyword: str) -> dict[str, Declared]:
        """Give what is declared by a keyword."""
        return {name: found for name, found in self.declared.items() if found.keyword == keyword}

    @property
    def statements(self) -> list[Declared]:
        """All statements that declare something."""
        return [*self.declared.values(), *self.outputs.values()]


@cache
def read(path: Path) -> BicepFile:
    """Read a file."""
    return parse(path.read_text(encoding="utf-8"), path)


def parse(source: str, path: Path) -> BicepFile:
    """Read Bicep."""
    found = BicepFile(path)
    above: list[tuple[Word, ...]] = []
    for statement in statements_of(words_of(source)):
        keyword = statement[0].text
        if keyword == "@":
            found.decorators.append(statement)
            above.append(tuple(statement))
        elif keyword in _DECLARING:
            declared = replace(_declaration(statement), decorators=tuple(above))
            above.clear()
            (found.outputs if keyword == "output" else found.declared)[declared.name] = declared
        elif keyword != "targetScope":
            raise ValueError(f"{path}:{statement[0].line}: a statement that begins with {keyword!r}")
    return found


def _declaration(statement: list[Word]) -> Declared:
    keyword, name, *rest = statement
    kind = ""
    if keyword.text in {"param", "output"}:
        before = next((place for place, word in enumerate(rest) if word.text == "="), len(rest))
        kind = "".join(word.text for word in rest[:before])
    return Declared(keyword.text, name.text, name.line, tuple(rest), kind)


def named_in(declared: Declared) -> Iterator[Word]:
    """Yield the symbols and functions that a statement names: no keys, no properties, no names of its own."""
    words = [Word(Kind.LINE_END, "", declared.line), *declared.words, Word(Kind.LINE_END, "", declared.line)]
    own = set(_own_names(words))
    if declared.keyword in {"param", "output", "type"}:
        own |= _BUILT_IN_TYPES
    for before, word, after in zip(words, words[1:], words[2:], strict=False):
        is_key = after.text == ":" and (before.kind is Kind.LINE_END or before.text in {"{", ","})
        is_property = before.text in {".", ".?", "::"}
        if word.kind is Kind.NAME and not (is_key or is_property or word.text in own | _LITERALS | _SYNTAX):
            yield word


def _own_names(words: list[Word]) -> Iterator[str]:
    """Yield the names that a loop or a lambda gives to its items."""
    for place, word in enumerate(words):
        if word.text == "for":
            end = next(later for later in range(place, len(words)) if words[later].text == "in")
            yield from (found.text for found in words[place + 1 : end] if found.kind is Kind.NAME)
        if word.text == "=>":
            yield words[place - 1].text


def is_call(declared: Declared, name: Word) -> bool:
    """Tell whether a name is followed by an opening bracket."""
    words = declared.words
    place = next(place for place, word in enumerate(words) if word is name)
    return place + 1 < len(words) and words[place + 1].text == "("


def outputs_named(declared: Declared) -> Iterator[tuple[str, str]]:
    """Yield `(module, output)` for each `module.outputs.output`, `module!.outputs.output` or `module[0].outputs.…`."""
    words = [word for word in declared.words if word.kind is not Kind.LINE_END and word.text != "!"]
    for place, word in enumerate(words):
        if word.text == "outputs" and words[place - 1].text == ".":
            owner = place - 2
            if words[owner].text == "]":
                owner = max(earlier for earlier in range(owner) if words[earlier].text == "[") - 1
            yield words[owner].text, words[place + 2].text


def loaded_in(declared: Declared) -> Iterator[str]:
    """Yield the paths that a statement loads text or JSON from."""
    for word, after in zip(declared.words, declared.words[2:], strict=False):
        if word.text in {"loadTextContent", "loadJsonContent"}:
            yield after.text


def unknown_decorators(found: BicepFile) -> list[str]:
    """Give the decorators that Bicep has not."""
    return [statement[1].text for statement in found.decorators if statement[1].text not in _DECORATORS]


def entries_of(words: list[Word]) -> dict[str, list[Word]]:
    """Give the entries of an object, from the words between its braces."""
    entries: dict[str, list[Word]] = {}
    depth = 0
    name = ""
    before = Word(Kind.LINE_END, "", 0)
    for word, after in zip(words, [*words[1:], before], strict=True):
        is_key = depth == 0 and after.text == ":" and (before.kind is Kind.LINE_END or before.text in {"{", ","})
        if is_key:
            name = word.text
            entries[name] = []
        elif name and not (not entries[name] and word.text == ":") and word.kind is not Kind.LINE_END:
            entries[name].append(word)
        depth += {"{": 1, "[": 1, "(": 1, "}": -1, "]": -1, ")": -1}.get(word.text, 0)
        before = word
    return entries


def _value_of(words: list[Word], key: str) -> list[Word] | None:
    """Give the words between the braces of the first `key: {...}`."""
    for place in range(len(words) - 2):
        if words[place].text == key and words[place + 1].text == ":" and words[place + 2].text == "{":
            return _within(words[place + 2 :])
    return None


def _within(words: list[Word]) -> list[Word]:
    """Give the words between an opening brace and its closing one."""
    depth = 0
    for place, word in enumerate(words):
        depth += {"{": 1, "}": -1}.get(word.text, 0)
        if depth == 0:
            return words[1:place]
    raise ValueError("an opening brace without its closing one")
