"""Exporting recovery points to files: what arrives, whatever interrupts it."""

import asyncio
import errno
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from infra.local.disks.disk_changes import data_extents
from infra.local.disks.disk_image import check_filesystem, e2fsprogs_is_installed, make_vhd, read_file
from infra.local.gateway import Fault
from infra.local.local_azure import BACKUPS, ROOT, LocalAzure
from shared.azure.blobs.reading import BlobReader
from shared.limits import PAGE
from shared.model.version import BlobVersion
from tests.cli.blobs import MIB, Blob, Watched
from tidemark.content.errors import ExportError
from tidemark.content.export import Exported, Tuning, export
from tidemark.content.part_file import PartFile
from tidemark.content.progress import Progress, Stage
from tidemark.content.target import Format

type Make = Callable[[int], Awaitable[Blob]]

UNIT = MIB // 4
SMALL = Tuning(window=UNIT, save_every=0)
SIZE = 16 * UNIT + PAGE
WORKER = ROOT / "tests" / "cli" / "export_worker.py"


needs_e2fsprogs = pytest.mark.skipif(not e2fsprogs_is_installed(), reason="e2fsprogs is not installed")


class Usage(NamedTuple):
    total: int
    used: int
    free: int


class StruckError(Exception):
    """What ends an export in a test."""


