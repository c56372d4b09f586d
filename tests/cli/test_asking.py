"""What is asked for with the program is done by the app."""

import asyncio
import json
import os
import pty
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.local.local_azure import HOST, ROOT
from shared.limits import PAGE
from shared.model.job import Stage
from shared.model.names import BACKUPS_TABLE, MANAGE_QUEUE, RESTORE_REQUESTS_QUEUE
from tests.app.cloud import Disk, pages, until
from tests.app.restoring import restores
from tests.cli.conftest import SECONDS, WIDE, Scene
from tests.cli.schema import PlanJson, read

pytestmark = pytest.mark.xdist_group("cli-asking")
REFUSED = 2


async def at_a_terminal(scene: Scene, *arguments: str, typed: str) -> tuple[int, str]:
    """Run the program at a terminal, and type this once it asks; give the exit code, and what the terminal shows."""
    ours, its = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidemark", *arguments),
        cwd=ROOT,
        env={**scene.environment, **scene.readers, "TERM": "xterm", "LINES": "24"},
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    shown = bytearray()
    has_typed = False

    def read_some() -> bytes:
        try:
            return os.read(ours, 65536)
        except OSError:  # Linux: the other side is closed
            return b""

    async with asyncio.timeout(SECONDS):
        while part := await asyncio.to_thread(read_some):
            shown += part
            if not has_typed and b"to have it written over: " in shown:
                os.write(ours, f"{typed}\n".encode())
                has_typed = True
        code = await process.wait()
    os.close(ours)
    assert HOST.key not in shown.decode()
    return code, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", shown.decode())


async def waiting_messages(scene: Scene, queue: str) -> int:
    client = scene.cloud.queues.get_queue_client(queue)
    return int((await client.get_queue_properties()).approximate_message_count or 0)


async def asked_for(scene: Scene) -> int:
    """Count the restores on record, and the requests that the app has not read yet."""
    return len(await restores(scene.cloud)) + await waiting_messages(scene, RESTORE_REQUESTS_QUEUE)


async def is_read(scene: Scene, job: str) -> bool:
    """Tell whether the app has put an intent on record."""
    rows = scene.cloud.tables.get_table_client(BACKUPS_TABLE).query_entities(f"RowKey eq 'intent-{job}'")
    return bool([row async for row in rows])


async def content(scene: Scene, disk: Disk) -> bytes:
    return await scene.cloud.read(disk.blob, disk.account)


async def test_a_backup_that_is_asked_for_is_waited_for_and_kept(scene: Scene) -> None:
    await scene.data.write(0, pages(2, 7))
    done = await scene.types("backup", "my data", "--keep", "before the upgrade", "--wait", "--json")
    data = read(done.json, 0)
    [asked], [job] = data.asked, data.jobs
    note = {"keep": True, "note": "before the upgrade"}
    assert json.loads(asked.message) == {"do": "backup", "disk": scene.data.url, **note}
    assert (job.kind, job.state, job.id) == ("backup", "done", asked.id)
    [*_, point] = await scene.data.points()
    assert (point.time, point.kept, point.kept_note) == (job.point, True, "before the upgrade")
    assert "before the upgrade" in " ".join((await scene.types("points", "my data")).out.split())


async def test_a_kept_point_is_shown_with_its_note_and_let_go_again(scene: Scene) -> None:
    own = scene.points[0].time
    done = await scene.types("keep", "os", "--at", own, "--until", "+30d", "--note", "before the upgrade", "--wait")
    assert done.code == 0, done.err
    shown = await scene.types("points", "os")
    assert "before the upgrade" in " ".join(shown.out.split())
    assert all(len(line) <= WIDE for line in shown.lines if not line.startswith("http"))
    asked = await scene.types("unkeep", "os", "--at", own)
    assert asked.code == 0
    [job] = re.findall(r"tidemark job (\S+?)`", asked.out.replace("\n", ""))
    await until(lambda: is_read(scene, job), "the app to read it")
    done = await scene.types("job", job[:13], "--wait", "--json")
    assert read(done.json, 0).jobs[0].kind == "unkeep"
    assert not (await scene.os.points())[0].kept


