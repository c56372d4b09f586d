"""`browse`: the files of a recovery point, without a restore.

Only what is looked at is read, by a URL that reads this one snapshot for an hour. It stays in this process, which reads
the filesystem itself, or serves the disk to this machine's own system to mount.
"""

import asyncio
import contextlib
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from shared.content.filesystems import DiskContent
from shared.content.partition_tables import SECTOR
from shared.content.reading import read_content
from shared.model.point import PointState
from tidemark import screen, words
from tidemark.accounts import open_blobs
from tidemark.choice import point_at, points_of, version_of
from tidemark.content.access import Reading
from tidemark.content.copying import checked_target, copy_out
from tidemark.content.disk_bytes import DiskBytes
from tidemark.content.entries import Entry, Kind
from tidemark.content.errors import NoSuchPathError
from tidemark.content.nbd import served
from tidemark.content.pieces import PieceReader
from tidemark.content.place import Place
from tidemark.content.places import chosen, mount_commands, places
from tidemark.content.volumes import At, OpenVolume, opened_volume
from tidemark.outcome import Answer, Plain, Problem
from tidemark.store import Store

LIFETIME = timedelta(hours=1)
"""How long the URL is valid by which a recovery point is read; it is signed again in time."""

AT_ONCE = 8
"""Reads of at most 4 MiB that are under way at a time."""

_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is wanted of a recovery point.

    Attributes:
        at: which recovery point.
        path: the file or folder; empty for the partitions.
        partition: its partition; None for the largest whose files can be read.
        to: where a copy of the file goes; empty for none.
        overwrite: whether that may be there.
        mount: whether to serve the disk instead.
        as_json: whether what is found is for a program.
    """

    at: str
    path: str
    partition: int | None
    to: str
    overwrite: bool
    mount: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class _Disk:
    """A recovery point that is open.

    Attributes:
        said: which it is, for people.
        data: the same, and what is on it, for programs.
        content: its bytes.
        found: what was recognized on it.
        places: where its filesystems are.
    """

    said: str
    data: dict[str, Any]
    content: DiskBytes
    found: DiskContent
    places: Sequence[Place]


async def browse(store: Store, text: str, wanted: Wanted) -> Answer:
    """List the partitions of a recovery point, or a folder; or copy a file out of it; or serve it to be mounted.

    Raises:
        Problem: that can't be read; the message says why.
    """
    if wanted.mount:
        return await _mount(store, text, wanted)
    if wanted.to and not wanted.path:
        raise Problem("--to takes the path of a file. What to do: give PATH, after DISK")
    async with _opened(store, text, wanted.at) as disk:
        if not wanted.path:
            return Answer(data=disk.data, shown=_partitions(disk))
        try:
            return await _files(disk, wanted)
        except NoSuchPathError as error:
            raise Problem(str(error)) from None


async def _files(disk: _Disk, wanted: Wanted) -> Answer:
    """List a folder, or copy a file out."""
    place = chosen(disk.places, wanted.partition)
    if find_spec("pytsk3") is None:
        raise Problem(
            "files are read by pytsk3, which is not installed. What to do: python3 -m pip install pytsk3, or use"
            " --mount, with which your system reads them"
        )
    async with opened_volume(disk.content, place) as volume:
        return await _looked(disk, volume, place, wanted)


async def _looked(disk: _Disk, volume: OpenVolume, place: Place, wanted: Wanted) -> Answer:
    found = await volume.find(wanted.path)
    where = f"{found.path} in {place.name}"
    disk.data.update(partition=place.number, path=found.path, kind=str(found.entry.kind))
    notes = [screen.below(note) for note in (*disk.data["doubts"], *([_IN_USE] if volume.was_in_use else []))]
    disk.data["in_use"] = volume.was_in_use
    if wanted.to:
        return Answer(data=disk.data, shown=[disk.said, *await _copied(disk, volume, found, wanted, where), *notes])
    entries = await volume.entries(found.path) if found.entry.kind is Kind.FOLDER else [found.entry]
    disk.data["entries"] = [_data(entry) for entry in entries]
    return Answer(data=disk.data, shown=[disk.said, where, _table(entries), *notes])


async def _mount(store: Store, text: str, wanted: Wanted) -> Answer:
    """Serve a recovery point to this machine's system until it is stopped; what to type to mount it is printed."""
    if wanted.as_json or wanted.path or wanted.to:
        raise Problem("--mount serves the whole disk, until it is stopped. What to do: leave out PATH, --to and --json")
    if not hasattr(asyncio, "start_unix_server"):
        raise Problem("--mount needs Linux. What to do: use WSL, or leave it out to list and copy files")
    async with _opened(store, text, wanted.at) as disk:
        with tempfile.TemporaryDirectory(prefix="tidemark-") as folder:
            socket = Path(folder) / "nbd"
            err = screen.err()
            async with served(disk.content.read, disk.content.size, socket, lambda said: screen.show(err, [said])):
                screen.show(screen.out(), _mounting(disk, str(socket)))
                await _stopped()
    return Answer(data={}, shown=["it is not served any more"])


