"""The command that proves on a real Azure, with managed disks: what it leaves, after failures too, and what it says."""

import asyncio
import json
import re
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from azure.core.exceptions import AzureError

from infra.local.gateway.interceptor import Interceptor
from infra.local.gateway.roles import Role
from infra.local.local_azure import APP, BACKUPS, DISKS, LocalAzure
from infra.local.managed_disks import GROUP, ArmFault, ManagedDisks
from tests.conformance.real.managed.clean_up import take_away_disks
from tests.conformance.real.managed.ground import TAG, open_disks
from tests.conformance.real.managed.place import SMALL_DISKS, DiskPlace
from tests.conformance.real.names import new_name
from tests.conformance.real.plan import CONNECTIONS
from tests.local.disk_probes import GROUP_ID

ROOT = Path(__file__).resolve().parents[2]
Start = Callable[[str], Awaitable[asyncio.subprocess.Process]]
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}")
THE_COMMAND = """
import sys
from tests.conformance.real import command
from tests.conformance.real.ground import SMALL
sys.exit(command.main(sys.argv[1:], scale=SMALL))
"""


@pytest.fixture
def start(azure: LocalAzure, place: DiskPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Start the command, which writes its report into `tmp_path`."""
    connections = [azure.connection_string(account) for account in (DISKS, BACKUPS)]
    monkeypatch.setenv(CONNECTIONS, json.dumps(connections))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    accounts = ("--account", DISKS.name, "--backup-account", BACKUPS.name, "--report", "report.md", "--no-suite")
    where = ("--disk-group", GROUP_ID, "--region", "westeurope", "--resource-manager", place.url)

    async def begin(probes: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", THE_COMMAND, *accounts, *where, "--yes", "--only", probes),
            cwd=tmp_path,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    return begin


async def test_a_report_says_what_was_seen_of_disks_and_not_whose_they_were(
    managed: ManagedDisks, start: Start, tmp_path: Path
) -> None:
    process = await start("disk-second-access")
    printed = (await process.communicate())[0].decode()
    assert process.returncode == 0, printed
    report = (tmp_path / "report.md").read_text()
    assert "| 1 | `disk-second-access` |" in report
    assert "- a second one gave the same URL" in report
    assert "| managed disks | StandardSSD_LRS in westeurope, without a disk that a VM writes to;" in report
    assert "- Snapshots - Grant Access: 202, 2 times" in report
    assert f"resource group {GROUP}: managed disks" in printed
    for text in (report, printed):
        assert not ID.search(text)
        assert "sig=" not in text
    assert (managed.disks, managed.snapshots) == ([], [])


@pytest.mark.parametrize("ending", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.nightly)])
async def test_disks_and_snapshots_are_deleted_after_ctrl_c_though_there_is_access_to_them(
    managed: ManagedDisks, start: Start, tmp_path: Path, ending: signal.Signals
) -> None:
    third_is_granted = asyncio.Event()
    managed.resource_manager.interceptor = Interceptor(
        lambda call: call.request.operation == "Snapshots - Grant Access", 3, "after", third_is_granted.set
    )
    process = await start("disk-second-access,disk-sixth-access")
    async with asyncio.timeout(60):
        await third_is_granted.wait()
    assert any(snapshot.access for snapshot in managed.snapshots)
    process.send_signal(ending)
    await process.communicate()
    assert process.returncode == 130
    assert (managed.disks, managed.snapshots) == ([], [])
    assert "| stopped early | Ctrl-C" in (tmp_path / "report.md").read_text()


@pytest.mark.nightly
async def test_what_can_not_be_deleted_is_listed_with_the_command_that_does_it(
    managed: ManagedDisks, start: Start, tmp_path: Path
) -> None:
    managed.resource_manager.faults.add(ArmFault("Snapshots - Delete", None, refuse=(409, "ScopeLocked", "locked")))
    process = await start("disk-second-access")
    printed = (await process.communicate())[0].decode()
    assert process.returncode == 1, printed
    report = (tmp_path / "report.md").read_text()
    [name] = {snapshot.id.name for snapshot in managed.snapshots}
    where = f"--resource-group {GROUP} --name {name}"
    told = f"- {name}: 409 ScopeLocked. Delete it: `az snapshot revoke-access {where}; az snapshot delete {where}`"
    assert told in report.splitlines()
    assert managed.disks == []
    assert not ID.search(report)


@pytest.mark.nightly
async def test_a_role_that_deletes_nothing_is_said_with_its_action(managed: ManagedDisks, place: DiskPlace) -> None:
    name, made = new_name(), list[str]()
    async with open_disks(name, place, SMALL_DISKS, made, ({}, {})) as ground:
        await ground.upload("u", 20 * 1024**2)
    managed.roles.clear()
    managed.give(APP, Role("Reader", ("*/read",)), GROUP_ID)
    [left] = await take_away_disks(name, place, made, SMALL_DISKS)
    assert left.startswith(
        f"{name}-u: no role permits Microsoft.Compute/disks/delete. Delete it: `az disk revoke-access"
    )
    assert left.endswith("--yes`")
    managed.roles.clear()
    refused = await take_away_disks(name, place, made, SMALL_DISKS)
    assert [line for line in refused if line.startswith("the disks of the group can't be listed: no role permits")]
    managed.give(APP)
    assert await take_away_disks(name, place, [], SMALL_DISKS) == [], "it is found by its tag"
    assert managed.disks == []


@pytest.mark.nightly
async def test_a_service_that_is_busy_for_long_does_not_keep_the_clean_up(
    managed: ManagedDisks, place: DiskPlace
) -> None:
    name, made = new_name(), list[str]()
    async with open_disks(name, place, SMALL_DISKS, made, ({}, {})) as ground:
        await ground.empty("e")
    busy = ArmFault("Disks - Delete", refuse=(429, "TooManyRequests", "later"), retry_after=1800)
    managed.resource_manager.faults.add(busy)
    async with asyncio.timeout(30):
        [left] = await take_away_disks(name, place, made, replace(SMALL_DISKS, end_seconds=2.0))
    assert left.startswith(f"{name}-e: it takes too long. Delete it: `az disk revoke-access")


@pytest.mark.nightly
async def test_an_upload_under_way_is_deleted_too(managed: ManagedDisks, place: DiskPlace) -> None:
    name, made = new_name(), list[str]()
    async with open_disks(name, place, SMALL_DISKS, made, ({}, {})) as ground:
        await ground.grant(await ground.upload("u", 20 * 1024**2), "Write")
    assert managed.disks[0].upload == "ActiveUpload"
    assert await take_away_disks(name, place, made, SMALL_DISKS) == []
    assert managed.disks == []


@pytest.mark.nightly
async def test_what_was_made_but_never_answered_is_deleted(managed: ManagedDisks, place: DiskPlace) -> None:
    name, made = new_name(), list[str]()
    managed.resource_manager.faults.add(ArmFault("Disks - Create Or Update", None, cut="after"))
    async with open_disks(name, place, SMALL_DISKS, made, ({}, {})) as ground:
        with pytest.raises(AzureError):
            await ground.empty("lost")
    managed.resource_manager.faults.clear()
    assert len(managed.disks) == 1
    assert await take_away_disks(name, place, [], SMALL_DISKS) == []
    assert managed.disks == []


async def test_disks_of_others_are_not_deleted_whatever_their_name_or_their_tag(
    managed: ManagedDisks, place: DiskPlace
) -> None:
    name = new_name()
    tagged = await managed.create_disk("mine", 1024**2, tags={TAG: name})
    named = await managed.create_disk(f"{name}-mine", 1024**2, tags={TAG: new_name()})
    assert await take_away_disks(name, place, [tagged.id.text, named.id.text], SMALL_DISKS) == []
    assert managed.disks == [tagged, named]
    for wrong in ("", "tidemark-prove-", "tidemark-prove-other"):
        with pytest.raises(ValueError, match="is not the name of a run"):
            await take_away_disks(wrong, place, [], SMALL_DISKS)


@pytest.mark.parametrize(
    ("group", "region", "written", "reason"),
    [
        ("machines", "westeurope", "", "is not the ID of a resource group"),
        (GROUP_ID, "", "", "needs --region"),
        (GROUP_ID, "westeurope", f"{GROUP_ID}/providers/Microsoft.Compute/disks/*", "is to be one disk"),
        (GROUP_ID, "westeurope", GROUP_ID, "is not the ID of a managed disk"),
        (
            GROUP_ID,
            "westeurope",
            "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/g/providers/Microsoft.Compute/disks/d",
            "of the subscription of --disk-group",
        ),
    ],
)
def test_a_place_that_is_none_is_refused(group: str, region: str, written: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        DiskPlace.parse(group, region, written)
