"""Making a qcow2 of a raw disk with QEMU's own program."""

import asyncio
import os
import shutil
from pathlib import Path

from tidemark.content.errors import ExportError
from tidemark.content.threads import in_thread

_LONGEST = 500


def qemu_img() -> str:
    """Find the program.

    Raises:
        ExportError: it is not installed.
    """
    found = shutil.which("qemu-img")
    if found is None:
        raise ExportError(
            "a qcow2 is made by the program qemu-img, which is not installed. What to do: install it (Debian and"
            " Ubuntu: apt install qemu-utils; Fedora and RHEL: dnf install qemu-img; macOS: brew install qemu; Windows:"
            " https://www.qemu.org/download), or export as raw"
        )
    return found


async def convert(program: str, raw: Path, target: Path) -> None:
    """Convert a raw disk, and compare the two; a file that is at the target is overwritten.

    Raises:
        ExportError: the program failed, or the two differ; the message says what it printed.
    """
    source, made = _absolute(raw), _absolute(target)
    await _run(program, "convert", "-f", "raw", "-O", "qcow2", source, made)
    await _run(program, "compare", "-f", "raw", "-F", "qcow2", source, made)
    await in_thread(_sync, target)


def _absolute(path: Path) -> str:
    """Name a file so that the program doesn't take what is before a colon for a protocol."""
    return str(path.absolute())


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        said = " ".join(printed.decode(errors="replace").split())[-_LONGEST:]
        raise ExportError(
            f"qemu-img {command[1]} failed ({process.returncode}): {said}. What to do: make room if the disk is full,"
            " and export again, which goes on from here; or export as raw"
        )
