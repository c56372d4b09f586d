"""Exporting recovery points to files: what arrives, and what is refused."""

import asyncio
import hashlib
import os
import random
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from infra.local.disks.disk_changes import data_extents
from infra.local.disks.disk_image import check_filesystem, e2fsprogs_is_installed, make_vhd, read_file
from shared.azure.blobs.reading import BlobReader
from shared.limits import PAGE
from tests.cli.content.blobs import MIB, Blob, Watched
from tests.cli.content.exporting import (
    SIZE,
    UNIT,
    Make,
    content,
    exported,
    held,
    left,
    put,
)
from tidemark.content.errors import ExportError
from tidemark.content.export import Tuning
from tidemark.content.part_file import PartFile
from tidemark.content.progress import Progress, Stage
from tidemark.content.sparse_digest import BLOCK, SparseDigest
from tidemark.content.target import Format, Target

needs_e2fsprogs = pytest.mark.skipif(not e2fsprogs_is_installed(), reason="e2fsprogs is not installed")


class Usage(NamedTuple):
    total: int
    used: int
    free: int


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


async def test_without_a_checksum_the_file_is_the_same(reader: BlobReader, disk: Blob, target: Path) -> None:
    done = await exported(reader, await disk.snapshot(), target, checksum=False)
    assert (held(target) == disk.expected, done.sha256) == (True, "")


@pytest.mark.parametrize("seed", range(20))
def test_a_sparse_digest_is_of_the_content_however_it_is_cut_up(seed: int) -> None:
    rng = random.Random(seed)
    lengths = [rng.choice([1, 512, BLOCK, rng.randrange(4 * BLOCK)]) for _ in range(9)]
    parts = [rng.randbytes(length) if rng.random() < 0.5 else bytes(length) for length in lengths]
    whole, cut = SparseDigest(), SparseDigest()
    whole.add(b"".join(parts))
    for part in parts:
        if any(part):
            cut.add(part)
        else:
            cut.skip(len(part))
    assert cut.hexdigest() == whole.hexdigest()
    content = bytearray(b"".join(parts))
    content[rng.randrange(len(content))] ^= 1
    other = SparseDigest()
    other.add(bytes(content))
    assert other.hexdigest() != whole.hexdigest()


def test_a_sparse_digest_knows_where_things_are_and_takes_no_time_for_zeros() -> None:
    found = set[str]()
    for before in (0, 1, BLOCK, 2 * BLOCK, 2**45):
        digest = SparseDigest()
        digest.skip(before)
        digest.add(b"x")
        digest.skip(2**45)
        found.add(digest.hexdigest())
    assert len(found) == 5


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


async def test_what_an_export_needs_is_asked_for_once_nothing_stands_in_its_way(
    reader: BlobReader, disk: Blob, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched, asked = Watched(reader), list[int]()

    async def ask() -> None:
        asked.append(len(watched.reads))

    version = await disk.snapshot()
    put(target, b"precious")
    with pytest.raises(ExportError, match="exists already"):
        await exported(watched, version, target, before=ask)
    part = target.with_name("disk.vhd.part")
    put(part, b"somebody's")
    with pytest.raises(ExportError, match=r"without disk\.vhd\.part\.json"):
        await exported(watched, version, target, overwrite=True, before=ask)
    part.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: Usage(2 * UNIT, UNIT, UNIT))
        with pytest.raises(ExportError, match="are free"):
            await exported(watched, version, target, overwrite=True, before=ask)
    assert asked == []
    watched.reads.clear()
    await exported(watched, version, target, overwrite=True, before=ask)
    assert asked == [1], "the footer was looked at, and nothing downloaded yet"


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


def test_a_qcow2_needs_room_beside_the_raw_file_it_is_made_of(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(3 * MIB, MIB, 2 * MIB))
    Target(target, Format.RAW, "").require_room(2 * MIB, 2 * MIB)
    Target(target, Format.QCOW2, "qemu-img").require_room(MIB, MIB)
    with pytest.raises(ExportError, match=r"2\.5 MiB are to be written to .*, where 2 MiB are free"):
        Target(target, Format.QCOW2, "qemu-img").require_room(MIB // 2, 2 * MIB)


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
