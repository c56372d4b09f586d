"""The commands that read the backups themselves, by the real program on a local Azure."""

import hashlib
import json
from pathlib import Path

import pytest

from infra.local.local_azure import ACCOUNTS, LocalAzure
from tests.app.cloud import pages, until
from tests.cli.conftest import Done, Scene
from tests.cli.schema import read

pytestmark = pytest.mark.xdist_group("cli-looking")


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def typed(scene: Scene, azure: LocalAzure, *arguments: str) -> Done:
    """Run a command by somebody who may read the accounts."""
    connections = json.dumps([azure.connection_string(account) for account in ACCOUNTS])
    return await scene.types(*arguments, TIDEMARK_CONNECTIONS=connections)


async def test_a_recovery_point_is_exported_to_a_file(scene: Scene, azure: LocalAzure, tmp_path: Path) -> None:
    file, first = tmp_path / "disk.vhd", scene.points[0]
    done = await typed(scene, azure, "export", "os.vhd", str(file), "--at", first.time)
    assert done.code == 0, done.err
    content = file.read_bytes()
    assert content[: 4 * 512] == pages(4, 0), "what the disk held then, and not what it holds now"
    assert f"SHA-256 {hashlib.sha256(content).hexdigest()}" in done.out

    async def kept() -> bool:
        found = (await scene.types("points", "os.vhd", "--json")).data["points"]
        return [point["kept_note"] for point in found if point["time"] == first.time] == ["exported"]

    await until(kept, "the mark that holds it from the retention")
    again = await typed(scene, azure, "export", "os.vhd", str(file), "--json")
    assert again.code == 1
    assert "What to do" in again.json["error"]
    newer = await typed(scene, azure, "export", "os.vhd", str(file), "--overwrite", "--json")
    found = read(newer.json, 0)
    assert (found.point, found.length) == (scene.points[1].time, len(content))
    assert file.read_bytes()[: 4 * 512] == pages(4, 1)

    async def asked() -> int:
        jobs = (await scene.types("jobs", "--all", "--json")).data["jobs"]
        return sum(job["kind"] == "keep" and job["point"] == scene.points[1].time for job in jobs)

    await until(asked, "the mark of the newer one")
    assert await asked() == 1, "the export that was refused has asked for none"


async def test_a_format_or_a_time_that_there_is_not_is_a_mistake_and_leaves_no_file(
    scene: Scene, azure: LocalAzure, tmp_path: Path
) -> None:
    file = tmp_path / "disk"
    for wrong in (("--format", "zip"), ("--at", "2001-01-01T00:00:00Z")):
        done = await typed(scene, azure, "export", "os.vhd", str(file), *wrong)
        assert done.code == 2
        assert "What to do" in done.err
    assert files(tmp_path) == []


async def test_what_has_changed_between_two_recovery_points_is_told(scene: Scene, azure: LocalAzure) -> None:
    done = await typed(scene, azure, "changes", "os.vhd", "--to", "latest", "--json")
    assert done.code == 0, done.err
    found = read(done.json, 0)
    assert (found.written, found.cleared, found.ranges) == (4 * 512, 0, 1)
    shown = await typed(scene, azure, "changes", "os.vhd", "--to", "latest")
    assert "2 KiB written, 0 B cleared, in 1 ranges" in shown.out
    assert max(map(len, shown.lines)) <= 80


async def test_what_the_next_backup_moves_is_told_without_a_snapshot(scene: Scene, azure: LocalAzure) -> None:
    before = await scene.data.own_snapshots()
    await scene.data.write(512 * 8, pages(3, 9))
    done = await typed(scene, azure, "changes", "my data", "--json")
    assert done.code == 0, done.err
    found = read(done.json, 0)
    assert (found.written, found.ranges) == (3 * 512, 1)
    assert await scene.data.own_snapshots() == before


async def test_who_may_not_read_the_backups_is_told_so(scene: Scene, tmp_path: Path) -> None:
    done = await scene.types("export", "os.vhd", str(tmp_path / "x"), TIDEMARK_CONNECTIONS="no JSON")
    assert done.code == 2
    assert "TIDEMARK_CONNECTIONS must be a JSON array" in done.err
