"""Bicep cut into words, and into statements: enough to see what each of them declares and what it names.

The language: https://learn.microsoft.com/azure/azure-resource-manager/bicep/file
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """What a word is."""

    NAME = auto()
    TEXT = auto()
    NUMBER = auto()
    SIGN = auto()
    LINE_END = auto()


@dataclass(frozen=True, slots=True)
class Word:
    """A word of Bicep; of a text with `${...}` in it the parts and the words between them follow each other.

    Attributes:
        kind: what it is.
        text: as it is written; a text without its quotes.
        line: where it is, from 1.
    """

    kind: Kind
    text: str
    line: int


_BLANK = re.compile(r"[ \t\r]+|//[^\n]*|/\*.*?\*/", re.DOTALL)
_LONG_TEXT = re.compile(r"'''(.*?)'''", re.DOTALL)
_TEXT_PART = re.compile(r"(?:[^'\\$\n]|\\.|\$(?!\{))*")
_PLAIN = (
    (Kind.LINE_END, re.compile(r"\n")),
    (Kind.NAME, re.compile(r"[A-Za-z_]\w*")),
    (Kind.NUMBER, re.compile(r"\d+")),
    (Kind.SIGN, re.compile(r"=>|==|!=|=~|!~|<=|>=|&&|\|\||\?\?|\.\?|::|[-+*/%<>=!?:.,(){}\[\]@|]")),
)


class Unreadable(Exception):  # noqa: N818 - an adjective says it
    """Text that is no Bicep."""


def words_of(source: str) -> list[Word]:
    """Cut a file into words.

    Raises:
        Unreadable: something in it is no word of Bicep.
    """
    return list(_Reader(source).read())


@dataclass
class _Reader:
    source: str
    at: int = 0

    def read(self, until: str = "") -> Iterator[Word]:
        """Yield words up to the end, or to the closing brace of a `${`."""
        depth = 0
        while self.at < len(self.source):
            if self._skip(_BLANK):
                continue
            if self.source.startswith("'", self.at):
                yield from self._text()
                continue
            word = self._plain()
            depth += {"{": 1, "}": -1}.get(word.text, 0)
            if until and depth < 0:
                return
            yield word
        if until:
            raise Unreadable(f"line {self._line}: ${{ without its }}")

    @property
    def _line(self) -> int:
        return self.source.count("\n", 0, self.at) + 1

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        found = pattern.match(self.source, self.at)
        self.at = found.end() if found else self.at
        return found is not None

    def _plain(self) -> Word:
        for kind, pattern in _PLAIN:
            found = pattern.match(self.source, self.at)
            if found:
                word = Word(kind, found.group(), self._line)
                self.at = found.end()
                return word
        raise Unreadable(f"line {self._line}: {self.source[self.at : self.at + 10]!r}")

    def _text(self) -> Iterator[Word]:
        line = self._line
        found = _LONG_TEXT.match(self.source, self.at)
        if found:
            self.at = found.end()
            yield Word(Kind.TEXT, found.group(1), line)
            return
        self.at += 1
        while True:
            part = _TEXT_PART.match(self.source, self.at)
            assert part is not None
            self.at = part.end()
            yield Word(Kind.TEXT, part.group(), line)
            if self.source.startswith("'", self.at):
                self.at += 1
                return
            if not self.source.startswith("${", self.at):
                raise Unreadable(f"line {line}: a text without its end")
            self.at += 2
            # A sign on each side, so that what is within is not taken for a key of an object.
            yield Word(Kind.SIGN, "(", line)
            yield from self.read(until="}")
            yield Word(Kind.SIGN, ")", line)


def statements_of(words: list[Word]) -> list[list[Word]]:
    """Cut words into statements: they end where a line does, outside of all brackets."""
    statements: list[list[Word]] = [[]]
    depth = 0
    for word in words:
        if word.kind is Kind.SIGN:
            depth += {"{": 1, "[": 1, "(": 1, "}": -1, "]": -1, ")": -1}.get(word.text, 0)
        if word.kind is Kind.LINE_END and depth == 0:
            statements.append([])
        else:
            statements[-1].append(word)
    return [statement for statement in statements if statement]
