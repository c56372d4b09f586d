"""What the docs show of a program's output, held against what it prints: figures and times may differ."""

import re

from tests.docs.commands import SHELL, commands_of
from tests.docs.documents import Block, blocks

LEFT_OUT = "..."
_FIGURE = re.compile(r"\d+(?:[.,:]\d+)*")
_AMOUNT = re.compile(r"# ?(?:B|KiB|MiB|GiB|TiB)\b")
_LENGTH = re.compile(r"# (?:s|min|h|d)\b")
_MONTH = re.compile(r"(?<=\d )(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b")
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


def prints_shown() -> list[tuple[str, Block]]:
    """Give each block that shows a print: the command that prints it, the last one before it, and the block."""
    found = []
    for before, block in zip(blocks(), blocks()[1:], strict=False):
        if block.language in {"text", "json"} and before.language == SHELL and block.page == before.page:
            between = block.page.read_text(encoding="utf-8").splitlines()[before.end : block.line - 1]
            if not "".join(between).strip():
                found.append((" ".join(commands_of(before)[-1].words), block))
    return found


def shown_of(command: str) -> list[Block]:
    """Give what the docs show of a command's output."""
    return [block for said, block in prints_shown() if said == command]


def in_form(line: str) -> str:
    """Give a line without its figures and times, and with single spaces."""
    named = _MONTH.sub("MONTH", _DIGEST.sub("DIGEST", _ID.sub("ID", " ".join(line.split()))))
    return _LENGTH.sub("# TIME", _AMOUNT.sub("# B", _FIGURE.sub("#", named)))


def not_printed(shown: str, printed: str) -> list[str]:
    """Give the first line that is shown and not printed where it should be, if there is one.

    The lines shown follow each other in the print; where `...` stands any number of lines is left out. Within a line it
    stands for anything.
    """
    left, position, anywhere = [in_form(line) for line in printed.splitlines()], 0, True
    for line in shown.splitlines():
        if line.strip() == LEFT_OUT:
            anywhere = True
            continue
        pattern = re.compile(".*".join(map(re.escape, in_form(line).split(LEFT_OUT))))
        places = range(position, len(left)) if anywhere else range(position, position + 1)
        found = next((place for place in places if place < len(left) and pattern.fullmatch(left[place])), None)
        if found is None:
            return [line]
        position, anywhere = found + 1, False
    return []
