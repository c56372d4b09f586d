"""The terminal: tables without lines, reasons indented below, and no line wider than the terminal."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from shared.model.report import NOT_SAFE, State
from tidemark.outcome import Plain
from tidemark.words import NONE

_INDENT = 2


def out() -> Console:
    """Return what prints to the terminal, 80 columns wide where there is none."""
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=False)


def err() -> Console:
    """The same, for progress: it is kept out of what a command prints."""
    return Console(file=sys.stderr, highlight=False, markup=False, emoji=False)


def show(console: Console, parts: Iterable[Any]) -> None:
    """Print the parts of an answer; where no terminal is, without the spaces at the ends of lines."""
    for part in parts:
        if isinstance(part, Plain):
            console.print(part, soft_wrap=True)
        elif console.is_terminal:
            console.print(part)
        else:
            with console.capture() as captured:
                console.print(part)
            lines = (line.rstrip() for line in captured.get().splitlines())
            console.file.write("".join(f"{line}\n" for line in lines))


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[RenderableType]],
    *,
    numbers: Sequence[int] = (),
    wide: Sequence[int] = (0,),
) -> Table:
    """Make a table: some columns take what space is left, and go on below; no other does."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for place, heading in enumerate(headings):
        how: dict[str, Any] = {"overflow": "fold"} if place in wide else {"no_wrap": True}
        made.add_column(heading, justify="right" if place in numbers else "left", **how)
    for row in rows:
        made.add_row(*row)
    return made


def pairs(rows: Iterable[tuple[str, str]]) -> Table:
    """Make a list of names and values; long values go on below themselves."""
    made = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    made.add_column(no_wrap=True, style="dim")
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, Text(value or NONE))
    return made


def below(text: str) -> Padding:
    """Indent a text."""
    return Padding(Text(text), (0, 0, 0, _INDENT))


def heading(text: str) -> Text:
    """Make a heading."""
    return Text(text, style="bold")


def state(of: State) -> Text:
    """Write a disk's state in its colour."""
    return Text(str(of), style="bold red" if of in NOT_SAFE else "green" if of is State.SAFE else "yellow")
