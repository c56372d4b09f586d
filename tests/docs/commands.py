"""The commands of the docs, read from their code blocks as a shell reads them."""

import re
import shlex
from dataclasses import dataclass
from functools import cache

from tests.docs.documents import Block, blocks

SHELL = "sh"
SUBSTITUTED = "SUBSTITUTED"
_CONTINUED = re.compile(r"[ \t]*\\\n[ \t]*")
_ASSIGNMENT = re.compile(r"(\w+)=(.*)", re.DOTALL)
_RESERVED = {"do", "done", "else", "fi", "if", "then", "while"}
_BETWEEN = {";", "&", "&&", "|", "||", "(", ")"}


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the docs.

    Attributes:
        block: where it stands.
        words: the program and its arguments, without quotes; `$NAME` as it is, what `$(...)` gives as SUBSTITUTED.
        kept_as: the variable that its output is kept in; empty for none.
    """

    block: Block
    words: tuple[str, ...]
    kept_as: str = ""

    @property
    def program(self) -> str:
        """What runs."""
        return self.words[0]

    @property
    def arguments(self) -> tuple[str, ...]:
        """What it is given."""
        return self.words[1:]

    def __str__(self) -> str:
        """Name it by its place, and as it is typed."""
        return f"{self.block.place} {shlex.join(self.words)}"


@cache
def commands() -> list[Command]:
    """Give all commands of the docs, in order; one within `$(...)` before the one that it is a part of."""
    return [command for block in blocks() if block.language == SHELL for command in commands_of(block)]


def commands_of(block: Block) -> list[Command]:
    """Give the commands of a code block."""
    found: list[Command] = []
    for line in _logical_lines(block.text):
        outer = _substituted(line, block, found)
        for words in _simple_commands(outer):
            while words and (_ASSIGNMENT.fullmatch(words[0]) or words[0] in _RESERVED):
                words.pop(0)
            if words and words[0] != "for":
                found.append(Command(block, tuple(words)))
    return found


def lines_of(text: str) -> list[str]:
    """Give the lines of a block as a shell joins them."""
    return [line.strip() for line in _CONTINUED.sub(" ", text).splitlines() if line.strip()]


def _logical_lines(text: str) -> list[str]:
    """Join the lines whose quotes are open at their end, and drop the comments."""
    found, open_line = [], ""
    for line in lines_of(text):
        open_line = f"{open_line}\n{line}" if open_line else line
        try:
            if shlex.split(open_line, comments=True):
                found.append(open_line)
        except ValueError:
            continue
        open_line = ""
    assert not open_line, f"a quote is not closed: {open_line}"
    return found


def _substituted(line: str, block: Block, found: list[Command]) -> str:
    """Take the commands within `$(...)` out of a line, the innermost first."""
    kept_as = _ASSIGNMENT.fullmatch(line)
    while inner := re.search(r"\$\(((?:[^()'\"]|'[^']*'|\"[^\"]*\")*)\)", line):
        is_kept = kept_as and line[: inner.start()].strip('"') == f"{kept_as[1]}="
        simple = list(_simple_commands(inner[1]))
        found += [Command(block, tuple(words), kept_as[1] if is_kept and kept_as else "") for words in simple]
        line = line[: inner.start()] + SUBSTITUTED + line[inner.end() :]
    return line


def _simple_commands(line: str) -> list[list[str]]:
    """Split at what stands between commands, and drop redirections."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();|&<>")
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    after_redirection = False
    for word in lexer:
        if set(word) <= set("<>&") and set(word) & set("<>"):
            after_redirection = True
        elif after_redirection:
            after_redirection = False
        elif word in _BETWEEN:
            found.append([])
        else:
            found[-1].append(word)
    return [words for words in found if words]
