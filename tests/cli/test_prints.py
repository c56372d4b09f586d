"""The page of what each command prints is of all commands, and of what they print."""

import re
from itertools import zip_longest

import pytest
from typer.main import get_command

from tests.cli.conftest import Scene
from tests.cli.prints import PAGE, prints
from tests.docs.shown import in_form, prints_shown
from tidemark.cli import app

pytestmark = pytest.mark.xdist_group("cli-prints")
HASH = re.compile(r"\b(?:[0-9a-f]{16}|[0-9a-f]{8})\b(?!-)")
SHOWN = [(command, block) for command, block in prints_shown() if block.page == PAGE]


def words_of(text: str) -> list[str]:
    """Give the words of a print without its figures and hashes, however its lines were broken."""
    return in_form(HASH.sub("HASH", text)).split()


def test_the_print_of_each_command_is_shown() -> None:
    assert {command.split()[1] for command, _ in SHOWN} == set(getattr(get_command(app), "commands", {}))


@pytest.mark.nightly
async def test_what_the_page_shows_is_what_a_real_run_prints(scene: Scene) -> None:
    printed = [one async for one in prints(scene)]
    for one, (command, block) in zip_longest(printed, SHOWN):
        assert in_form(" ".join(("tidemark", *one.words))).split()[:2] == command.split()[:2]
        shown = words_of(block.text)
        wanted = words_of(one.printed)
        if shown[-1] == "...":
            shown, wanted = shown[:-1], wanted[: len(shown) - 1]
        in_any_order = one.command == "jobs"  # of two that were asked for at once, either may be the first
        assert (sorted(shown) if in_any_order else shown) == (sorted(wanted) if in_any_order else wanted), block.place
