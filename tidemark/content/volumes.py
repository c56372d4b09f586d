"""A filesystem on a version, read by a process of its own, to which this one gives the bytes that it asks for.

The parser reads what a guest has made of its disk. One that hangs, crashes or is taken over has no secret, and is ended
here.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from azure.core.exceptions import AzureError

from shared.errors import TidemarkError
from tidemark.content.cached import Cached
from tidemark.content.disk_bytes import DiskBytes
from tidemark.content.entries import Entry, Kind, printable
from tidemark.content.errors import BrowseError, NoSuchPathError
from tidemark.content.frames import LONGEST, packed, unpacked
from tidemark.content.place import Place

PATIENCE_SECONDS = 60.0
"""How long the process may take without asking for a byte."""

_CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from tidemark.content.volume_process import main; main()"
)
_KEPT = frozenset({"PATH", "SYSTEMROOT"})


class At(NamedTuple):
    """What is at a path.

    Attributes:
        path: without links.
        entry: what it is.
    """

    path: str
    entry: Entry


@contextlib.asynccontextmanager
async def opened_volume(content: DiskBytes, place: Place) -> AsyncIterator["OpenVolume"]:
    """Open a filesystem.

    Args:
        content: the disk's bytes.
        place: where the filesystem is.

    Raises:
        BrowseError: it can't be read.
        TidemarkError, AzureError: the disk can't be.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-c", _CODE, json.dumps([path or str(Path.cwd()) for path in sys.path])),
        env={name: value for name, value in os.environ.items() if name.upper() in _KEPT},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=LONGEST,
        start_new_session=True,  # Ctrl-C is for this process, which ends that one
    )
    volume = OpenVolume(process, content, place)
    try:
        await volume.open()
        yield volume
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class OpenVolume:
    """A filesystem that is open.

    Attributes:
        was_in_use: whether its journal holds changes that are not seen: it was mounted when its snapshot was taken.
    """

    def __init__(self, process: asyncio.subprocess.Process, content: DiskBytes, place: Place) -> None:
        self.was_in_use = False
        self._process, self._size, self._place = process, content.size, place
        self._cached = Cached(content.read, content.size)

    async def open(self) -> None:
        """Have it opened."""
        answer, _ = await self._asked("open", size=self._size, place=list(self._place))
        self.was_in_use = bool(answer.get("in_use"))

    async def find(self, path: str) -> At:
        """Find a file or a folder; links are followed within the filesystem.

        Raises:
            NoSuchPathError: there is none.
            BrowseError: a folder on the way can't be read.
        """
        answer, _ = await self._asked("find", path=path)
        return At(printable(str(answer["path"])), _entry(answer["entry"]))

    async def entries(self, path: str) -> list[Entry]:
        """List a folder by name.

        Raises:
            NoSuchPathError: it is no folder.
            BrowseError: it can't be read.
        """
        answer, _ = await self._asked("entries", path=path)
        return [_entry(found) for found in answer["entries"]]

    async def require_copyable(self, path: str) -> None:
        """Require a file whose content is all there.

        Raises:
            NoSuchPathError: it is none.
            BrowseError: its content is elsewhere, or encrypted.
        """
        await self._asked("require_copyable", path=path)

    async def read(self, path: str, start: int, length: int) -> bytes:
        """Read bytes of a file.

        Raises:
            BrowseError: they can't be read.
        """
        _, content = await self._asked("read", path=path, start=start, length=length)
        if len(content) != length:
            raise BrowseError(f"{path} can't be read to its end")
        return content

    async def _asked(self, do: str, **values: Any) -> tuple[dict[str, Any], bytes]:
        """Ask for something; give the bytes that it takes, and the answer."""
        failed: Exception | None = None
        frame = packed({"do": do, **values})
        while True:
            answer, content = await self._exchanged(frame)
            if "read" in answer:
                try:
                    start, length = answer["read"]
                    frame = packed({}, await self._cached.read(int(start), int(length)))
                except (AzureError, TidemarkError) as error:
                    failed, frame = error, packed({"failed": True})
                continue
            if failed:
                raise failed
            if "no_such_path" in answer:
                raise NoSuchPathError(printable(str(answer["no_such_path"])))
            if "error" in answer:
                raise BrowseError(printable(str(answer["error"])))
            return answer, content

    async def _exchanged(self, frame: bytes) -> tuple[dict[str, Any], bytes]:
        """Send a frame, and receive the next."""
        sending, receiving = self._process.stdin, self._process.stdout
        if sending is None or receiving is None:
            raise TypeError("the process has no pipes")
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                sending.write(frame)
                await sending.drain()
                answer, count = unpacked(await receiving.readline())
                return answer, await receiving.readexactly(count)
        except (TimeoutError, ValueError, EOFError, ConnectionError) as error:
            raise BrowseError(
                f"{self._place.name} can't be read: what reads it has failed, so the filesystem may be damaged. What to"
                " do: use --mount, with which your system reads it"
            ) from error


def _entry(data: Mapping[str, Any]) -> Entry:
    modified = str(data["modified"])
    return Entry(
        name=printable(str(data["name"])),
        kind=Kind(data["kind"]),
        size=None if data["size"] is None else int(data["size"]),
        modified=datetime.fromisoformat(modified) if modified else None,
        target=printable(str(data["target"])),
    )
