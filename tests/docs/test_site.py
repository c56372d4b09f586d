"""The docs are a site that builds without a warning; every link in them, and in the README, leads somewhere."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from tests.docs.documents import DOCS, PAGES, headings, links
from tests.infra.tree import ROOT

CONFIGURATION = ROOT / "mkdocs.yml"
READ_ON_GITHUB = [*PAGES, *sorted({*ROOT.glob("*.md"), *ROOT.glob(".github/**/*.md")} - set(PAGES))]


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a copy of `docs/`, strictly."""
    command = (sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(folder / CONFIGURATION.name))
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(CONFIGURATION, tmp_path)
    return tmp_path


def in_navigation(entries: object) -> list[str]:
    """Name the pages of the navigation, in order."""
    if isinstance(entries, str):
        return [entries]
    inner = entries.values() if isinstance(entries, dict) else entries
    assert isinstance(inner, list | type({}.values()))
    return [page for entry in inner for page in in_navigation(entry)]


def anchors(page: Path) -> set[str]:
    """Name the anchors that GitHub gives a page's headings."""
    found: set[str] = set()
    for heading in headings(page):
        base = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        again = sum(1 for anchor in found if re.fullmatch(rf"{re.escape(base)}(-\d+)?", anchor))
        found.add(f"{base}-{again}" if again else base)
    return found | set(re.findall(r'\b(?:id|name)="([^"]+)"', page.read_text(encoding="utf-8")))


def dead_links(page: Path) -> list[str]:
    """Give the links of a page, within the repository, that lead nowhere."""
    dead = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / unquote(path)).resolve() if path else page
        is_there = target.exists() and target.is_relative_to(ROOT)
        if not is_there or (anchor and (target.suffix != ".md" or anchor not in anchors(target))):
            dead.append(link)
    return dead


def test_the_site_builds_without_a_warning(copied: Path) -> None:
    done = build(copied)
    assert done.returncode == 0, done.stdout
    assert "No issues found" in done.stdout
    assert (copied / ".site" / "index.html").exists()


def test_a_dead_link_and_a_dead_anchor_fail_the_site(copied: Path) -> None:
    with (copied / "docs" / "index.md").open("a") as page:
        page.write("\n[page](no-such-page.md) [anchor](#no-such-anchor)\n")
    done = build(copied)
    assert done.returncode != 0
    assert "page does not exist" in done.stdout
    assert "anchor does not exist" in done.stdout


def test_the_site_fetches_nothing_from_elsewhere_to_show_a_text(copied: Path) -> None:
    assert build(copied).returncode == 0
    text = (copied / ".site" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?:[^"]+)"', text) == []


def test_every_page_is_in_the_navigation_once() -> None:
    navigation = in_navigation(yaml.safe_load(CONFIGURATION.read_text())["nav"])
    assert sorted(navigation) == sorted(path.name for path in DOCS.glob("*.md"))


@pytest.mark.parametrize("page", READ_ON_GITHUB, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    assert dead_links(page) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.docs.test_site.ROOT", tmp_path)
    (tmp_path / "other.md").write_text("# A title, with `code`\n\n## Again\n\n## Again\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[1](other.md#a-title-with-code) [2](other.md#again-1) [3](other.md#again-2) [4](none.md) [5](#none)\n"
        "![6](none.svg) [7](/etc/passwd) [8][ref] <a href='x'></a> [9](https://example.com)\n\n"
        '[ref]: other.md#none\n\n<img src="none.png">\n'
    )
    assert dead_links(page) == [
        "other.md#again-2",
        "none.md",
        "#none",
        "none.svg",
        "/etc/passwd",
        "other.md#none",
        "none.png",
    ]


def test_a_list_in_the_docs_is_a_list_on_the_site_too() -> None:
    # Python-Markdown, which renders the site, wants an empty line before a list, and four spaces for a list within one.
    wrong = []
    for page in DOCS.glob("*.md"):
        text = re.sub(r"^( *)```.*?^\1```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        lines = text.splitlines()
        item = re.compile(r"( *)(?:[-*]|\d+\.) ")
        for before, line in zip(["", *lines], lines, strict=False):
            if not (found := item.match(line)):
                continue
            follows_a_text = before.strip() and not before.startswith((" ", "#", "|")) and not item.match(before)
            if len(found[1]) % 4 or (not found[1] and follows_a_text):
                wrong.append(f"{page.name}: {line}")
    assert wrong == []
