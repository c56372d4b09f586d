"""Exports that are interrupted, or whose file or source changes: the next call goes on, or begins anew."""

import asyncio
import errno
import hashlib
import itertools
import json
import os
import signal
import sys
from collections.abc import Awaitable
from pathlib import Path

import pytest

from infra.local.gateway import Fault
from infra.local.local_azure import BACKUPS, ROOT, LocalAzure
from shared.azure.blobs.reading import BlobReader
from shared.limits import PAGE
from tests.cli.content.blobs import Blob, Watched
from tests.cli.content.exporting import (
    SIZE,
    SMALL,
    UNIT,
    StruckError,
    content,
    exported,
    failing_at,
    held,
    interrupted,
    left,
    put,
    windows_done,
)
from tidemark.content.errors import ExportError
from tidemark.content.progress import Progress, Stage
from tidemark.content.target import Format

WORKER = ROOT / "tests" / "cli" / "content" / "export_worker.py"


async def test_wherever_a_read_fails_the_next_call_goes_on(reader: BlobReader, disk: Blob, target: Path) -> None:
    version, failed_at = await disk.snapshot(), 0
    watched = Watched(reader)
    await exported(watched, version, target.with_name("whole.vhd"))
    pieces = len(watched.reads)
    for failed_at in itertools.count(2):
        watched = Watched(reader, failing_at(failed_at))
        try:
            done = await exported(watched, version, target, at_once=2)
        except StruckError:
            assert target.name not in left(target)
        else:
            break
    assert held(target) == disk.expected
    assert 2 < failed_at < pieces
    assert done.downloaded < done.valid
    assert done.sha256 == hashlib.sha256(disk.expected).hexdigest()
    assert left(target) == {"disk.vhd", "whole.vhd"}


async def test_a_transient_refusal_and_a_short_answer_are_tried_again(
    azure: LocalAzure, reader: BlobReader, disk: Blob, target: Path
) -> None:
    busy = (503, "ServerBusy", "Slow down.")
    for fault in (Fault("Get Blob", times=1, after=2, refuse=busy), Fault("Get Blob", times=1, cut="midway")):
        azure.gateway.faults.add(fault)
    await exported(reader, await disk.snapshot(), target)
    assert held(target) == disk.expected


@pytest.mark.parametrize("save_every", [0, 3600])
async def test_a_cancelled_export_goes_on(reader: BlobReader, disk: Blob, target: Path, save_every: float) -> None:
    tuning = SMALL._replace(save_every=save_every)
    version, said = await disk.snapshot(), list[str]()

    def cancel(read: int) -> None:
        if read == 8:
            running.cancel()

    running = asyncio.ensure_future(exported(Watched(reader, cancel), version, target, tuning=tuning))
    with pytest.raises(asyncio.CancelledError):
        await running
    assert left(target) == {"disk.vhd.part", "disk.vhd.part.json"}
    done = await exported(reader, version, target, say=said.append)
    assert held(target) == disk.expected
    assert done.downloaded < done.valid
    assert said[0].startswith(f"going on with {target}.part: ")


async def test_a_killed_process_is_gone_on_with(
    azure: LocalAzure, reader: BlobReader, disk: Blob, target: Path
) -> None:
    version, hang = await disk.snapshot(), asyncio.Event()
    azure.gateway.faults.add(Fault("Get Blob", after=5, delay_until=hang))
    arguments = [azure.connection_string(BACKUPS), version.blob.url, version.snapshot, str(target), str(UNIT)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKER), *arguments, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    try:
        while not windows_done(target):
            assert process.returncode is None
            await asyncio.sleep(0.02)
        with pytest.raises(ExportError, match=r"another export is writing .*disk\.vhd\.part"):
            await exported(reader, version, target)
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
        hang.set()
        azure.gateway.faults.clear()
    done = await exported(reader, version, target)
    assert held(target) == disk.expected
    assert done.downloaded < done.valid


async def test_of_two_exports_of_one_file_the_second_is_refused(
    azure: LocalAzure, reader: BlobReader, disk: Blob, target: Path
) -> None:
    version, hang = await disk.snapshot(), asyncio.Event()
    fault = azure.gateway.faults.add(Fault("Get Blob", delay_until=hang))
    first = asyncio.ensure_future(exported(reader, version, target))
    await fault.struck.wait()
    with pytest.raises(ExportError, match=r"another export is writing .* What to do: wait for it"):
        await exported(reader, version, target)
    hang.set()
    await first
    assert held(target) == disk.expected


