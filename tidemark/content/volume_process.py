"""The process that reads a filesystem: it asks for bytes of the disk, and answers what is in folders and files.

It has no way to Azure and no secret: what a guest has made of its disk can do no harm beyond it.
"""

import sys
from dataclasses import asdict
from typing import Any, BinaryIO

from tidemark.content.errors import BrowseError, NoSuchPathError
from tidemark.content.frames import packed, unpacked
from tidemark.content.place import Place
from tidemark.content.volume import Found, Volume


class _Server:
    """Answers on one stream what is asked on the other."""

    def __init__(self, asked: BinaryIO, answers: BinaryIO) -> None:
        self._asked, self._answers = asked, answers
        self._volume: Volume | None = None
        self._found: Found | None = None

    def serve(self) -> None:
        """Answer until nobody asks any more."""
        while line := self._asked.readline():
            values, _ = unpacked(line)
            try:
                answer, content = self._answer(values)
            except NoSuchPathError as error:
                answer, content = {"no_such_path": str(error)}, b""
            except (BrowseError, OSError) as error:
                answer, content = {"error": str(error)}, b""
            self._send(answer, content)

    def _answer(self, values: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        do, path = values["do"], values.get("path", "")
        if self._volume is None:
            self._volume = Volume(self._read, values["size"], Place(*values["place"]))
            return {"in_use": self._volume.was_in_use()}, b""
        if self._found is None or self._found.path != path:
            self._found = self._volume.find(path)
        if do == "find":
            return {"path": self._found.path, "entry": _data(self._found.entry)}, b""
        if do == "entries":
            return {"entries": [_data(entry) for entry in self._volume.entries(self._found)]}, b""
        if do == "require_copyable":
            self._volume.require_copyable(self._found)
            return {}, b""
        return {}, self._volume.read(self._found, values["start"], values["length"])

    def _read(self, start: int, length: int) -> bytes:
        """Ask for bytes of the disk."""
        self._send({"read": [start, length]})
        values, count = unpacked(self._asked.readline())
        if "failed" in values:
            raise OSError("the disk can't be read")
        return self._asked.read(count)

    def _send(self, values: dict[str, Any], content: bytes = b"") -> None:
        self._answers.write(packed(values, content))
        self._answers.flush()


def _data(entry: Any) -> dict[str, Any]:
    return {**asdict(entry), "modified": entry.modified.isoformat() if entry.modified else ""}


def main() -> None:
    """Serve on stdin and stdout."""
    _Server(sys.stdin.buffer, sys.stdout.buffer).serve()
