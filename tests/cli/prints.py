"""What each command prints, of a real app: `.venv/bin/python -m tests.cli.prints` writes docs/prints.md of it."""

import asyncio
import contextlib
import re
import shlex
import tempfile
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import NamedTuple

from infra.local.disks.vhd import FOOTER_BYTES, make_footer
from infra.local.local_azure import run_local_azure
from tests.accounts import BEHIND_A_GATEWAY, OF_THE_HOST
from tests.app.cloud import until
from tests.cli.conftest import Done, Scene, running_scene
from tests.cli.content.filesystems import image
from tests.docs.documents import DOCS

PAGE = DOCS / "prints.md"
WIDE_ENOUGH = "110"
MOST_LINES = 24
_LONG_AGO = 1_767_225_600
_HEADING = """# What each command prints

There are two disks of 1 MiB. Each command of the [command line](command-line.md) is typed, one after the other.
This page is made of a real run, by `.venv/bin/python -m tests.cli.prints`. `...` stands for more of the same.
"""


class Print(NamedTuple):
    """A command as it is typed, and what it printed."""

    words: Sequence[str]
    printed: str

    @property
    def command(self) -> str:
        """The command's name."""
        return self.words[0]


async def prints(scene: Scene) -> AsyncIterator[Print]:
    """Type each command once, in an order that gives each something to do."""
    (scene.cloud.folder / "disks").mkdir()

    async def types(*words: str, code: int = 0) -> Print:
        done = await _typed(scene, words)
        assert done.code == code, (words, done)
        return Print(words, _anywhere(done.out, scene))

    async def job(*words: str) -> tuple[Print, str]:
        """Type a command, and give the id of the job that it asks for."""
        found = await types(*words)
        ids = re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", found.printed)
        return found, str(ids[0])

    async def planned() -> bool:
        done = await scene.types("status")
        return "succeeded" in done.out and " stays " in (await scene.types("points", "os")).out

    async def waits() -> str:
        found = (await scene.types("prune", "--json")).data["plans"]
        return next((str(plan["plan"]) for plan in found if plan["disk"] == scene.os.url), "")

    await until(planned, "the end of the tick, and the retention's plan")
    yield await types("use", "--storage", "tidemarkapp")
    for words in ("status", "status os", "check", "metrics", "points os", "events os"):
        yield await types(*words.split())
    await scene.os.write(0, image("ext4"))
    size = len(scene.os.expected) - FOOTER_BYTES
    await scene.os.write(size, make_footer(size, uuid.UUID(int=1), _LONG_AGO))
    yield await types("changes", "os")
    yield await types("backup", "os", "data", "--keep", "before the upgrade", "--wait")
    await scene.app.back_up(scene.os)
    plan = await until(waits, "a plan of the disk that waits")
    yield await types("prune")
    yield await types("prune", "--approve", plan, "--wait")
    yield await types("verify", "os", "--wait")
    yield await types("drill", "os", "--wait")
    yield await types("keep", "os", "--until", "+90d", "--note", "the last of the year", "--wait")
    oldest = (await scene.data.points())[0].time
    yield await types("forget", "data", "--at", oldest, "--wait")
    yield await types("costs", "os", "--rules", "last=6,daily=14")
    for words in ("export os ./os.vhd", "browse os", "browse os /etc", "browse os /etc/motd --to ."):
        yield await types(*words.split())
    yield await types("unkeep", "os", "--wait")
    restore, restored = await job("restore", "os", "--to", "os-monday.vhd", "--wait")
    yield restore
    trial, kept = await job("restore", "/os.vhd", "--to", "trial.vhd", "--no-adopt", "--expires", "7d", "--wait")
    yield trial
    yield await types("job", restored[:8])
    yield await types("cancel", kept[:8], "--wait")
    yield await types("retire", "os-monday", "--keep-points", "--wait")
    yield await types("jobs", "--all")
    yield await types("orphans", "--wait")
    yield await types("rebuild")


async def _typed(scene: Scene, words: Sequence[str]) -> Done:
    """Run the program in the folder of somebody who may read the accounts; what it writes there is left there."""
    folder = scene.cloud.folder / "disks"
    there = [str(folder / word.removeprefix("./")) if word in {".", "./os.vhd"} else word for word in words]
    return await scene.reads(*there, COLUMNS=WIDE_ENOUGH, TIDEMARK_CONFIG=str(folder / "cli.json"))


def _anywhere(text: str, scene: Scene) -> str:
    """Give a text without what depends on where disks and files are, or on the season."""
    text = re.sub(r"http://127\.0\.0\.1:\d+/disks/[\w-]+", "https://ACCOUNT.blob.core.windows.net/vhds", text)
    text = re.sub(r'container="[\w-]+"', 'container="vhds"', text.replace('account="disks"', 'account="ACCOUNT"'))
    text = text.replace(f"{scene.cloud.folder / 'disks'}/", "./").replace(str(scene.cloud.folder / "disks"), ".")
    return text.replace("CEST", "CET")


def page_of(found: Sequence[Print]) -> str:
    """Write the page: a heading for each command, in the order in which it was first typed."""
    parts, headed = [_HEADING], ""
    for one in found:
        if one.command != headed:
            parts.append(f"## {one.command}\n")
            headed = one.command
        lines = one.printed.splitlines()
        cut = [*lines[:MOST_LINES], *(["..."] if len(lines) > MOST_LINES else [])]
        parts += [f"```sh\n{shlex.join(('tidemark', *one.words))}\n```\n", "```text", *cut, "```\n"]
    return "\n".join(parts)


async def _write() -> None:
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidemark-prints-")))
        azure = await stack.enter_async_context(run_local_azure((*BEHIND_A_GATEWAY, OF_THE_HOST)))
        scene = await stack.enter_async_context(running_scene(azure, folder))
        PAGE.write_text(page_of([one async for one in prints(scene)]), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(_write())
