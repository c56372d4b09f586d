"""The files of a recovery point, read from real filesystems in blobs without a restore."""

import contextlib
import functools
import random
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from infra.local.disks.disk_image import e2fsprogs_is_installed
from infra.local.gateway import Fault
from infra.local.local_azure import LocalAzure
from shared.azure.blobs.reading import BlobReader
from shared.errors import SourceGoneError
from tests.cli.content.blobs import MIB, Blob
from tests.cli.content.exporting import Make, left
from tests.cli.content.filesystems import NUMBERS, Opened, image, opened, put, with_two_partitions
from tidemark.content.cached import BLOCK, Cached
from tidemark.content.copying import checked_target, copy_out
from tidemark.content.entries import Kind
from tidemark.content.errors import BrowseError, NoSuchPathError
from tidemark.content.place import Place
from tidemark.content.places import chosen, mount_commands

type Open = Callable[..., Awaitable[Opened]]
FILES = {
    "ext4": {
        "/etc/motd": b"hello\n",
        "/etc/sub/deep": b"deep\n",
        "/etc/numbers": NUMBERS,
        "/etc/sparse": bytes(300000),
    },
    "ntfs": {
        "/Windows/System32/Config.TXT": b"hello\r\n",
        "/numbers": NUMBERS,
        "/Packed/numbers": NUMBERS,  # compressed by NTFS
        "/sparse": bytes(300000),
    },
    "fat": {"/Motd.txt": b"hello\n", "/EFI/numbers": NUMBERS},
}
ROOTS = {
    "ext4": ["etc", "folder", "lost+found", "ring"],
    "ntfs": ["Packed", "Windows", "elsewhere", "numbers", "sparse"],
    "fat": ["EFI", "Motd.txt"],
}


@pytest.fixture
async def opens(reader: BlobReader) -> AsyncIterator[Open]:
    """Opens a filesystem on a version, as the program does: that of a partition, or the largest."""
    async with contextlib.AsyncExitStack() as stack:
        yield functools.partial(opened, stack, reader)


async def bare(make: Make, name: str) -> Blob:
    """Make a disk that is one filesystem, without partitions."""
    content = image(name)
    blob = await make(len(content))
    await put(blob, 0, content)
    return blob


@pytest.mark.parametrize("name", FILES)
async def test_the_files_of_a_filesystem_are_listed_and_read(opens: Open, make: Make, name: str) -> None:
    disk = await opens(await (await bare(make, name)).snapshot())
    assert disk.place.number == 0
    assert await disk.names("/") == ROOTS[name], "nothing deleted, and nothing that the filesystem keeps for itself"
    for path, content in FILES[name].items():
        assert await disk.content(path) == content
        assert (await disk.find(path)).entry.size == len(content)


async def test_partitions_have_the_systems_numbers_and_the_largest_is_read_unless_another_is_named(
    opens: Open, make: Make
) -> None:
    blob = await make(8 * MIB + 512)
    await with_two_partitions(blob)
    version = await blob.snapshot()
    disk = await opens(version)
    assert disk.places == [Place(2, MIB, 2 * MIB, "ext4"), Place(4, 2 * MIB, 4 * MIB, "NTFS")]
    assert await disk.content("/windows/SYSTEM32/config.txt") == b"hello\r\n", "NTFS ignores case"
    disk = await opens(version, 2)
    assert await disk.content("/etc/motd") == b"hello\n"
    with pytest.raises(NoSuchPathError, match="no Etc in / of partition 2"):
        await disk.find("/Etc/motd")
    with pytest.raises(NoSuchPathError, match="there is no partition 3"):
        await opens(version, 3)


@pytest.mark.parametrize(("number", "path"), [(2, "/etc/numbers"), (4, "/numbers")])
async def test_a_file_takes_few_reads(azure: LocalAzure, opens: Open, make: Make, number: int, path: str) -> None:
    blob = await make(8 * MIB + 512)
    await with_two_partitions(blob)
    version = await blob.snapshot()
    before = len(azure.gateway.requests)
    disk = await opens(version, number)
    assert await disk.content(path) == NUMBERS
    asked = [request.operation for request in azure.gateway.requests[before:]]
    assert set(asked) == {"Get Blob", "Get Blob Properties"}, "nothing is listed, and nothing written"
    assert asked.count("Get Blob") <= 9, "4 of them to find the footer, the partitions and what is in them"


