"""The commands that read the backups themselves, by the real program on a local Azure."""

import asyncio
import contextlib
import hashlib
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.local.local_azure import ROOT
from tests.app.cloud import pages, until
from tests.cli.conftest import Done, Scene
from tests.cli.content.filesystems import NUMBERS, image
from tests.cli.schema import read
from tests.local.programs import command_of, left_in
from tidemark.browse import Wanted, browse
from tidemark.configuration import storage
from tidemark.outcome import Problem
from tidemark.store import open_store

pytestmark = pytest.mark.xdist_group("cli-looking")
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


async def test_a_recovery_point_is_exported_to_a_file(scene: Scene, tmp_path: Path) -> None:
    file, first = tmp_path / "disk.vhd", scene.points[0]
    done = await scene.reads("export", "os.vhd", str(file), "--at", first.time)
    assert done.code == 0, done.err
    content = file.read_bytes()
    assert content[: 4 * 512] == pages(4, 0), "what the disk held then, and not what it holds now"
    assert f"SHA-256 {hashlib.sha256(content).hexdigest()}" in done.out

    async def kept() -> bool:
        found = (await scene.types("points", "os.vhd", "--json")).data["points"]
        return [point["kept_note"] for point in found if point["time"] == first.time] == ["exported"]

    await until(kept, "the mark that holds it from the retention")
    again = await scene.reads("export", "os.vhd", str(file), "--json")
    assert again.code == 1
    assert "What to do" in again.json["error"]
    assert "--overwrite" in again.json["error"]
    newer = await scene.reads("export", "os.vhd", str(file), "--overwrite", "--json")
    found = read(newer.json, 0)
    assert (found.point, found.length) == (scene.points[1].time, len(content))
    assert file.read_bytes()[: 4 * 512] == pages(4, 1)

    async def asked() -> int:
        jobs = (await scene.types("jobs", "--all", "--json")).data["jobs"]
        return sum(job["kind"] == "keep" and job["point"] == scene.points[1].time for job in jobs)

    await until(asked, "the mark of the newer one")
    assert await asked() == 1, "the export that was refused has asked for none"


async def test_a_format_or_a_time_that_there_is_not_is_a_mistake_and_leaves_no_file(
    scene: Scene, tmp_path: Path
) -> None:
    file = tmp_path / "disk"
    for wrong in (("--format", "zip"), ("--at", "2001-01-01T00:00:00Z")):
        done = await scene.reads("export", "os.vhd", str(file), *wrong)
        assert done.code == 2
        assert "What to do" in done.err
    assert left_in(tmp_path) == []


async def test_what_has_changed_between_two_recovery_points_is_told(scene: Scene) -> None:
    done = await scene.reads("changes", "os.vhd", "--to", "latest", "--json")
    assert done.code == 0, done.err
    found = read(done.json, 0)
    assert (found.written, found.cleared, found.ranges) == (4 * 512, 0, 1)
    shown = await scene.reads("changes", "os.vhd", "--to", "latest")
    assert "2 KiB written, 0 B cleared, in 1 range of" in shown.out
    assert max(map(len, shown.lines)) <= 80
    same = await scene.reads("changes", "os.vhd", "--from", scene.points[1].time)
    assert (same.code, "is not older" in same.err) == (2, True), "it is the latest"
    first = await scene.reads("changes", "os.vhd", "--to", scene.points[0].time)
    assert (first.code, "no recovery point before" in first.err) == (2, True)


async def test_what_the_next_backup_moves_is_told_without_a_snapshot(scene: Scene) -> None:
    before = await scene.data.own_snapshots()
    await scene.data.write(512 * 8, pages(3, 9))
    done = await scene.reads("changes", "my data", "--json")
    assert done.code == 0, done.err
    found = read(done.json, 0)
    assert (found.written, found.ranges) == (3 * 512, 1)
    assert await scene.data.own_snapshots() == before


async def test_who_may_not_read_the_backups_is_told_so(scene: Scene, tmp_path: Path) -> None:
    done = await scene.types("export", "os.vhd", str(tmp_path / "x"), TIDEMARK_CONNECTIONS="no JSON")
    assert done.code == 2
    assert "TIDEMARK_CONNECTIONS must be a JSON array" in done.err


