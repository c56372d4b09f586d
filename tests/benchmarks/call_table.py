"""The table that a benchmark prints."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

KINDS = ("blob", "table", "queue", "token", "invocation")


class Measured(NamedTuple):
    """What was counted.

    Attributes:
        name: of what.
        calls: how many, by kind (`blob`, ..., `invocation`) and operation or function.
    """

    name: str
    calls: Counter[tuple[str, str]]


def markdown(columns: Sequence[Measured]) -> str:
    """Write a row for each operation, and one with the sum of each kind."""
    rows = [["", *(column.name for column in columns)], ["---", *("---:" for _ in columns)]]
    rows += [line for kind in KINDS for line in _rows(kind, columns)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _rows(kind: str, columns: Sequence[Measured]) -> Iterator[list[str]]:
    names = sorted({name for column in columns for of, name in column.calls if of == kind})
    sums = [sum(count for (of, _), count in column.calls.items() if of == kind) for column in columns]
    yield [f"**{kind}: all**", *(f"**{count}**" for count in sums)]
    for name in names:
        yield [f"{kind}: {name}", *(str(column.calls[kind, name]) for column in columns)]
