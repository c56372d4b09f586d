"""What a command ends with: an exit code, what is shown, and the same as data."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

JSON_VERSION = 1
"""The version of what `--json` prints: a field is only ever added within one."""


class Exit(IntEnum):
    """The exit codes."""

    FINE = 0
    ATTENTION = 1
    USAGE = 2
    UNREACHABLE = 3


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command has found or done.

    Attributes:
        data: it, as `--json` prints it.
        shown: it, as lines and tables for people.
        code: the exit code.
    """

    data: dict[str, Any]
    shown: Sequence[Any] = ()
    code: Exit = Exit.FINE


class Problem(Exception):  # noqa: N818 - it is not always an error of the program
    """What ends a command early; the message says what is wrong and what to do."""

    def __init__(self, message: str, code: Exit = Exit.USAGE) -> None:
        super().__init__(message)
        self.code = code


class Plain(str):
    """A text that is printed as it is, however long its lines are: a program reads it."""

    __slots__ = ()