class Files:
    """A disk with files, and somebody who may read its backups."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    async def browse(self, *arguments: str) -> Done:
        return await self.scene.reads("browse", "my data", *arguments)


@pytest.fixture(scope="module")
async def files(scene: Scene) -> Files:
    await scene.data.write(0, image("ext4"))
    await scene.app.back_up(scene.data)
    return Files(scene)


async def test_a_disk_is_listed_from_its_partitions_to_a_file(files: Files) -> None:
    done = await files.browse()
    assert done.code == 0, done.err
    assert done.lines[-2:] == [
        "PARTITION  START   SIZE  FILESYSTEM  FILES",
        "-            0 B  1 MiB  ext4        yes",
    ]
    listed = await files.browse("/etc")
    assert [line.split()[-1] for line in listed.lines[-5:]] == ["motd", "numbers", "odd\\x1b[31m", "sparse", "sub/"]
    assert "link -> sub/deep" in listed.out
    assert max(map(len, [line for line in listed.lines if "http" not in line])) <= 80
    found = read((await files.browse("/etc/motd", "--json")).json, 0)
    assert (found.path, found.kind, [entry.size for entry in found.entries]) == ("/etc/motd", "file", [6])
    assert read((await files.browse("--json")).json, 0).partitions[0].readable
    assert "sig=" not in listed.out + listed.err + done.out + done.err


async def test_a_recovery_point_is_read_by_a_url_that_reads_it_alone_for_an_hour(files: Files) -> None:
    before = len(files.scene.cloud.azure.gateway.requests)
    assert (await files.browse("/etc/motd")).code == 0
    asked = files.scene.cloud.azure.gateway.requests[before:]
    by_url = [request for request in asked if "sig" in request.query]  # the app may read by itself meanwhile
    assert {request.operation for request in by_url} - {"Get Blob Properties"} == {"Get Blob"}
    signed = [request.query for request in by_url]
    assert {(query["sp"], query["sr"]) for query in signed} == {("r", "bs")}
    assert all(query["snapshot"] for query in signed)
    assert max(datetime.fromisoformat(query["se"]) for query in signed) <= datetime.now(UTC) + timedelta(hours=1)


async def test_a_file_is_copied_out(files: Files, tmp_path: Path) -> None:
    found = read((await files.browse("/etc/numbers", "--to", str(tmp_path), "--json")).json, 0)
    assert (tmp_path / "numbers").read_bytes() == NUMBERS
    assert found.file == str(tmp_path / "numbers")
    again = await files.browse("/etc/numbers", "--to", str(tmp_path))
    assert (again.code, "exists already" in again.err) == (1, True)
    shown = await files.browse("/etc/motd", "--to", str(tmp_path / "numbers"), "--overwrite")
    assert (shown.code, "SHA-256 " in shown.out) == (0, True)
    assert (tmp_path / "numbers").read_bytes() == b"hello\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("/nowhere",), "there is no nowhere in / of the whole disk"),
        (("/etc", "--partition", "3"), "there is no partition 3"),
        (("--to", "x"), "--to takes the path of a file"),
        (("/etc/motd", "--mount"), "leave out PATH"),
        (("--mount", "--json"), "leave out PATH"),
    ],
)
async def test_a_mistake_says_what_to_do(files: Files, words: tuple[str, ...], said: str) -> None:
    done = await files.browse(*words)
    assert done.code == 2
    assert said in done.err.replace("\n", " ")


async def test_without_the_library_the_partitions_are_listed_and_what_to_install_is_said(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pytsk3", None)
    for name, value in {**files.scene.environment, **files.scene.readers}.items():
        monkeypatch.setenv(name, value)
    wanted = Wanted(at="latest", path="", partition=None, to="", overwrite=False, mount=False, as_json=False)
    async with open_store(storage()) as store:
        assert (await browse(store, "my data", wanted)).data["partitions"]
        with pytest.raises(Problem, match=r"pytsk3, which is not installed. What to do: .*pip install"):
            await browse(store, "my data", replace(wanted, path="/"))


@contextlib.asynccontextmanager
async def mounted(files: Files, temporary: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidemark", "browse", "my data", "--mount"),
        cwd=ROOT,
        env={**files.scene.environment, **files.scene.readers, "TMPDIR": str(temporary), "PATH": ""},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@needs_proc
async def test_the_disk_is_served_to_be_mounted_and_its_url_is_nowhere_to_be_seen(files: Files, tmp_path: Path) -> None:
    async with mounted(files, tmp_path) as process:
        assert process.stdout
        printed = ""
        while "nbd-client -d" not in printed:
            line = await asyncio.wait_for(process.stdout.readline(), 60)
            assert line, printed
            printed += line.decode()
        [name] = left_in(tmp_path)
        socket = tmp_path / name / "nbd"
        assert f"sudo nbd-client -unix {socket} /dev/nbd0 -readonly" in printed
        assert "sudo mount -o ro,noload /dev/nbd0 /mnt" in printed
        assert socket.parent.stat().st_mode & 0o077 == 0
        reader, writer = await asyncio.open_unix_connection(socket)
        assert await reader.readexactly(8) == b"NBDMAGIC"
        writer.close()
        assert "sig=" not in command_of(process.pid)
        assert left_in(socket.parent) == ["nbd"]
        process.send_signal(signal.SIGINT)
        printed += (await process.stdout.read()).decode()
        assert await asyncio.wait_for(process.wait(), 60) == 0, printed
    assert "it is not served any more" in printed
    assert "sig=" not in printed
    assert not left_in(tmp_path)
