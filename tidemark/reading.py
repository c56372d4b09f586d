"""`export` and `changes`: what reads the backups themselves, or a disk, rather than the app's rows."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shared.model.disk import Disk, PageBlobDisk
from shared.model.names import MANAGE_QUEUE
from shared.model.point import RecoveryPoint
from shared.model.version import BlobVersion
from tidemark import screen, words
from tidemark.accounts import open_blobs
from tidemark.choice import point_at, points_of, version_of
from tidemark.content.attribution import Part
from tidemark.content.changes import Changes
from tidemark.content.changes import changes as compare
from tidemark.content.export import export as download
from tidemark.content.progress import Progress, Stage
from tidemark.content.target import Format
from tidemark.outcome import Answer, Exit, Problem
from tidemark.store import Store

HELD_FOR = timedelta(days=7)
"""How long the app keeps a recovery point that is being exported."""

FORMATS = tuple(str(found) for found in Format)


async def export(store: Store, disk: str, file: str, at: str, file_format: str, *, overwrite: bool) -> Answer:
    """Write a recovery point to a file.

    Raises:
        Problem: it can't be exported.
    """
    if file_format not in FORMATS:
        raise Problem(f"{file_format!r} is no format. What to do: use one of {', '.join(FORMATS)}")
    name, points = await points_of(store, disk)
    point = point_at(points, at)
    console = screen.err()

    def say(text: str) -> None:
        screen.show(console, [text])

    async def hold() -> None:
        if not point.kept:
            await _hold(store, name, point, say)

    with console.status("") as status:

        def tell(progress: Progress) -> None:
            status.update(_said(progress))

        async with open_blobs() as reader:
            done = await download(
                reader,
                version_of(point),
                Path(file),
                file_format=Format(file_format),
                overwrite=overwrite,
                progress=tell,
                say=say,
                before=hold,
            )
    data = {
        "file": str(done.path),
        "format": str(done.file_format),
        "point": point.time,
        "length": done.length,
        "valid": done.valid,
        "downloaded": done.downloaded,
        "sha256": done.sha256,
        "seconds": round(done.seconds, 1),
    }
    shown = [
        (
            f"{done.path}: the disk as it was at {point.time}, {words.amount(done.length)}, of which"
            f" {words.amount(done.valid)} hold data; read back and compared"
        ),
        f"SHA-256 {done.sha256}",
    ]
    return Answer(data=data, shown=shown)


async def changes(store: Store, disk: str, since: str, until: str) -> Answer:
    """Say what has changed between two recovery points of a disk; or on the disk since its last backup.

    Raises:
        Problem: that can't be told.
    """
    name, points = await points_of(store, disk)
    if since or until:
        newer, older = point_at(points, until or "latest"), point_at(points, since) if since else None
        before = [point for point in points if point.time < newer.time]
        older = older or (before[-1] if before else None)
        if older is not None and older.time >= newer.time:
            raise Problem(
                f"the recovery point {older.time} is not older than {newer.time}. What to do: name an earlier one by"
                " --from; a minute and a day mean their end"
            )
        if older is None:
            raise Problem(f"there is no recovery point before {newer.time}. What to do: see `tidemark points`")
        versions, earlier = (version_of(newer), version_of(older)), before
    else:
        record = await store.record(name)
        if record is None or not record.base_snapshot:
            raise Problem(f"{name} has no backup yet that the disk could be compared with", Exit.ATTENTION)
        if not isinstance(name, PageBlobDisk):
            raise Problem(f"{name} is a managed disk. What to do: compare recovery points of it: --from A --to B")
        blob = name.address
        versions, earlier = (BlobVersion(blob), BlobVersion(blob, record.base_snapshot)), points
    async with open_blobs() as reader:
        found = await compare(reader, *versions, earlier=earlier)
    return Answer(data=_data(found), shown=_shown(found))


async def _hold(store: Store, disk: Disk, point: RecoveryPoint, say: Callable[[str], None]) -> None:
    """Have the app keep a recovery point while it is exported, so that no retention deletes it."""
    until = (datetime.now(UTC) + HELD_FOR).isoformat(timespec="seconds")
    intent = {"do": "keep", "disk": disk.name, "point": point.time, "until": until, "note": "exported"}
    try:
        await store.put(MANAGE_QUEUE, json.dumps(intent))
    except Problem as problem:
        say(f"the retention may delete {point.time} meanwhile, as it can't be kept: {problem}")


def _said(progress: Progress) -> str:
    if progress.stage is Stage.CONVERT:
        return "converting by qemu-img"
    done, total = words.amount(progress.done), words.amount(progress.total)
    return f"{progress.stage}: {done} of {total}, {words.amount(progress.rate)}/s"


def _data(found: Changes) -> dict[str, Any]:
    return {
        "newer": found.newer.name,
        "older": found.older.name,
        "size": found.size,
        "older_size": found.older_size,
        "written": found.written,
        "cleared": found.cleared,
        "ranges": found.ranges,
        "scheme": found.scheme,
        "doubts": list(found.doubts),
        "parts": [asdict(part) for part in found.parts],
        "usual": found.usual,
        "unusual": found.is_unusual,
    }


def _shown(found: Changes) -> Sequence[Any]:
    rows = [_row(part) for part in found.parts if part.ranges]
    table = [screen.table(("WHERE", "FILESYSTEM", "WRITTEN", "CLEARED", "RANGES"), rows, numbers=[2, 3, 4])]
    usual = f"usual are {words.amount(found.usual)}" if found.usual is not None else "what is usual is not known yet"
    return [
        (
            f"{words.amount(found.written)} written, {words.amount(found.cleared)} cleared, in"
            f" {words.many(found.ranges, 'range')} of {words.amount(found.size)}; {usual}"
            f"{': this is many times that' if found.is_unusual else ''}"
        ),
        *(table if rows else []),
        *(screen.below(doubt) for doubt in found.doubts),
    ]


def _row(part: Part) -> tuple[str, ...]:
    return (
        part.name,
        part.filesystem or words.NONE,
        words.amount(part.written),
        words.amount(part.cleared),
        str(part.ranges),
    )
