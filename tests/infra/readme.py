"""The README's words and commands."""

import re
from functools import cache

from tests.infra.tree import ROOT


@cache
def section(title: str) -> str:
    """Give what stands under a heading, of whatever level, up to the next one of its level."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"^(#+) {re.escape(title)}$(.*?)(?=^\1 |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found, title
    return found[2]


@cache
def with_azd() -> str:
    """Give how to deploy by azd."""
    return section("Deploy").partition("**Without azd**")[0]


@cache
def step_by_step() -> list[str]:
    """Give the commands of the way without a template for all, a line each, with the loops' own lines."""
    text = section("Deploy").partition("<summary>Step by step")[2].partition("</details>")[0]
    return commands(text)


def commands(text: str) -> list[str]:
    """Give the lines of the code blocks in a text; one that ends in a backslash goes on in the next."""
    blocks = re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [line.strip() for block in blocks for line in re.sub(r"\s*\\\n\s*", " ", block).splitlines() if line.strip()]


def words(text: str) -> str:
    """Give a text without its line ends, to look for a sentence in."""
    return " ".join(text.split())
