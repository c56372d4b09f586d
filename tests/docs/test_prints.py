"""What the docs show of a print is what is printed, in its form; where it takes minutes, by what makes the print."""

import importlib

import pytest

from infra.local.demo.picture import draw, drawn, in_brief
from tests.docs.documents import DOCS
from tests.docs.shown import in_form, not_printed, shown_of

FIRST = "tidemark: "
OF_THE_TOOLS = {
    "All checks passed!",
    "# files already formatted",
    "Success: no issues found in # source files",
}


def test_what_the_test_command_prints_is_what_it_says_that_it_runs() -> None:
    entry = importlib.import_module("infra.local.__main__")
    runs = [*map(" ".join, entry.LINTERS), " ".join(("pytest", *entry.parallel_options(), *entry.MEASURED))]
    for block in shown_of("python3 infra/local test"):
        shown = [in_form(line) for line in block.text.splitlines()]
        assert [line for line in shown if line.startswith(FIRST)] == [in_form(f"{FIRST}{run}") for run in runs]
        rest = {line for line in shown if line != "..." and not line.startswith(FIRST)} - OF_THE_TOOLS
        assert all(line.strip("= ").startswith("# passed, # skipped in #s") for line in rest)


@pytest.mark.parametrize(
    ("shown", "wrong"),
    [
        ("First: 12 MiB (0.5 s)\nSecond: none\n", []),
        ("...\nThird:   2026-01-02T03:04:05.1234567Z\n", []),
        ("First: ...\n...\nThird: 2026-01-01T00:00:00Z\n...\n", []),
        ("First: 12 MiB (0.5 s)\nThird: 2026-01-01T00:00:00Z\n", ["Third: 2026-01-01T00:00:00Z"]),
        ("First: 12 MiB (0.5 s)\n...\nFourth\n", ["Fourth"]),
        ("Second: none\n...\nFirst: 12 MiB (0.5 s)\n", ["First: 12 MiB (0.5 s)"]),
        ("First: 12 MiB, as it was (0.5 s)\n", ["First: 12 MiB, as it was (0.5 s)"]),
    ],
)
def test_a_line_that_is_not_printed_or_not_there_is_found(shown: str, wrong: list[str]) -> None:
    printed = "First: 1.5 GiB (12 s)\nSecond: none\nbetween\nThird: 2026-11-23T00:43:14.5190000Z\n"
    assert not_printed(shown, printed) == wrong


def test_the_picture_leaves_out_what_is_shown_elsewhere_too() -> None:
    printed = ["First", "  comparing it", "", "$ tidemark backup x", "state done", "", "$ tidemark status", "safe", ""]
    assert in_brief(printed) == ["First", "...", "$ tidemark status", "safe", ""]
    assert in_brief(["Extracting it", "  comparing it", "Last"]) == ["...", "Last"]


def test_the_picture_of_the_demo_is_drawn_of_its_print_and_not_by_hand() -> None:
    picture = (DOCS / "demo.svg").read_text(encoding="utf-8")
    assert draw(drawn(picture)) == picture