@pytest.mark.parametrize("place", [3 * UNIT + 700, UNIT // 2, SIZE - 1], ids=["data", "hole", "footer"])
async def test_what_is_changed_on_disk_is_found_and_downloaded_again(
    reader: BlobReader, disk: Blob, target: Path, place: int
) -> None:
    version, part = await disk.snapshot(), target.with_name("disk.vhd.part")

    def spoil(told: Progress) -> None:
        if told.stage is Stage.COMPARE and not told.done:
            with part.open("rb+") as file:
                file.seek(place)
                file.write(bytes([disk.expected[place] ^ 1]))

    first = place // UNIT * UNIT
    last = min(first + UNIT, SIZE) - 1
    with pytest.raises(
        ExportError, match=rf"is not what was downloaded in bytes {first}-{last}: .* What to do: export"
    ):
        await exported(reader, version, target, progress=spoil)
    assert left(target) == {"disk.vhd.part", "disk.vhd.part.json"}
    done = await exported(reader, version, target)
    assert held(target) == disk.expected
    assert done.downloaded <= UNIT


async def test_another_recovery_point_or_format_begins_anew_and_says_so(
    reader: BlobReader, disk: Blob, target: Path
) -> None:
    older = await disk.snapshot()
    await disk.write(4 * UNIT, content(UNIT, 8))
    await disk.clear(3 * UNIT, UNIT)
    newer, said = await disk.snapshot(), list[str]()
    await interrupted(reader, older, target)
    await interrupted(reader, newer, target, say=said.append)
    done = await exported(reader, newer, target, file_format=Format.RAW, say=said.append)
    assert held(target) == disk.expected[:-PAGE]
    assert done.downloaded == done.valid
    assert [sentence.partition(": ")[2] for sentence in said] == [
        "it was of another recovery point",
        f"it was begun as vhd, in windows of {UNIT} bytes, layout 1",
    ]


async def test_a_blob_that_was_written_to_since_is_exported_anew(reader: BlobReader, disk: Blob, target: Path) -> None:
    said = list[str]()
    await interrupted(reader, disk.itself, target)
    await disk.write(4 * UNIT, content(UNIT, 8))
    await exported(reader, disk.itself, target, say=said.append)
    assert held(target) == disk.expected
    assert said[0].endswith("the source has changed since")


async def test_a_blob_that_is_written_to_meanwhile_is_no_export(reader: BlobReader, disk: Blob, target: Path) -> None:
    def write(read: int) -> Awaitable[None] | None:
        return disk.write(0, content(PAGE, 6)) if read == 5 else None

    with pytest.raises(ExportError, match="was written to while it was exported"):
        await exported(Watched(reader, write), disk.itself, target)
    assert target.name not in left(target)
    await exported(reader, disk.itself, target)
    assert held(target) == disk.expected


@pytest.mark.parametrize("record", [b"", b"{}", b'{"source":', b"\xff"])
async def test_a_record_that_cannot_be_read_begins_anew(
    reader: BlobReader, disk: Blob, target: Path, record: bytes
) -> None:
    version, said = await disk.snapshot(), list[str]()
    await interrupted(reader, version, target)
    put(target.with_name("disk.vhd.part.json"), record)
    await exported(reader, version, target, say=said.append)
    assert held(target) == disk.expected
    assert "disk.vhd.part.json can't be read" in said[0]


@pytest.mark.parametrize("change", [{"done": {"9999": ""}}, {"valid": [1, 2]}])
async def test_a_record_that_is_not_of_the_disks_windows_begins_anew(
    reader: BlobReader, disk: Blob, target: Path, change: dict[str, object]
) -> None:
    version, record = await disk.snapshot(), target.with_name("disk.vhd.part.json")
    await interrupted(reader, version, target)
    put(record, json.dumps(json.loads(held(record)) | change).encode())
    await exported(reader, version, target)
    assert held(target) == disk.expected


async def test_a_part_of_another_length_begins_anew(reader: BlobReader, disk: Blob, target: Path) -> None:
    version = await disk.snapshot()
    await interrupted(reader, version, target)
    os.truncate(target.with_name("disk.vhd.part"), UNIT)
    await exported(reader, version, target)
    assert held(target) == disk.expected


async def test_somebody_elses_part_file_is_left_alone(reader: BlobReader, disk: Blob, target: Path) -> None:
    part = target.with_name("disk.vhd.part")
    put(part, b"a browser's")
    with pytest.raises(ExportError, match=r"so it may be somebody's. What to do: move or delete it"):
        await exported(reader, await disk.snapshot(), target)
    assert (held(part), left(target)) == (b"a browser's", {"disk.vhd.part"})


async def test_a_full_disk_is_a_sentence_and_the_next_call_goes_on(
    reader: BlobReader, disk: Blob, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, real = await disk.snapshot(), os.fsync

    def full(handle: int) -> None:
        if windows_done(target) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ExportError, match=r"No space left on device. What to do: make"):
        await exported(reader, version, target)
    monkeypatch.setattr(os, "fsync", real)
    done = await exported(reader, version, target)
    assert held(target) == disk.expected
    assert done.downloaded < done.valid
