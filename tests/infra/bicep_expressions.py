"""Bicep's expressions, from words to trees.

The grammar: https://learn.microsoft.com/azure/azure-resource-manager/bicep/operators
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.infra.bicep_words import Kind, Unreadable, Word


@dataclass(frozen=True, slots=True)
class Text:
    """A text: what is written, and between that what is put in."""

    parts: tuple["str | Node", ...]


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number."""

    value: int


@dataclass(frozen=True, slots=True)
class Name:
    """A symbol, `true`, `false` or `null`."""

    text: str


@dataclass(frozen=True, slots=True)
class Object:
    """An object. A key with something put in is a text."""

    entries: tuple[tuple["str | Text", "Node"], ...]


@dataclass(frozen=True, slots=True)
class Array:
    """An array."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """`[for item in of: body]`; `index` is empty where the loop has none."""

    item: str
    index: str
    of: "Node"
    body: "Node"


@dataclass(frozen=True, slots=True)
class Condition:
    """`if (condition) body`, of a resource or a module."""

    body: "Node"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function, or of a method."""

    function: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Part:
    """`of.name`, `of[at]`."""

    of: "Node"
    name: "str | Node"


@dataclass(frozen=True, slots=True)
class Choice:
    """`condition ? yes : no`, or `first ?? second`."""

    ways: tuple["Node", "Node"]


@dataclass(frozen=True, slots=True)
class Operation:
    """Something of one or two operands: its operator says of which type it is."""

    operator: str


@dataclass(frozen=True, slots=True)
class Lambda:
    """`item => ...`."""


type Node = Text | Number | Name | Object | Array | Loop | Condition | Call | Part | Choice | Operation | Lambda

_BINARY = {"||", "&&", "==", "!=", "=~", "!~", "<", "<=", ">", ">=", "+", "-", "*", "/", "%"}
_END = Word(Kind.LINE_END, "", 0)


def expression_of(words: Sequence[Word]) -> Node:
    """Read an expression, or the body of a resource or a module.

    Raises:
        Unreadable: it is none that is known here.
    """
    reader = _Reader([*words])
    found = reader.expression()
    reader.skip_lines()
    if reader.at < len(reader.words):
        raise reader.unreadable()
    return found


@dataclass
class _Reader:
    words: list[Word]
    at: int = field(default=0)

    @property
    def next(self) -> Word:
        return self.words[self.at] if self.at < len(self.words) else _END

    def unreadable(self) -> Unreadable:
        return Unreadable(f"line {self.next.line}: {self.next.text!r} here")

    def skip_lines(self) -> None:
        while self.at < len(self.words) and self.next.kind is Kind.LINE_END:
            self.at += 1

    def takes(self, *signs: str) -> bool:
        """Take a sign if it is one of these."""
        found = self.next.kind is Kind.SIGN and self.next.text in signs
        self.at += found
        return found

    def take(self, text: str) -> None:
        if self.next.kind is Kind.TEXT or self.next.text != text:
            raise self.unreadable()
        self.at += 1

    def name(self) -> str:
        if self.next.kind is not Kind.NAME:
            raise self.unreadable()
        self.at += 1
        return self.words[self.at - 1].text

    def expression(self) -> Node:
        self.skip_lines()
        found = self._operation()
        if self.takes("??"):
            return Choice((found, self.expression()))
        back = self.at
        self.skip_lines()
        if not self.takes("?"):
            self.at = back
            return found
        yes = self.expression()
        self.skip_lines()
        self.take(":")
        return Choice((yes, self.expression()))

    def _operation(self) -> Node:
        found = self._operand()
        while self.next.kind is Kind.SIGN and self.next.text in _BINARY:
            found = Operation(self.next.text)
            self.at += 1
            self.skip_lines()
            self._operand()
        return found

    def _operand(self) -> Node:
        if self.takes("!"):
            self._operand()
            return Operation("!")
        if self.takes("-"):
            found = self._operand()
            return Number(-found.value) if isinstance(found, Number) else Operation("-")
        return self._with_parts(self._plain())

    def _with_parts(self, found: Node) -> Node:
        while True:
            if self.takes("!"):
                continue
            if self.takes(".", ".?", "::"):
                name = self.name()
                found = Call(name, self._arguments()) if self.takes("(") else Part(found, name)
            elif self.takes("["):
                self.takes("?")
                found = Part(found, self.expression())
                self.take("]")
            else:
                return found

    def _plain(self) -> Node:
        word = self.next
        if word.kind is Kind.TEXT:
            return self._text()
        if word.kind is Kind.NUMBER:
            self.at += 1
            return Number(int(word.text))
        if word.kind is Kind.NAME:
            return self._named()
        if self.takes("{"):
            return self._object()
        if self.takes("["):
            return self._array()
        if self.takes("("):
            found = self._arguments()
            return self._lambda() if self.takes("=>") else found[0]
        raise self.unreadable()

    def _named(self) -> Node:
        name = self.name()
        if name == "if" and self.takes("("):
            self._arguments()
            return Condition(self._plain())
        if self.takes("=>"):
            return self._lambda()
        return Call(name, self._arguments()) if self.takes("(") else Name(name)

    def _lambda(self) -> Node:
        self.expression()
        return Lambda()

    def _arguments(self) -> tuple[Node, ...]:
        """Read what is in brackets, after the opening one."""
        found = []
        self.skip_lines()
        while not self.takes(")"):
            found.append(self.expression())
            self.skip_lines()
            self.takes(",")
            self.skip_lines()
        return tuple(found)

    def _text(self) -> Text:
        parts: list[str | Node] = [self.next.text]
        self.at += 1
        # What is put in stands in brackets between two texts: no other expression has one right after a text.
        while self.takes("("):
            parts.extend(self._arguments())
            parts.append(self.next.text)
            self.at += 1
        return Text(tuple(parts))

    def _object(self) -> Object:
        entries: list[tuple[str | Text, Node]] = []
        self._separated()
        while not self.takes("}"):
            key = self._text() if self.next.kind is Kind.TEXT else self.name()
            self.take(":")
            plain = isinstance(key, Text) and len(key.parts) == 1 and isinstance(key.parts[0], str)
            entries.append((str(key.parts[0]) if plain and isinstance(key, Text) else key, self.expression()))
            self._separated()
        return Object(tuple(entries))

    def _array(self) -> Node:
        self._separated()
        if self.next.kind is Kind.NAME and self.next.text == "for":
            return self._loop()
        items = []
        while not self.takes("]"):
            items.append(self.expression())
            self._separated()
        return Array(tuple(items))

    def _loop(self) -> Loop:
        self.at += 1
        has_index = self.takes("(")
        item = self.name()
        index = self.name() if has_index and self.takes(",") else ""
        self.takes(")")
        self.take("in")
        of = self.expression()
        self.take(":")
        body = self.expression()
        self._separated()
        self.take("]")
        return Loop(item, index, of, body)

    def _separated(self) -> None:
        while self.takes(",") or (self.at < len(self.words) and self.next.kind is Kind.LINE_END):
            self.skip_lines()
