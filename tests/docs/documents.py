"""README.md and docs/ as a CommonMark parser reads them: headings, links, code blocks, table rows."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.infra.tree import ROOT

DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = [README, *sorted(DOCS.glob("*.md"))]
_PARSER = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced code block.

    Attributes:
        page: the file that it is in.
        line: the number of its first line, that of the fence.
        language: the first word after the fence.
        options: what follows that word.
        text: what is in it.
        heading: the one that it stands under.
    """

    page: Path
    line: int
    language: str
    options: str
    text: str
    heading: str

    @property
    def place(self) -> str:
        """Where it is, for a message."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@cache
def tokens(page: Path) -> list[Token]:
    """Parse a page."""
    return _PARSER.parse(page.read_text(encoding="utf-8"))


def blocks(*pages: Path) -> list[Block]:
    """Give the code blocks of pages, in order."""
    found = []
    for page in pages or PAGES:
        heading = ""
        for before, token in zip([None, *tokens(page)], tokens(page), strict=False):
            if before and before.type == "heading_open":
                heading = token.content
            if token.type == "fence":
                language, _, options = token.info.strip().partition(" ")
                first = (token.map or [0])[0] + 1
                found.append(Block(page, first, language, options.strip(), token.content, heading))
    return found


def headings(page: Path) -> list[str]:
    """Give the titles of a page, without their markup."""
    pairs = zip(tokens(page), tokens(page)[1:], strict=False)
    return [_plain(inline) for opening, inline in pairs if opening.type == "heading_open"]


def links(page: Path) -> list[str]:
    """Give what a page links to and shows, as it is written."""
    found = []
    for token in tokens(page):
        for child in token.children or []:
            found += [str(child.attrs[name]) for name in ("href", "src") if name in child.attrs]
        if token.type == "html_block" or any(child.type == "html_inline" for child in token.children or []):
            found += re.findall(r'\b(?:href|src)="([^"]+)"', token.content)
    return found


@cache
def section(title: str) -> str:
    """Give what stands under a heading, of whatever level, on whatever page, up to the next one of its level."""
    pattern = re.compile(rf"^(#+) {re.escape(title)}$(.*?)(?=^\1 |\Z)", re.DOTALL | re.MULTILINE)
    found = [match[2] for page in PAGES for match in pattern.finditer(page.read_text(encoding="utf-8"))]
    assert len(found) == 1, f"{len(found)} sections are called {title}"
    return found[0]


def table_row(first: str) -> str:
    """Give the second cell of the one row, of all tables, that begins with this cell."""
    row = re.compile(rf"^\| {re.escape(first)} \| (.*) \|$", re.MULTILINE)
    found = [match[1] for page in PAGES for match in row.finditer(page.read_text(encoding="utf-8"))]
    assert len(found) == 1, f"{len(found)} rows begin with {first}"
    return found[0]


def words(text: str) -> str:
    """Give a text without its line ends, to look for a sentence in."""
    return " ".join(text.split())


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or [] if child.type in {"text", "code_inline"})