async def test_links_are_followed_within_the_filesystem(opens: Open, make: Make) -> None:
    disk = await opens(await (await bare(make, "ext4")).snapshot())
    assert await disk.content("/etc/link") == b"deep\n"
    assert await disk.names("/folder/") == ["deep"]
    assert (await disk.find("folder/../motd")).path == "/etc/motd"
    assert (await disk.find("/../..")).path == "/"
    links = [entry for entry in await disk.volume.entries("/") if entry.target]
    assert [(entry.kind, entry.target) for entry in links] == [(Kind.LINK, "/etc/sub"), (Kind.LINK, "ring")]
    with pytest.raises(NoSuchPathError, match="ring of links"):
        await disk.find("/ring")
    with pytest.raises(NoSuchPathError, match="/etc/motd is no folder"):
        await disk.find("/etc/motd/x")


async def test_a_name_that_a_guest_has_made_up_does_nothing_to_the_terminal(opens: Open, make: Make) -> None:
    disk = await opens(await (await bare(make, "ext4")).snapshot())
    odd = "odd\\x1b[31m"
    assert odd in await disk.names("/etc")
    assert await disk.content(f"/etc/{odd}") == b"odd\n"


async def test_a_file_whose_content_is_elsewhere_is_refused_and_not_copied_as_zeros(opens: Open, make: Make) -> None:
    disk = await opens(await (await bare(make, "ntfs")).snapshot())
    with pytest.raises(BrowseError, match=r"/elsewhere is a reparse point.* What to do: restore"):
        await disk.content("/elsewhere")


async def test_a_journal_that_is_not_read_is_told(opens: Open, make: Make) -> None:
    blob = await bare(make, "ext4")
    disk = await opens(await blob.snapshot())
    assert not disk.volume.was_in_use
    superblock = bytearray(image("ext4")[1024:2048])
    superblock[96] |= 0x4  # needs_recovery
    await blob.write(1024, bytes(superblock))
    disk = await opens(await blob.snapshot())
    assert disk.volume.was_in_use
    assert await disk.content("/etc/motd") == b"hello\n"


async def test_a_damaged_filesystem_is_told_and_one_that_is_not_known_is_left_to_the_system(
    opens: Open, make: Make
) -> None:
    blob = await bare(make, "ext4")
    await blob.write(2048, random.Random(1).randbytes(32 * 1024))
    disk = await opens(await blob.snapshot())
    with pytest.raises(BrowseError, match=r"can't be read .*What to do: use --mount"):
        await disk.names("/")
    with pytest.raises(NoSuchPathError, match=r"from the whole disk \(XFS, 1 MiB\): .*use --mount"):
        chosen([Place(0, 0, MIB, "XFS")], None)
    mounts = mount_commands([Place(1, 0, MIB, "XFS"), Place(3, MIB, 2 * MIB, "ext4"), Place(5, 0, 0, "swap")], "SOCKET")
    assert mounts.mount == [
        "sudo mount -o ro,norecovery,nouuid /dev/nbd0p1 /mnt",
        "sudo mount -o ro,noload /dev/nbd0p3 /mnt",
    ]


async def test_what_keeps_the_blob_from_being_read_is_said_as_it_is(azure: LocalAzure, opens: Open, make: Make) -> None:
    blob = await bare(make, "ntfs")
    disk = await opens(await blob.snapshot())
    azure.gateway.faults.add(Fault(operation="Get Blob", path=blob.path, refuse=(404, "BlobNotFound", "gone")))
    with pytest.raises(SourceGoneError, match="no longer exists"):
        await disk.content("/numbers")


async def test_a_copy_is_the_file_and_nothing_else_is_left(opens: Open, make: Make, tmp_path: Path) -> None:
    disk = await opens(await (await bare(make, "ext4")).snapshot())
    told = list[tuple[int, int]]()

    async def copied(path: str, to: Path, *, overwrite: bool = False) -> bytes:
        found = await disk.find(path)
        target = checked_target(str(to), found.entry.name, overwrite=overwrite)
        done = await copy_out(disk.volume, found, target, overwrite=overwrite, progress=lambda *done: told.append(done))
        return done.path.read_bytes()

    assert await copied("/etc/numbers", tmp_path) == NUMBERS
    assert await copied("/etc/sparse", tmp_path / "zeros") == bytes(300000)
    assert told == [(len(NUMBERS), len(NUMBERS)), (300000, 300000)]
    assert (tmp_path / "zeros").stat().st_mode & 0o077 == 0, "it may be /etc/shadow"
    with pytest.raises(BrowseError, match=r"numbers exists already. What to do: .*--overwrite"):
        await copied("/etc/motd", tmp_path / "numbers")
    with pytest.raises(BrowseError, match=r"there is no folder .*nowhere"):
        await copied("/etc/motd", tmp_path / "nowhere" / "x")
    with pytest.raises(NoSuchPathError, match="/etc is not a file"):
        await copied("/etc", tmp_path / "x")
    assert await copied("/etc/motd", tmp_path / "numbers", overwrite=True) == b"hello\n"
    assert left(tmp_path / "numbers") == {"numbers", "zeros"}


