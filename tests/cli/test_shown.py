"""What the docs show of the command line is what it prints, of a real app: in the order of the page."""

import re
import shlex

import pytest

from tests.app.cloud import until
from tests.cli.conftest import Scene
from tests.cli.content.filesystems import image
from tests.cli.prints import PAGE as ALL_PRINTS
from tests.docs.documents import Block
from tests.docs.shown import not_printed, prints_shown

pytestmark = pytest.mark.xdist_group("cli-shown")
SHOWN = [
    (command, block)
    for command, block in prints_shown()
    if command.startswith("tidemark ") and block.page != ALL_PRINTS
]
WIDE_ENOUGH = "110"
ORDER = ("status", "points", "events", "check", "verify", "costs", "restore", "jobs", "browse")
"""As somebody types them who verifies before a restore, looks at what was asked for, and then at the files."""


def anywhere(text: str) -> str:
    """Give a text without what depends on where its disks are, or on the season."""
    text = re.sub(r"http://127\.0\.0\.1:\d+/disks/[\w-]+", "https://ACCOUNT.blob.core.windows.net/vhds", text)
    text = re.sub(r"^[0-9a-f]{8}(?=  )", "00000000", text, flags=re.MULTILINE)
    return text.replace("CEST", "CET")


def test_each_command_that_is_to_be_shown_is() -> None:
    assert {command.split()[1] for command, _ in SHOWN} == set(ORDER)


async def test_what_is_shown_is_printed(scene: Scene) -> None:
    async def planned() -> bool:
        done = await scene.types("status")
        return "succeeded" in done.out and " stays " in (await scene.types("points", "os")).out

    await until(planned, "the end of the tick, and the retention's plan")
    wrong: list[tuple[Block, list[str]]] = []
    for command, block in sorted(SHOWN, key=lambda shown: ORDER.index(shown[0].split()[1])):
        if command.startswith("tidemark browse"):
            await scene.os.write(0, image("ext4"))
            await scene.app.back_up(scene.os)
        done = await scene.reads(*shlex.split(command)[1:], COLUMNS=WIDE_ENOUGH)
        assert done.code == 0, done.err
        if missing := not_printed(anywhere(block.text), anywhere(done.out)):
            wrong.append((block, [*missing, done.out]))
    assert [tuple(found) for _, found in wrong] == []
