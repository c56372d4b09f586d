"""What the demo has printed as a picture for the README: `python3 infra/local demo --picture docs/demo.svg`."""

import html
import io
import re
from collections.abc import Sequence

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

_COLUMNS = 120
_TITLE = "python3 infra/local demo"
_GOOD = r"identical[^;(]*|footer valid|e2fsck clean|\d+ files match|\bdone\b|\bsafe\b"
_TYPED = "$ "
_STEPS_LEFT_OUT = re.compile("Extracting |  comparing |  reading back ")  # the list at the end says the same
_COMMANDS_LEFT_OUT = ("$ tidemark backup ", "$ tidemark drill ")  # the restore looks alike
LEFT_OUT = "..."
_FONTS = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


def in_brief(lines: Sequence[str]) -> list[str]:
    """Leave out what is shown elsewhere too, so that the picture is not too long; `...` stands for it."""
    kept, in_command = list[str](), False
    for line in lines:
        in_command = line.startswith(_COMMANDS_LEFT_OUT) or (in_command and line != "")
        is_left_out = in_command or _STEPS_LEFT_OUT.match(line)
        if kept[-1:] != [LEFT_OUT] or not (is_left_out or line == ""):
            kept.append(LEFT_OUT if is_left_out else line)
    return kept


def draw(lines: Sequence[str]) -> str:
    """Draw lines as an SVG. Its description holds them as they are, for those who read it by ear, and for the tests."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in lines:
        text = Text(line, style="dim" if line.startswith("  ") else "bold" if line.startswith(_TYPED) else "")
        text.highlight_regex(r"^\w[^:{]*(?=: )", "bold")
        text.highlight_regex(_GOOD, "green")
        console.print(text, soft_wrap=False, highlight=False)
    svg = console.export_svg(title=_TITLE, theme=MONOKAI, unique_id="demo")
    opening, _, rest = _FONTS.sub("", svg).partition(">")  # fonts would be fetched from elsewhere
    described = html.escape("\n".join(lines), quote=False)
    return f'{opening} role="img"><title>{_TITLE}</title><desc>{described}</desc>{rest}\n'


def drawn(svg: str) -> list[str]:
    """Give the lines that a picture was drawn of."""
    found = re.search(r"<desc>(.*?)</desc>", svg, re.DOTALL)
    return html.unescape(found[1]).splitlines() if found else []
