"""The demo: three backups of a disk and a restore, each proved; and what it says when something is wrong."""

import contextlib
import os
import random
import re
import signal
import sys
import uuid
from pathlib import Path

import aiohttp
import pytest
from azure.storage.blob.aio import BlobServiceClient

from infra.local.demo.picture import drawn
from infra.local.disks.disk_image import e2fsprogs_is_installed
from infra.local.disks.vhd import MIB, make_footer
from infra.local.local_azure import BACKUP_CONTAINER, BACKUPS, BLOB_API_VERSION, DISKS, ROOT
from shared.model.addresses import BlobAddress
from shared.model.disk import PageBlobDisk
from shared.model.names import SOURCE_SNAPSHOT_METADATA
from tests.docs.shown import not_printed, shown_of
from tests.local.programs import children, command_of, is_running, left_in, run, running

DEMO = "infra.local.demo"
ROW = re.compile(r"^(?P<time>\d{4}-\d\d-\d\dT[\d:.]{16}Z)  (?P<kind>\w+)\n    (?P<proof>.*)$", re.MULTILINE)
DISK = re.compile(r"^disk (?P<name>\S+)$", re.MULTILINE)
RESTORED = re.compile(r"(?P<disk>[\w-]+)-restored-\d{8}T\d{6}Z\.vhd")
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def rows_by_disk(printed: str) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Read what was proven: of the disk, and of the disk that it was restored to."""
    original, restored = DISK.finditer(printed)
    found = RESTORED.fullmatch(restored["name"])
    assert found, printed
    assert original["name"] == f"{found['disk']}.vhd"
    tables = printed[original.end() : restored.start()], printed[restored.end() :]
    first, second = [[match.groupdict() for match in ROW.finditer(rows)] for rows in tables]
    return first, second


def moved(printed: str, title: str) -> tuple[str, float, float]:
    """Read the kind of a backup, and the KiB that it has written and cleared."""
    found = re.search(rf"^{title}: (\w+), ([\d.]+) (\w+) written, ([\d.]+) (\w+) cleared", printed, re.MULTILINE)
    assert found, printed
    units = {"B": 1 / 1024, "KiB": 1, "MiB": 1024}
    return found[1], float(found[2]) * units[found[3]], float(found[4]) * units[found[5]]


def typed(printed: str, command: str) -> list[str]:
    """Give what is shown from each run of a command on, until the next."""
    return [found for found in printed.split("\n$ tidemark ")[1:] if found.startswith(command)]


def in_long_lines(text: str) -> str:
    """Join what goes on in the next line: where, depends on the figures."""
    return re.sub(r"\n {8,}(?=\S)", " ", text)


def own_disk(path: Path, *, kind: int = 2, size: int = 16 * MIB) -> Path:
    """Make a VHD of this size without a filesystem: data here and there, and a footer of this type."""
    rng = random.Random(3)
    footer = bytearray(make_footer(size, uuid.UUID(int=1), 1_767_225_600))
    footer[60:68] = kind.to_bytes(4) + bytes(4)
    footer[64:68] = (~sum(footer) & 0xFFFFFFFF).to_bytes(4)
    with path.open("wb") as file:
        for start in (0, 3 * MIB, 11 * MIB):
            file.seek(start)
            file.write(rng.randbytes(320 * 1024))
        file.seek(size)
        file.write(footer)
    return path


@pytest.mark.skipif(not e2fsprogs_is_installed(), reason="e2fsprogs is not installed (apt, dnf or brew install it)")
async def test_the_demo_proves_three_backups_a_restore_and_the_backup_after_it(temporary: Path) -> None:
    code, printed = await run(DEMO, "--size", "64", temporary=temporary)
    assert code == 0, printed
    (full, incremental, unchanged), (restored, after) = rows_by_disk(printed)
    assert [full["kind"], incremental["kind"], unchanged["kind"]] == ["full", "incremental", "incremental"]
    kind, written, _ = moved(printed, "First backup")
    assert (kind, 0.2 < written / 1024 / 64 < 0.4) == ("full", True), "the disk's data, not its size"
    kind, written, cleared = moved(printed, "Second backup")
    assert (kind, 0 < written / 1024 / 64 < 0.05) == ("incremental", True)
    assert cleared, "deleted files are discarded"
    assert [restored["kind"], after["kind"]] == ["restore", "incremental"]
    assert 0 < moved(printed, "Backup of the restored disk")[1] / 1024 / 64 < 0.05, "what was changed since the restore"
    checked = r"footer valid; e2fsck clean; (\d+) files match"
    for row in (full, incremental, unchanged, after):
        assert re.fullmatch(f"identical to its source snapshot; {checked}", row["proof"]), printed
    assert re.fullmatch(f"identical to its source snapshot; so is the disk; {checked}", restored["proof"]), printed
    require_told_by_the_command_line(printed, full["time"])
    assert max(map(len, printed.partition("$ tidemark")[2].splitlines())) <= 120
    assert not left_in(temporary)
    pictured = "\n".join(drawn((ROOT / "docs" / "demo.svg").read_text(encoding="utf-8")))
    for shown in (pictured, *(block.text for block in shown_of("python3 infra/local demo"))):
        missing = not_printed(in_long_lines(shown), in_long_lines(printed))
        assert missing == [], "what the docs show of it is what it prints"


def require_told_by_the_command_line(printed: str, first: str) -> None:
    """Require that what is asked for and looked at is typed, and answered."""
    [status] = typed(printed, "status")
    assert "succeeded (1 disk)" in status
    assert re.search(r"^example\.vhd +safe ", status, re.MULTILINE)
    [changes] = typed(printed, "changes example.vhd")
    assert "the whole disk  ext4 " in changes
    for command in ("backup example.vhd --wait", "drill example.vhd --wait"):
        assert re.search(r"^state +done$", typed(printed, command)[0], re.MULTILINE)
    [copied] = typed(printed, f"browse example.vhd /var/log/syslog.1 --at {first} --to .")
    assert "\nSHA-256 " in copied
    assert "which the guest has deleted since: identical to the original" in printed
    [plan] = typed(printed, f"restore example.vhd --at {first} --wait")
    assert first in plan
    assert "matches the recovery point: size (64 MiB)" in printed
    [points] = typed(printed, "points example.vhd")
    assert re.findall(r"^\d\d? \w+ [\d:]{8} +(\w+) ", points, re.MULTILINE) == [*["incremental"] * 3, "full"]
    assert "younger than 48 hours" in points


@pytest.mark.nightly
async def test_the_demo_with_a_managed_disk_proves_two_backups_and_a_restore_as_another_one(
    tmp_path: Path, temporary: Path
) -> None:
    disk = own_disk(tmp_path / "my disk.vhd", size=24 * MIB)
    code, printed = await run(DEMO, "--managed", "--disk", str(disk), temporary=temporary)
    assert code == 0, printed
    first, second, after = [match.groupdict() for match in ROW.finditer(printed)]
    assert (first["kind"], second["kind"], after["kind"]) == ("full", "incremental", "incremental")
    assert re.search(r"^target +/subscriptions/.*", typed(printed, "restore example")[0], re.MULTILINE)
    assert moved(printed, "Backup of the restored disk") == moved(printed, "Second backup")
    assert "so is the disk" in first["proof"]
    assert second["proof"].startswith("identical to its source snapshot; footer valid")
    _, written, cleared = moved(printed, "Second backup")
    assert 0 < written + cleared < 1024


@pytest.mark.nightly
async def test_a_disk_of_ones_own_is_backed_up_and_restored_by_identity_and_not_written_to(
    tmp_path: Path, temporary: Path
) -> None:
    disk = own_disk(tmp_path / "my disk.vhd")
    content = disk.read_bytes()
    code, printed = await run(DEMO, "--identity", "--disk", str(disk), temporary=temporary)
    assert code == 0, printed
    assert "no ext4 filesystem, so pages will be changed directly" in printed
    assert re.search(r"^Starting a local Azure and the app: blobs at https://\S+, keys off, ", printed, re.MULTILINE)
    rows, (restored, after) = rows_by_disk(printed)
    assert [row["kind"] for row in rows] == ["full", "incremental", "incremental"]
    assert moved(printed, "First backup") == ("full", 960, 0)
    assert moved(printed, "Second backup") == ("incremental", 24, 24)
    assert moved(printed, "Backup of the restored disk") == ("incremental", 24, 24)
    assert [restored["kind"], after["kind"]] == ["restore", "incremental"]
    assert {row["proof"] for row in (*rows, after)} == {"identical to its source snapshot; footer valid"}
    assert restored["proof"] == "identical to its source snapshot; so is the disk; footer valid"
    require_said_of_an_unusable_disk(printed, rows[0]["time"])
    assert disk.read_bytes() == content
    assert not left_in(temporary)


def require_said_of_an_unusable_disk(printed: str, point: str) -> None:
    """Require that the drill and the restore say of the disk that it may have been unusable before."""
    doubtful = "the disk may already have been unusable when it was backed up: no known filesystem"
    seen = "VHD footer valid; no partition table; no known filesystem"
    said = in_long_lines(printed)
    assert f"{doubtful}; identical: all 16 MiB " in typed(said, "drill own-disk.vhd --wait")[0]
    assert point in typed(said, f"restore own-disk.vhd --at {point} --wait")[0], (
        "the first recovery point, not the latest"
    )
    assert f"{doubtful}; matches the recovery point: size (16 MiB), page map (" in said
    assert f"; its backup blob matches too; {seen}\n" in said
    assert "\n24 KiB written, 24 KiB cleared, " in typed(said, "changes own-disk.vhd")[0]
    assert "\nno partition table\n" in typed(said, f"browse own-disk.vhd --at {point}")[0]


@pytest.mark.nightly
async def test_a_restore_that_is_refused_fails_the_demo_with_the_reason_on_record(
    tmp_path: Path, temporary: Path
) -> None:
    async with running(DEMO, "--disk", str(own_disk(tmp_path / "disk.vhd")), temporary=temporary) as demo:
        await demo.prints("First backup: full")
        target = await take_the_restores_place(demo.printed)
        assert await demo.ends() == 1
    assert "\nThe demo failed: `tidemark restore` ended with exit code 1" in demo.printed
    said = in_long_lines(demo.printed)
    assert re.search(rf"^reason +{re.escape(target)} already exists. What to do: ", said, re.MULTILINE), said
    assert '"event": "restore-refused"' in demo.printed, "the log's last lines"
    assert "Traceback" not in demo.printed


async def take_the_restores_place(printed: str) -> str:
    """Make a blob where the demo will restore to: beside the disk, named by the first recovery point; give its URL."""
    started = re.search(r"blobs at (\S+), ", printed)
    assert started, printed
    async with contextlib.AsyncExitStack() as stack:
        backups, disks = [
            await stack.enter_async_context(
                BlobServiceClient(f"{started[1]}/{account.name}", account.key, api_version=BLOB_API_VERSION)
            )
            for account in (BACKUPS, DISKS)
        ]
        found = backups.get_container_client(BACKUP_CONTAINER).list_blobs(include=["snapshots", "metadata"])
        own = PageBlobDisk(BlobAddress.parse(disks.get_blob_client("vhds", "own-disk.vhd").url))
        point = min([blob.metadata[SOURCE_SNAPSHOT_METADATA] async for blob in found if blob.snapshot])
        blob = disks.get_blob_client("vhds", own.restored(point).address.blob)
        await blob.create_page_blob(512)
        return str(blob.url)


@pytest.mark.nightly
async def test_a_dynamic_vhd_is_refused_with_what_to_do(tmp_path: Path, temporary: Path) -> None:
    code, printed = await run(DEMO, "--disk", str(own_disk(tmp_path / "dynamic.vhd", kind=3)), temporary=temporary)
    assert code == 1
    assert "qemu-img convert -f vpc" in printed
    assert "Traceback" not in printed
    assert not left_in(temporary)


async def test_a_disk_that_is_not_there_is_named(temporary: Path) -> None:
    code, printed = await run(DEMO, "--disk", "no such.vhd", temporary=temporary)
    assert code == 1
    assert "no such.vhd" in printed
    assert "Traceback" not in printed


@pytest.mark.nightly
@needs_proc
async def test_a_demo_that_is_kept_serves_the_page_until_ctrl_c_and_then_leaves_nothing(
    tmp_path: Path, temporary: Path
) -> None:
    disk = own_disk(tmp_path / "disk.vhd")
    async with running(DEMO, "--disk", str(disk), "--keep", temporary=temporary) as demo:
        await demo.prints("The status page stays up until you press Ctrl-C:")
        await demo.prints("/api/status")
        page = demo.printed.split()[-1]
        async with aiohttp.ClientSession() as session, session.get(page) as answer:
            assert answer.status == 200
        demo.process.send_signal(signal.SIGINT)
        assert await demo.ends() == 130
    assert demo.printed.endswith("Stopped; nothing is left running.\n")
    assert not left_in(temporary)


@pytest.mark.nightly
@needs_proc
async def test_ctrl_c_ends_the_demo_in_the_midst_of_its_work_and_leaves_nothing(
    tmp_path: Path, temporary: Path
) -> None:
    disk = own_disk(tmp_path / "disk.vhd")
    async with running(DEMO, "--disk", str(disk), temporary=temporary) as demo:
        await demo.prints("First backup: full")
        started = children(demo.process.pid)
        demo.process.send_signal(signal.SIGINT)
        assert await demo.ends() == 130
    assert len(started) == 2, "Azurite and the functions host"
    assert not any(map(is_running, started))
    assert "Traceback" not in demo.printed
    assert demo.printed.endswith("Stopped; nothing is left running.\n")
    assert not left_in(temporary)


@pytest.mark.nightly
@needs_proc
async def test_when_the_functions_host_dies_the_demo_fails_and_keeps_its_log(tmp_path: Path, temporary: Path) -> None:
    disk = own_disk(tmp_path / "disk.vhd")
    async with running(DEMO, "--disk", str(disk), temporary=temporary) as demo:
        await demo.prints("Uploading it as a page blob: ")
        [host] = [pid for pid in children(demo.process.pid) if "infra.local.host" in command_of(pid)]
        os.kill(host, signal.SIGKILL)
        assert await demo.ends() == 1
    assert "\nThe demo failed: " in demo.printed
    [name] = left_in(temporary)
    log = temporary / name
    assert f"The functions host's log is {log}" in demo.printed
    lines = log.read_text().splitlines()
    assert any("function name=take_snapshots" in line for line in lines)
    assert demo.printed.endswith("\n".join(f"  {line}" for line in lines[-10:]) + "\n"), "the log's last lines"
    assert "Traceback" not in demo.printed