def made_of(tree: Path, file: Path) -> None:
    program = shutil.which("mkfs.ext4", path="/sbin:/usr/sbin:/bin:/usr/bin")
    assert program
    subprocess.run([program, "-q", "-F", "-d", tree, file], check=True, capture_output=True)


@pytest.mark.skipif(not e2fsprogs_is_installed(), reason="e2fsprogs is not installed; the images are read all the same")
async def test_a_random_tree_is_read_as_it_was_made(opens: Open, make: Make, tmp_path: Path) -> None:
    rng, tree, file = random.Random(5), tmp_path / "tree", tmp_path / "image"
    made = {f"d{rng.randrange(4)}/f{number}": rng.randbytes(rng.randrange(40_000)) for number in range(60)}
    many = [f"{number:04}" for number in range(300)]
    (tree / "many").mkdir(parents=True)
    for name in many:
        (tree / "many" / name).touch()
    for path, content in made.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
    with file.open("wb") as opening:
        opening.truncate(8 * MIB)
    made_of(tree, file)
    blob = await make(8 * MIB)
    await put(blob, 0, file.read_bytes())
    disk = await opens(await blob.snapshot())
    assert await disk.names("/many") == many
    for path, content in made.items():
        assert await disk.content(path) == content


@pytest.mark.parametrize("seed", range(5))
async def test_what_was_read_is_remembered_and_is_what_the_disk_holds(seed: int) -> None:
    rng, size, asked = random.Random(seed), 40 * BLOCK - 100, list[tuple[int, int]]()
    disk = rng.randbytes(size)

    async def read(start: int, length: int) -> bytes:
        asked.append((start, length))
        return disk[start : start + length]

    cached = Cached(read, size, blocks=8)
    for _ in range(200):
        start, length = rng.randrange(size + BLOCK), rng.choice([1, 512, BLOCK, 3 * BLOCK, 20 * BLOCK])
        assert await cached.read(start, length) == disk[start : start + length]
    asked.clear()
    await cached.read(5 * BLOCK + 7, BLOCK)
    await cached.read(5 * BLOCK, 2 * BLOCK)
    assert asked in ([], [(5 * BLOCK, 2 * BLOCK)], [(5 * BLOCK, BLOCK)], [(6 * BLOCK, BLOCK)]), "at most once"


FAILING = {
    "hangs": "import time; time.sleep(60)",
    "crashes": "import os; os.abort()",
    "says nonsense": "print('hello'); import time; time.sleep(60)",
    "is gone": "pass",
}


@pytest.mark.parametrize("code", FAILING.values(), ids=FAILING)
async def test_a_parser_that_fails_is_told_and_ended(
    opens: Open, make: Make, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    version = await (await bare(make, "ext4")).snapshot()
    monkeypatch.setattr("tidemark.content.volumes._CODE", code)
    monkeypatch.setattr("tidemark.content.volumes.PATIENCE_SECONDS", 0.5)
    with pytest.raises(BrowseError, match=r"what reads it has failed.* What to do: use --mount"):
        await opens(version)


async def test_the_parser_knows_no_secret_and_what_it_says_does_nothing_to_the_terminal(
    opens: Open, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = await (await bare(make, "ext4")).snapshot()
    monkeypatch.setenv("TIDEMARK_STORAGE", "AccountKey=secret")
    tell = "print(json.dumps({'error': str(sorted(os.environ)) + chr(27), 'bytes': 0}))"
    monkeypatch.setattr("tidemark.content.volumes._CODE", f"import json, os; {tell}")
    with pytest.raises(BrowseError) as told:
        await opens(version)
    assert "PATH" in str(told.value)
    assert "TIDEMARK" not in str(told.value)
    assert str(told.value).endswith("\\x1b")