async def test_a_verify_is_waited_for_and_its_result_stands_at_the_point(scene: Scene) -> None:
    done = await scene.runs("verify", "os", "--wait")
    assert done.code == 0, done.out + done.err
    assert "state      done" in done.out
    assert re.search(r"^verify \S+: done$", done.err, re.MULTILINE)
    newest = (await scene.types("points", "os", "--json")).data["points"][0]
    assert (newest["state"], newest["verified"] != "") == ("verified", True)


async def test_what_the_app_refuses_is_exit_code_1_with_its_reason(scene: Scene) -> None:
    done = await scene.types("drill", "os", "--at", "2020-01-01", "--wait")
    assert done.code == 1
    assert "no recovery point at or before" in " ".join(done.out.split())
    assert "What to do" in done.out


async def test_what_is_deleted_must_be_named_by_its_own_time(scene: Scene) -> None:
    wrong = ("latest", "2020-01-01", "soon")
    for done in await asyncio.gather(*(scene.types("forget", "os", "--at", at) for at in wrong)):
        assert (done.code, done.out) == (REFUSED, "")
        assert "What to do: " in done.err
    done = await scene.types("forget", "os", "--at", f"{scene.points[0].time[:22]}Z", "--wait", "--json")
    job = read(done.json, 1).jobs[0]
    assert json.loads(read(done.json, 1).asked[0].message)["point"] == scene.points[0].time
    assert job.state == "refused", "the last two good points stay, whoever asks"


async def test_a_restore_says_what_it_does_and_ends_with_the_proof(scene: Scene) -> None:
    expected = bytes(scene.os.expected)
    done = await scene.types("restore", "os", "--to", "os-copy.vhd", "--wait", "--json")
    data = read(done.json, 0)
    assert "matches the recovery point: size (" in data.jobs[0].result
    assert (data.plan.since, data.plan.since_written) == ("", None), "nothing is written over"
    assert data.plan.writes.at_least <= 2 * data.plan.size == data.plan.writes.at_most
    assert data.plan.target == data.jobs[0].target == scene.os.url.replace("os.vhd", "os-copy.vhd")
    assert data.plan.point == data.jobs[0].point == (await scene.os.points())[-1].time
    assert await content(scene, await scene.cloud.existing_disk(data.plan.target, b"")) == expected


async def test_another_disk_is_written_over_if_that_is_said_and_its_name_given(scene: Scene) -> None:
    older = scene.points[0].time
    over = ("restore", "/os.vhd", "--at", older, "--to", "os-copy.vhd", "--overwrite", "--no-undo")
    done = await scene.types(*over, "--replace-other", "--yes", "os-copy.vhd", "--wait", "--json")
    data = read(done.json, 0)
    assert (data.plan.undo_point, data.jobs[0].undo_point) == (False, "")
    assert data.plan.since != "", "what is written over has a recovery point"
    assert (data.jobs[0].state, data.jobs[0].point) == ("done", older)
    restored = await content(scene, await scene.cloud.existing_disk(data.plan.target, b""))
    assert restored[: 4 * PAGE] == pages(4, 0)


async def test_a_trial_expires_unless_its_restore_is_cancelled_which_keeps_its_disk(scene: Scene) -> None:
    trial = ("restore", "/os.vhd", "--to", "trial.vhd", "--no-adopt", "--expires", "1h", "--wait", "--json")
    [job] = read((await scene.types(*trial)).json, 0).jobs
    assert job.state == "expiring"
    left = datetime.fromisoformat(job.expires_at) - datetime.now(UTC)
    assert timedelta(minutes=58) < left <= timedelta(hours=1)
    done = await scene.types("cancel", job.id[:8], "--json")
    assert json.loads(read(done.json, 0).asked[0].message) == {"do": "cancel", "job": job.id}

    async def ended() -> bool:
        [restore] = [found for found in await restores(scene.cloud) if found.restore == job.id]
        return restore.state is Stage.DONE

    await until(ended, "the end of the trial's restore")
    assert len(await content(scene, await scene.cloud.existing_disk(job.target, b""))) == len(scene.os.expected)


