"""The files of a recovery point, read from real filesystems in blobs without a restore."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from infra.local.disks.disk_image import e2fsprogs_is_installed
from infra.local.gateway import Fault
from infra.local.local_azure import LocalAzure
from shared.azure.blobs.reading import BlobReader
from shared.errors import SourceGoneError
from tests.cli.content.blobs import MIB, Blob
from tests.cli.content.exporting import Make, left
from tests.cli.content.filesystems import NUMBERS, image, opened, put, with_two_partitions
from tidemark.content.copying import checked_target, copy_out
from tidemark.content.entries import Kind
from tidemark.content.errors import BrowseError, NoSuchPathError
from tidemark.content.places import Place, chosen, mount_commands
from tidemark.content.threads import in_thread

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


async def bare(make: Make, name: str) -> Blob:
    """Make a disk that is one filesystem, without partitions."""
    content = image(name)
    blob = await make(len(content))
    await put(blob, 0, content)
    return blob


@pytest.mark.parametrize("name", FILES)
async def test_the_files_of_a_filesystem_are_listed_and_read(reader: BlobReader, make: Make, name: str) -> None:
    disk = await opened(reader, await (await bare(make, name)).snapshot())
    assert disk.place.number == 0
    assert await disk.names("/") == ROOTS[name], "nothing deleted, and nothing that the filesystem keeps for itself"
    for path, content in FILES[name].items():
        assert await disk.content(path) == content
        assert (await disk.find(path)).entry.size == len(content)


async def test_partitions_have_the_systems_numbers_and_the_largest_is_read_unless_another_is_named(
    reader: BlobReader, make: Make
) -> None:
    blob = await make(8 * MIB + 512)
    await with_two_partitions(blob)
    version = await blob.snapshot()
    disk = await opened(reader, version)
    assert disk.places == [Place(2, MIB, 2 * MIB, "ext4"), Place(4, 2 * MIB, 4 * MIB, "NTFS")]
    assert await disk.content("/windows/SYSTEM32/config.txt") == b"hello\r\n", "NTFS ignores case"
    disk = await opened(reader, version, 2)
    assert await disk.content("/etc/motd") == b"hello\n"
    with pytest.raises(NoSuchPathError, match="no Etc in / of partition 2"):
        await disk.find("/Etc/motd")
    with pytest.raises(NoSuchPathError, match="there is no partition 3"):
        await opened(reader, version, 3)


@pytest.mark.parametrize(("number", "path"), [(2, "/etc/numbers"), (4, "/numbers")])
async def test_a_file_takes_few_reads(
    azure: LocalAzure, reader: BlobReader, make: Make, number: int, path: str
) -> None:
    blob = await make(8 * MIB + 512)
    await with_two_partitions(blob)
    version = await blob.snapshot()
    before = len(azure.gateway.requests)
    disk = await opened(reader, version, number)
    assert await disk.content(path) == NUMBERS
    asked = [request.operation for request in azure.gateway.requests[before:]]
    assert set(asked) == {"Get Blob", "Get Blob Properties"}, "nothing is listed, and nothing written"
    assert asked.count("Get Blob") <= 9, "4 of them to find the footer, the partitions and what is in them"


async def test_links_are_followed_within_the_filesystem(reader: BlobReader, make: Make) -> None:
    disk = await opened(reader, await (await bare(make, "ext4")).snapshot())
    assert await disk.content("/etc/link") == b"deep\n"
    assert await disk.names("/folder/") == ["deep"]
    assert (await disk.find("folder/../motd")).path == "/etc/motd"
    assert (await disk.find("/../..")).path == "/"
    links = [entry for entry in await in_thread(disk.volume.entries, await disk.find("/")) if entry.target]
    assert [(entry.kind, entry.target) for entry in links] == [(Kind.LINK, "/etc/sub"), (Kind.LINK, "ring")]
    with pytest.raises(NoSuchPathError, match="ring of links"):
        await disk.find("/ring")
    with pytest.raises(NoSuchPathError, match="/etc/motd is no folder"):
        await disk.find("/etc/motd/x")


async def test_a_name_that_a_guest_has_made_up_does_nothing_to_the_terminal(reader: BlobReader, make: Make) -> None:
    disk = await opened(reader, await (await bare(make, "ext4")).snapshot())
    odd = "odd\\x1b[31m"
    assert odd in await disk.names("/etc")
    assert await disk.content(f"/etc/{odd}") == b"odd\n"


async def test_a_file_whose_content_is_elsewhere_is_refused_and_not_copied_as_zeros(
    reader: BlobReader, make: Make
) -> None:
    disk = await opened(reader, await (await bare(make, "ntfs")).snapshot())
    with pytest.raises(BrowseError, match=r"/elsewhere is a reparse point.* What to do: restore"):
        await disk.content("/elsewhere")


async def test_a_journal_that_is_not_read_is_told(reader: BlobReader, make: Make) -> None:
    blob = await bare(make, "ext4")
    disk = await opened(reader, await blob.snapshot())
    assert not await in_thread(disk.volume.was_in_use)
    superblock = bytearray(image("ext4")[1024:2048])
    superblock[96] |= 0x4  # needs_recovery
    await blob.write(1024, bytes(superblock))
    disk = await opened(reader, await blob.snapshot())
    assert await in_thread(disk.volume.was_in_use)
    assert await disk.content("/etc/motd") == b"hello\n"


async def test_a_damaged_filesystem_is_told_and_one_that_is_not_known_is_left_to_the_system(
    reader: BlobReader, make: Make
) -> None:
    blob = await bare(make, "ext4")
    await blob.write(2048, random.Random(1).randbytes(32 * 1024))
    disk = await opened(reader, await blob.snapshot())
    with pytest.raises(BrowseError, match=r"can't be read .*What to do: use --mount"):
        await disk.names("/")
    with pytest.raises(NoSuchPathError, match=r"from the whole disk \(XFS, 1 MiB\): .*use --mount"):
        chosen([Place(0, 0, MIB, "XFS")], None)
    mounts = mount_commands([Place(1, 0, MIB, "XFS"), Place(3, MIB, 2 * MIB, "ext4"), Place(5, 0, 0, "swap")], "SOCKET")
    assert mounts.mount == [
        "sudo mount -o ro,norecovery,nouuid /dev/nbd0p1 /mnt",
        "sudo mount -o ro,noload /dev/nbd0p3 /mnt",
    ]


async def test_what_keeps_the_blob_from_being_read_is_said_as_it_is(
    azure: LocalAzure, reader: BlobReader, make: Make
) -> None:
    blob = await bare(make, "ntfs")
    disk = await opened(reader, await blob.snapshot())
    azure.gateway.faults.add(Fault(operation="Get Blob", path=blob.path, refuse=(404, "BlobNotFound", "gone")))
    with pytest.raises(SourceGoneError, match="no longer exists"):
        await disk.content("/numbers")


async def test_a_copy_is_the_file_and_nothing_else_is_left(reader: BlobReader, make: Make, tmp_path: Path) -> None:
    disk = await opened(reader, await (await bare(make, "ext4")).snapshot())
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
async def test_a_random_tree_is_read_as_it_was_made(reader: BlobReader, make: Make, tmp_path: Path) -> None:
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
    disk = await opened(reader, await blob.snapshot())
    assert await disk.names("/many") == many
    for path, content in made.items():
        assert await disk.content(path) == content
