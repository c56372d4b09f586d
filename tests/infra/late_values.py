"""Values that Azure knows only while it deploys: they can't say which resources there are, or how they are named.

The compiler refuses them there: a loop's list, a condition, the name and scope of a resource or a module
(BCP120, BCP178, BCP182 of https://learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-error-codes).
"""

from collections.abc import Iterator, Sequence

from tests.infra.bicep_file import BicepFile, Declared, entries_of
from tests.infra.bicep_words import Kind, Word

# Of a resource these are known before: its id, its name, its type and its version.
_LATE = {"properties", "outputs", "identity", "sku", "kind"}


def late_values(found: BicepFile) -> Iterator[str]:
    """Yield the places where a value comes too late."""
    for statement in found.statements:
        for what, words in _early_places(statement):
            for name in _late_names(found, words):
                yield f"line {statement.line}: {name} comes too late for the {what} of {statement.name}"


def _early_places(statement: Declared) -> Iterator[tuple[str, Sequence[Word]]]:
    words = [word for word in statement.words if word.kind is not Kind.LINE_END]
    for place, word in enumerate(words):
        if word.text == "in":
            yield "loop", words[place + 1 : _end_of_expression(words, place + 1)]
        if word.text == "if" and words[place + 1].text == "(":
            yield "condition", words[place + 1 : _end_of_expression(words, place + 1)]
    if statement.keyword in {"resource", "module"}:
        entries = entries_of(_body(list(statement.words)))
        yield from ((key, entries[key]) for key in ("name", "scope") if key in entries)


def _end_of_expression(words: Sequence[Word], start: int) -> int:
    """Find where a loop's list or a condition ends: at the colon or the brace outside of all brackets."""
    depth = 0
    for place in range(start, len(words)):
        if depth == 0 and words[place].text in {":", "{"}:
            return place
        depth += {"{": 1, "[": 1, "(": 1, "}": -1, "]": -1, ")": -1}.get(words[place].text, 0)
    return len(words)


def _body(words: list[Word]) -> list[Word]:
    """Give the words in a declaration's outermost braces, without those of a loop or a condition around it."""
    first = next(place for place, word in enumerate(words) if word.text == "{")
    depth = 0
    for place in range(first, len(words)):
        depth += {"{": 1, "}": -1}.get(words[place].text, 0)
        if depth == 0:
            return words[first + 1 : place]
    raise ValueError("an opening brace without its closing one")


def _late_names(found: BicepFile, words: Sequence[Word]) -> Iterator[str]:
    """Yield what comes late among some words, and among those of the variables that they name."""
    for place, word in enumerate(words):
        declared = found.declared.get(word.text)
        if declared is None or word.kind is not Kind.NAME or (place and words[place - 1].text in {".", ".?"}):
            continue
        if declared.keyword == "var":
            yield from (f"{word.text} -> {name}" for name in _late_names(found, declared.words))
        after = [later.text for later in words[place + 1 :] if later.text != "!"]
        if after[:1] == ["["]:
            after = after[after.index("]") + 1 :]
        if declared.keyword in {"resource", "module"} and after[:1] == ["."] and after[1] in _LATE:
            yield f"{word.text}.{after[1]}"