async def test_a_disk_is_retired_unless_the_settings_name_it(scene: Scene) -> None:
    refused, done = await asyncio.gather(
        scene.types("retire", "my data", "--wait"), scene.types("retire", "os-copy", "--keep-points", "--wait")
    )
    assert refused.code == 1
    assert "What to do: remove it there first" in " ".join(refused.out.split())
    assert done.code == 0, done.out
    status = (await scene.types("status", "--json")).data["disks"]
    states = {disk["disk"].rpartition("/")[2]: disk["state"] for disk in status}
    assert (states["os-copy.vhd"], states["my%20data.vhd"]) == ("retired", "safe")


async def test_nothing_is_written_over_unless_the_name_is_typed(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "cli.json").write_text("no JSON")
    config = {"TIDEMARK_CONFIG": str(tmp_path / "cli.json")}
    before = await asked_for(scene)
    wrong = (("--yes", "os"), (), ("--yes", "my data.vhd"))
    for done in await asyncio.gather(
        *(scene.types("restore", "/os.vhd", "--in-place", *yes, **config) for yes in wrong)
    ):
        assert done.code == REFUSED
        assert "os.vhd" in done.err
        told = " ".join(done.out.split())
        assert "its last good recovery point: not known" in told
        assert "What to do: set TIDEMARK_CONNECTIONS" in told, "to who may not read the disk, prices or not"
    code, shown = await at_a_terminal(scene, "restore", "/os.vhd", "--in-place", typed="os-vhd")
    assert code == REFUSED
    assert "Nothing was sent" in shown
    assert await asked_for(scene) == before


async def test_a_restore_in_place_is_planned_typed_shown_and_proved_at_a_terminal(scene: Scene) -> None:
    held = bytes(scene.os.expected)
    await scene.os.write(4096, pages(1, 99))
    code, shown = await at_a_terminal(
        scene, "restore", "/os.vhd", "--at", scene.points[-1].time, "--in-place", "--wait", typed="os.vhd"
    )
    assert code == 0, shown
    assert "undo point  is taken first: the way back" in shown
    told = " ".join(shown.split())
    assert "its last good recovery point: 512 B written, 0 B cleared; the undo point keeps that" in told
    assert re.search(r"^writes +[\d.]+ KiB, one half to the disk", shown, re.MULTILINE)
    assert re.search(r"usual time  .*, by 3 earlier restores", shown), "to whatever target, the trial too"
    assert re.search(r"restore \S+: (saving|promoting|copying|proving)", shown)
    assert "matches the recovery point: size (" in " ".join(shown.split())
    assert await content(scene, scene.os) == held


async def test_a_plan_that_waits_is_shown_and_approved_by_its_hash(scene: Scene) -> None:
    await scene.os.write(0, pages(1, 5))
    await scene.app.back_up(scene.os, scene.data)
    before = {point.time for point in await scene.os.points()}

    async def waiting() -> list[PlanJson]:
        found = read((await scene.types("prune", "--json")).json, 0).plans
        return [plan for plan in found if plan.disk == scene.os.url]

    [plan] = await until(waiting, "a plan of the disk that waits")
    shown = await scene.types("prune")
    assert f"tidemark prune --approve {plan.plan}" in shown.out
    going = {time for times in plan.go.values() for time in times}
    assert going <= before
    assert all(time in shown.out for time in going)
    done = await scene.types("prune", "--approve", plan.plan, "--wait")
    assert done.code == 0, done.out
    refused = await scene.types("prune", "--approve", "0123456789abcdef", "--wait")
    assert refused.code == 1
    assert "What to do" in refused.out


async def test_orphans_are_listed_and_the_catalogue_is_rebuilt(scene: Scene) -> None:
    done = await scene.types("orphans", "--wait", "--json")
    assert read(done.json, 0).jobs[0].result == "there are no orphans."
    done = await scene.types("rebuild", "--json")
    assert [asked.message for asked in read(done.json, 0).asked] == ["rebuild"]


async def test_what_no_job_has_can_not_be_cancelled_and_nothing_is_sent(scene: Scene) -> None:
    before = await waiting_messages(scene, MANAGE_QUEUE)
    done = await scene.types("cancel", "01234567")
    assert done.code == REFUSED
    assert "no open restore, verify or drill begins with 01234567" in done.err
    assert await waiting_messages(scene, MANAGE_QUEUE) == before