def content(length: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(length)


@pytest.fixture
async def disk(make: Make) -> Blob:
    """A VHD of a few ranges: short, long, across windows, of zeros, and cleared."""
    blob = await make(SIZE)
    await blob.write(0, content(PAGE))
    await blob.write(UNIT - PAGE, content(2 * PAGE, 2))
    await blob.write(3 * UNIT, content(5 * UNIT + 3 * PAGE, 3))
    await blob.write(10 * UNIT, bytes(2 * PAGE))
    await blob.write(12 * UNIT, content(UNIT, 4))
    await blob.clear(12 * UNIT + UNIT // 4, UNIT // 2)
    await blob.write_footer()
    return blob


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "disk.vhd"


async def exported(reader: BlobReader | Watched, version: BlobVersion, target: Path, **options: object) -> Exported:
    return await export(reader, version, target, **{"tuning": SMALL, **options})  # type: ignore[arg-type]


def held(path: Path) -> bytes:
    return path.read_bytes()


def put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def left(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir()}


async def test_a_vhd_is_the_blob_byte_for_byte(reader: BlobReader, disk: Blob, target: Path) -> None:
    version = await disk.snapshot()
    told = list[Progress]()
    done = await exported(reader, version, target, progress=told.append)
    assert held(target) == disk.expected
    assert left(target) == {"disk.vhd"}
    valid = len(disk.valid) * PAGE
    assert (done.length, done.valid, done.downloaded, done.has_footer) == (SIZE, valid, valid, True)
    assert done.sha256 == hashlib.sha256(disk.expected).hexdigest()
    assert [(told[0].done, told[0].total), told[-1][:3]] == [(0, valid), (Stage.COMPARE, SIZE, SIZE)]
    assert (Stage.DOWNLOAD, valid, valid) in {found[:3] for found in told}
    assert max(found.rate for found in told) > 0


async def test_a_snapshot_is_exported_as_it_was_and_a_blob_as_it_is(
    reader: BlobReader, disk: Blob, target: Path
) -> None:
    before, version = bytes(disk.expected), await disk.snapshot()
    await disk.write(5 * UNIT, content(UNIT, 9))
    await exported(reader, version, target)
    assert held(target) == before
    await exported(reader, disk.itself, target, overwrite=True)
    assert held(target) == disk.expected


async def test_what_is_not_valid_is_neither_read_nor_written(reader: BlobReader, disk: Blob, target: Path) -> None:
    watched = Watched(reader)
    await exported(watched, await disk.snapshot(), target)
    read = {page for piece in watched.reads for page in range(piece.start // PAGE, piece.end // PAGE)}
    assert read == disk.valid
    written = {page for start, end in data_extents(target, SIZE) for page in range(start // PAGE, end // PAGE)}
    block = 4096 // PAGE
    assert {page // block for page in written} == {page // block for page in disk.valid}


async def test_no_more_is_in_memory_than_as_many_pieces_as_are_read_at_once(
    reader: BlobReader, make: Make, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob, watched, write = await make(20 * MIB), Watched(reader), PartFile.write
    await blob.write(0, content(20 * MIB))

    def slowly(part: PartFile, start: int, written: bytes) -> None:
        time.sleep(0.1)
        write(part, start, written)

    def used(told: Progress) -> None:
        if told.stage is Stage.DOWNLOAD:
            watched.used = told.done + PAGE  # and the last page, which was looked at first

    monkeypatch.setattr(PartFile, "write", slowly)
    await exported(watched, await blob.snapshot(), target, at_once=3, progress=used, tuning=Tuning())
    assert watched.most == 3 * 4 * MIB
    assert held(target) == blob.expected


@pytest.mark.parametrize("has_footer", [True, False])
async def test_a_raw_file_has_no_footer(reader: BlobReader, disk: Blob, target: Path, *, has_footer: bool) -> None:
    if not has_footer:
        await disk.clear(SIZE - PAGE, PAGE)
    said = list[str]()
    done = await exported(reader, await disk.snapshot(), target, file_format=Format.RAW, say=said.append)
    length = SIZE - PAGE if has_footer else SIZE
    assert held(target) == disk.expected[:length]
    assert (done.length, done.has_footer, said) == (length, has_footer, [])


@pytest.mark.parametrize("size", [0, PAGE, 4 * PAGE])
async def test_a_blob_without_a_footer_is_exported_and_called_no_vhd(
    reader: BlobReader, make: Make, target: Path, size: int
) -> None:
    blob, said = await make(size), list[str]()
    await exported(reader, await blob.snapshot(), target, say=said.append)
    assert (held(target), "no VHD" in said[0], left(target)) == (bytes(size), True, {"disk.vhd"})


@needs_e2fsprogs
async def test_a_filesystem_in_an_exported_disk_is_whole(reader: BlobReader, make: Make, tmp_path: Path) -> None:
    image, target = tmp_path / "image.vhd", tmp_path / "disk.raw"
    make_vhd(image, 16 * MIB, {"etc/motd": b"hello\n" * 1000})
    blob = await make(16 * MIB + PAGE)
    for start, end in data_extents(image, len(blob.expected)):
        await blob.write(start, held(image)[start:end])
    await exported(reader, await blob.snapshot(), target, file_format=Format.RAW)
    checked = check_filesystem(target)
    assert checked
    assert checked.clean
    assert read_file(target, "etc/motd") == b"hello\n" * 1000


async def test_wherever_a_read_fails_the_next_call_goes_on(reader: BlobReader, disk: Blob, target: Path) -> None:
    version, failed_at = await disk.snapshot(), 0
    watched = Watched(reader)
    await exported(watched, version, target.with_name("whole.vhd"))
    pieces = len(watched.reads)
    for failed_at in itertools.count(2):
        watched = Watched(reader, _failing_at(failed_at))
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


def _failing_at(number: int) -> Callable[[int], None]:
    def before(read: int) -> None:
        if read == number:
            raise StruckError

    return before


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
        while not _windows_done(target):
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


def _windows_done(target: Path) -> int:
    record = target.with_name(f"{target.name}.part.json")
    return len(json.loads(record.read_text())["done"]) if record.exists() else 0


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


async def interrupted(reader: BlobReader, version: BlobVersion, target: Path, **options: object) -> None:
    with pytest.raises(StruckError):
        await exported(Watched(reader, _failing_at(9)), version, target, at_once=2, **options)
    assert _windows_done(target)


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
        f"it was begun as vhd, in windows of {UNIT} bytes",
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


async def test_a_file_that_is_there_is_overwritten_only_if_that_is_said(
    reader: BlobReader, disk: Blob, target: Path
) -> None:
    put(target, b"precious")
    version = await disk.snapshot()
    with pytest.raises(ExportError, match=r"exists already. What to do: "):
        await exported(reader, version, target)
    assert (held(target), left(target)) == (b"precious", {"disk.vhd"})
    await exported(reader, version, target, overwrite=True)
    assert held(target) == disk.expected


async def test_a_file_that_appears_meanwhile_is_not_overwritten(reader: BlobReader, disk: Blob, target: Path) -> None:
    with pytest.raises(ExportError, match="exists already"):
        await exported(reader, await disk.snapshot(), target, progress=lambda _: put(target, b"precious"))
    assert held(target) == b"precious"


async def test_what_cannot_be_a_file_is_refused(reader: BlobReader, disk: Blob, tmp_path: Path) -> None:
    version = await disk.snapshot()
    with pytest.raises(ExportError, match=r"there is no folder .*/nowhere. What to do"):
        await exported(reader, version, tmp_path / "nowhere" / "disk.vhd")
    with pytest.raises(ExportError, match=r"is no file. What to do"):
        await exported(reader, version, tmp_path, overwrite=True)
    assert left(tmp_path / "disk.vhd") == set()


async def test_without_room_nothing_is_downloaded(
    reader: BlobReader, disk: Blob, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2 * UNIT, UNIT, UNIT))
    watched = Watched(reader)
    with pytest.raises(ExportError, match=r"1\.4 MiB are to be written to .*, where 256 KiB are free. What to do"):
        await exported(watched, await disk.snapshot(), target)
    assert (len(watched.reads), left(target)) == (1, set())


async def test_a_full_disk_is_a_sentence_and_the_next_call_goes_on(
    reader: BlobReader, disk: Blob, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, real = await disk.snapshot(), os.fsync

    def full(handle: int) -> None:
        if _windows_done(target) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ExportError, match=r"No space left on device. What to do: make"):
        await exported(reader, version, target)
    monkeypatch.setattr(os, "fsync", real)
    done = await exported(reader, version, target)
    assert held(target) == disk.expected
    assert done.downloaded < done.valid


async def test_a_qcow2_without_the_program_says_how_to_install_it(
    reader: BlobReader, disk: Blob, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ExportError, match=r"qemu-img, which is not installed. What to do: install it .*qemu-utils"):
        await exported(reader, await disk.snapshot(), target, file_format=Format.QCOW2)
    assert left(target) == set()


@pytest.mark.skipif(not shutil.which("qemu-img"), reason="qemu-img is not installed")
async def test_a_qcow2_holds_the_disk_without_its_footer(reader: BlobReader, disk: Blob, target: Path) -> None:
    await exported(reader, await disk.snapshot(), target, file_format=Format.QCOW2)
    assert left(target) == {"disk.vhd"}
    raw = target.with_name("raw")
    convert = ("convert", "-f", "qcow2", "-O", "raw", str(target), str(raw))
    process = await asyncio.create_subprocess_exec("qemu-img", *convert)
    assert await process.wait() == 0
    assert held(raw) == disk.expected[:-PAGE]


async def test_a_conversion_that_fails_says_what_was_printed_and_loses_nothing(
    reader: BlobReader,
    disk: Blob,
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("programs")
    program = folder / "qemu-img"
    program.write_text("#!/bin/sh\necho no luck; exit 3\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    version = await disk.snapshot()
    with pytest.raises(ExportError, match=r"qemu-img convert failed \(3\): no luck. What to do"):
        await exported(reader, version, target, file_format=Format.QCOW2)
    assert left(target) == {"disk.vhd.part", "disk.vhd.part.json"}
    # Copies as the program does, so that what is around it can be seen without it.
    program.write_text('#!/bin/sh\nif [ $1 = convert ]; then cp "$6" "$7"; else cmp "$6" "$7"; fi\n')
    done = await exported(reader, version, target, file_format=Format.QCOW2)
    assert (held(target), left(target)) == (bytes(disk.expected[:-PAGE]), {"disk.vhd"})
    assert done.downloaded == 0