@contextlib.asynccontextmanager
async def _opened(store: Store, text: str, at: str) -> AsyncIterator[_Disk]:
    """Open a recovery point, and look at what is on it."""
    name, points = await points_of(store, text)
    point = point_at(points, at)
    version = version_of(point)
    async with open_blobs() as reader:
        reading = Reading(reader)
        size = (await reader.properties(version)).size
        found = await read_content(reading, version, size, lifetime=LIFETIME)
        size -= SECTOR if found.has_footer else 0
        content = DiskBytes(PieceReader(reading, version, AT_ONCE, lifetime=LIFETIME), size)
        where = places(found, size)
        data = {
            "disk": name.name,
            "point": point.time,
            "size": size,
            "scheme": found.table.scheme,
            "doubts": [
                *([f"this recovery point is damaged: {point.damage}"] if point.state is PointState.DAMAGED else []),
                *found.table.doubts,
                *(f"not read: {what}" for what in found.table.left_out),
            ],
            "partitions": [
                {
                    "number": place.number,
                    "start": place.start,
                    "size": place.length,
                    "filesystem": place.filesystem,
                    "readable": place.is_readable,
                }
                for place in where
            ],
            "partition": None,
            "path": "",
            "kind": "",
            "in_use": False,
            "entries": [],
            "file": "",
            "sha256": "",
        }
        yield _Disk(f"{name.name}, as it was at {point.time}", data, content, found, where)


async def _copied(disk: _Disk, volume: OpenVolume, found: At, wanted: Wanted, where: str) -> list[Any]:
    """Copy a file out; say what was copied."""
    with screen.err().status("") as status:
        path = checked_target(wanted.to, found.entry.name, overwrite=wanted.overwrite)
        copied = await copy_out(
            volume,
            found,
            path,
            overwrite=wanted.overwrite,
            progress=lambda done, total: status.update(f"{words.amount(done)} of {words.amount(total)}"),
        )
    disk.data.update(file=str(copied.path), sha256=copied.sha256, entries=[_data(found.entry)])
    return [f"{copied.path}: {where}, {words.amount(copied.length)}", f"SHA-256 {copied.sha256}"]


_IN_USE = (
    "It was in use when it was backed up: what was written in the last seconds before may be in its journal only, which"
    " is not read."
)


def _partitions(disk: _Disk) -> list[Any]:
    rows = [
        (
            str(place.number or words.NONE),
            words.amount(place.start),
            words.amount(place.length),
            place.filesystem or words.NONE,
            "yes" if place.is_readable else "by --mount",
        )
        for place in disk.places
    ]
    return [
        disk.said,
        disk.found.table.scheme or "no partition table",
        screen.table(("PARTITION", "START", "SIZE", "FILESYSTEM", "FILES"), rows, numbers=[1, 2]),
        *(screen.below(doubt) for doubt in disk.data["doubts"]),
    ]


def _table(entries: Sequence[Entry]) -> Any:
    now = datetime.now(UTC)
    rows = [
        (
            words.amount(entry.size),
            words.local(entry.modified, now),
            entry.name
            + ("/" if entry.kind is Kind.FOLDER else f" -> {entry.target}" if entry.kind is Kind.LINK else ""),
        )
        for entry in entries
    ]
    return screen.table(("SIZE", "MODIFIED", "NAME"), rows, numbers=[0], wide=[2])


def _data(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "kind": str(entry.kind),
        "size": entry.size,
        "modified": entry.modified.isoformat() if entry.modified else "",
        "target": entry.target,
    }


def _mounting(disk: _Disk, socket: str) -> list[Any]:
    """Say how to mount what is served."""
    commands = mount_commands(disk.places, socket)
    tool = "nbd-client"
    missing = not shutil.which(tool) and not any((Path(folder) / tool).exists() for folder in _SBIN)
    how = [f"{tool} is not installed: get it by `apt install {tool}`, or `dnf install nbd`"] if missing else []
    return [
        f"serving {disk.said}, read-only, until Ctrl-C. On Linux, type in another terminal:",
        *_typed(commands.attach),
        *(["then what you need of:", *_typed(commands.mount)] if commands.mount else []),
        "and at the end:",
        *_typed(commands.detach),
        *how,
    ]


def _typed(commands: Sequence[str]) -> list[Plain]:
    return [Plain(f"  {command}") for command in commands]


async def _stopped() -> None:
    """Wait until somebody stops it."""
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
